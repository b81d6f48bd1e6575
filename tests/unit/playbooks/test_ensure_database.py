"""The role's tool judges a stored verifier as PostgreSQL does."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from infra.paths import CHECKOUT

# Made by libpq 17 from the password "pencil".
VERIFIER = (
    "SCRAM-SHA-256$4096:fbxcXN9WUaJ/7gU2WVHS3A==$"
    "8/KgL9uRz8LUDCo5i3UmtQyORceLBpzSl4f2F/tKh7k=:hDQD7c6Qh/Ps2N77UZQzmghAChGOt/3rNhojqHFVpsM="
)


@pytest.fixture(scope="module")
def tool():
    path = CHECKOUT / "playbooks/roles/postgresql/files/ensure_database.py"
    spec = importlib.util.spec_from_file_location("ensure_database", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ensure_database"] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def test_the_right_password_verifies(tool):
    assert tool.verifies("pencil", VERIFIER)


@pytest.mark.parametrize("password", ["Pencil", "pencil ", ""])
def test_another_does_not(tool, password):
    assert not tool.verifies(password, VERIFIER)


@pytest.mark.parametrize(
    "stored",
    ["", "md5" + 32 * "0", "pencil", VERIFIER.replace("SHA-256", "SHA-1"), VERIFIER.partition(":")[0]],
)
def test_what_is_no_verifier_matches_nothing(tool, stored):
    assert not tool.verifies("pencil", stored)


def test_roles_are_read_with_their_defaults(tool):
    wanted = tool.Wanted.from_json(
        '{"roles": [{"name": "monitor", "password": "p", "member_of": ["pg_monitor"]}], "database": "crm",'
        ' "owner": "crm_owner", "guests": ["monitor"], "extensions": []}'
    )
    (role,) = wanted.roles
    assert role.member_of == ("pg_monitor",)
    assert role.settings == {}
    assert "p'" not in repr(role)
