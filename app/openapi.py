"""The API's description: what FastAPI finds, with our problem details in the place of its error shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from app.access.operations import BASE, Need, need
from app.access.policy import TABLE, Hidden, Role
from app.problems import MEDIA_TYPE, ProblemDetails

REFERENCE = "#/components/schemas/{model}"
WRITE_HEADERS = {
    "Twinsite-Node": "Address of the primary that committed",
    "Twinsite-Timeline": "Its timeline",
    "Twinsite-Lsn": "A WAL position of the write's own transaction",
    "Twinsite-Remote-Copy": "Whether another site has a copy (yes, no); absent where nobody looks",
}
EVERY_HEADER = {"Twinsite-Site": "The site that answered", "X-Request-Id": "The request's id"}
SCHEMES = {
    "token": {
        "type": "oauth2",
        "description": "`Authorization: Bearer` with an access token (a JWT signed with Ed25519, 10 minutes)",
        "flows": {
            "password": {"tokenUrl": f"{BASE}oauth/token", "refreshUrl": f"{BASE}oauth/token", "scopes": {}}
        },
    },
    "serviceKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tws_…",
        "description": "`Authorization: Bearer` with the key of a system's account",
    },
}
# What app/access/masking.py masks.
MASKED: Mapping[str, Mapping[str, Hidden]] = {
    "Customer": {
        "contacts": Hidden.CONTACTS,
        "address": Hidden.CONTACTS,
        "inn": Hidden.REQUISITES,
        "kpp": Hidden.REQUISITES,
        "ogrn": Hidden.REQUISITES,
        "snils": Hidden.REQUISITES,
    },
    "Representative": dict.fromkeys(("name", "phone", "document"), Hidden.CONTACTS),
    "Order": dict.fromkeys(("contract_id", "currency", "discount", "full_amount", "amount"), Hidden.TERMS),
    "Vehicle": dict.fromkeys(("driver", "driver_document"), Hidden.DRIVERS),
    "Call": {"phone": Hidden.CONTACTS, "recording": Hidden.CONTACTS},
}
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
    document["components"]["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method, operation)
            _secure(operation, need(method.upper(), path))
    for model, names in MASKED.items():
        _mark_masked(schemas.get(model, {}), names)
    return document


def _secure(operation: dict[str, Any], wanted: Need | None) -> None:
    """Which proofs open it, and for whom: read off the table of rules."""
    operation["security"] = [] if wanted is None else [{"token": []}, {"serviceKey": []}]
    if wanted is not None:
        roles = {
            rule.role.value
            for rule in TABLE
            if rule.resource is wanted.resource and wanted.action in rule.actions
        }
        operation["x-resource"], operation["x-action"] = wanted.resource.value, wanted.action.name.lower()
        operation["x-roles"] = sorted(roles - {Role.SYSTEM.value})


def _mark_masked(schema: dict[str, Any], names: Mapping[str, Hidden]) -> None:
    for name, hidden in names.items():
        field = schema.get("properties", {}).get(name)
        if field is not None:
            roles = ", ".join(sorted({rule.role.value for rule in TABLE if hidden in rule.hidden}))
            how = "not shown" if hidden is Hidden.TERMS else "asterisks and at most the last four characters"
            said = f"{field['description']}. " if "description" in field else ""
            field["description"] = f"{said}Masked for {roles}: {how}"


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
        if status in {"429", "503"} and MEDIA_TYPE in response.get("content", {}):
            names["Retry-After"] = "Seconds"
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in names.items()
        }
