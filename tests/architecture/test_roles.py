"""Ansible roles have the same bones, and decision records the same sections."""

import re

import pytest
import yaml

from tests.architecture.checkout import CHECKOUT, text, tracked

ROLES = sorted({path.parts[2] for path in tracked("playbooks/roles/*")})
# Helpers that other roles include: they stand up nothing of their own, and so assert nothing.
HELPERS = {"preflight", "release", "virtualenv"}
RECORDS = tracked("docs/decisions/*.md")


def test_there_are_roles_and_records():
    assert ROLES
    assert RECORDS


@pytest.mark.parametrize("role", ROLES)
def test_a_role_says_what_it_takes(role):
    specs = yaml.safe_load(text(f"playbooks/roles/{role}/meta/argument_specs.yml"))
    assert specs["argument_specs"]["main"]["short_description"]


@pytest.mark.parametrize("role", sorted(set(ROLES) - HELPERS))
def test_a_role_asserts_before_it_changes(role):
    assert (CHECKOUT / f"playbooks/roles/{role}/tasks/assert.yml").is_file()


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_defaults_bear_its_name(role):
    defaults = CHECKOUT / f"playbooks/roles/{role}/defaults/main.yml"
    if defaults.exists():
        names = yaml.safe_load(defaults.read_text()) or {}
        assert [name for name in names if not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_main_is_a_page_of_contents(role):
    assert len(text(f"playbooks/roles/{role}/tasks/main.yml").splitlines()) <= 40


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_decision_record_has_its_sections(record):
    lines = text(record).splitlines()
    number = record.name[:4]
    assert re.fullmatch(rf"# {number} .+", lines[0]), "the title begins with the record's number"
    assert re.match(r"Status: (proposed|accepted|superseded by \d{4})\b", lines[2])
    headings = {line.removeprefix("## ") for line in lines if line.startswith("## ")}
    assert {"Context", "Decision"} <= headings


def test_decision_records_have_numbers_of_their_own():
    numbers = [record.name[:4] for record in RECORDS]
    assert len(set(numbers)) == len(numbers)
