"""What is not there is a 404, its parts too: an empty list would say that it is there and has none."""

from __future__ import annotations

from uuid import uuid4

import pytest

from app.main import create_app
from app.settings import Settings

PATHS = create_app(Settings(database_url="postgresql:///")).openapi()["paths"]
READS = sorted(path for path, operations in PATHS.items() if "{" in path and "get" in operations)


def made_up(schema):
    """A value that fits, and names nothing there is."""
    if "enum" in schema:
        return schema["enum"][0]
    fitting = {"uuid": str(uuid4()), "date": "2026-01-31", "date-time": "2026-01-31T00:00:00Z"}
    return fitting.get(schema.get("format"), "nobody")


def asked(path):
    """The address, with what it requires."""
    required = {each["name"]: each for each in PATHS[path]["get"]["parameters"] if each["required"]}
    named = {name: made_up(each["schema"]) for name, each in required.items()}
    query = "&".join(f"{name}={named[name]}" for name, each in required.items() if each["in"] == "query")
    return f"{path.format(**named)}?{query}"


@pytest.mark.parametrize("path", READS)
async def test_what_is_not_there_has_no_parts_either(api, path):
    answer = await api.get(asked(path))
    assert answer.status_code == 404, answer.text
    assert "404" in PATHS[path]["get"]["responses"]
