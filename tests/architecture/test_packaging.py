"""What the code reads beside itself must travel with it into a wheel (docs: setuptools, package data)."""

import tomllib
from fnmatch import fnmatch

import pytest

from tests.architecture.checkout import ROOMS, text, tracked

SETUPTOOLS = tomllib.loads(text("pyproject.toml"))["tool"]["setuptools"]
DATA = [path for path in tracked() if path.parts[0] in ROOMS and path.suffix != ".py"]


def test_the_rooms_hold_data():
    assert DATA


@pytest.mark.parametrize("path", DATA, ids=str)
def test_every_data_file_is_packaged(path):
    patterns = SETUPTOOLS["package-data"]["*"]
    assert any(fnmatch(path.name, pattern) for pattern in patterns), (
        f"pyproject.toml, package-data: {path.name}"
    )


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_packaged(room):
    assert any(fnmatch(room, pattern) for pattern in SETUPTOOLS["packages"]["find"]["include"])
