"""The API's description: what FastAPI finds, with our problem details in the place of its error shape."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from app.problems import MEDIA_TYPE, ProblemDetails

REFERENCE = "#/components/schemas/{model}"
WRITE_HEADERS = {
    "Twinsite-Node": "Address of the primary that committed",
    "Twinsite-Timeline": "Its timeline",
    "Twinsite-Lsn": "A WAL position of the write's own transaction",
    "Twinsite-Remote-Copy": "Whether another site has a copy (yes, no); absent where nobody looks",
}
EVERY_HEADER = {"Twinsite-Site": "The site that answered", "X-Request-Id": "The request's id"}
NOT_OURS = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Replace `app.openapi`; made once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _description(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _description(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=__doc__)
    schemas = document["components"]["schemas"]
    for name in NOT_OURS:
        schemas.pop(name, None)
    _, definitions = models_json_schema([(ProblemDetails, "serialization")], ref_template=REFERENCE)
    schemas.update(definitions["$defs"])
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
    return document


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Drop the validation answer that FastAPI adds where we have our own, and name the headers."""
    responses = operation["responses"]
    validation = responses.get("422", {}).get("content", {})
    if validation and MEDIA_TYPE not in validation:
        del responses["422"]
    for status, response in responses.items():
        names = dict(EVERY_HEADER)
        if method != "get" and status.startswith("2"):
            names |= WRITE_HEADERS
        if status == "503" and MEDIA_TYPE in response.get("content", {}):
            names["Retry-After"] = "Seconds"
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in names.items()
        }
