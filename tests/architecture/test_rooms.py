"""Who may know whom. The table in docs/architecture.md is the rule; this holds the code to it."""

import re

import pytest
import yaml

from tests.architecture.checkout import CHECKOUT, ROOMS, imported, modules, text

_ROW = re.compile(r"^\| `(\w+)/` \|.*\| ([^|]+) \|$", re.MULTILINE)

# The doors, one for each place that programs are started from.
DOORS = {
    "infra/command.py": "the operator's machine",
    "failover/command.py": "an agent's host, which has no lab",
    "app/devserver.py": "the API may not know the lab, and its private PostgreSQL is a process",
}


def permissions():
    """Room -> rooms that it may import, from the document."""
    table = dict(_ROW.findall(text("docs/architecture.md")))
    return {
        room: ROOMS if allowed == "all" else tuple(re.findall(r"`(\w+)/`", allowed))
        for room, allowed in table.items()
    }


def test_every_room_stands_in_the_document():
    assert set(ROOMS) <= permissions().keys()


def test_every_package_is_a_room():
    packages = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    assert packages == set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_rooms_import_only_whom_they_may_know(path):
    room = path.parts[0]
    allowed = {room, *permissions()[room]}
    strangers = {name for name in imported(path) if name.partition(".")[0] in set(ROOMS) - allowed}
    assert not strangers, f"{path} imports {strangers}; declare a port and let twinsite/ wire it"


def test_no_room_imports_the_tests():
    for path in modules():
        assert "tests" not in {name.partition(".")[0] for name in imported(path)}, path


def test_programs_are_started_through_the_doors():
    starters = {str(path) for path in modules() if "subprocess" in set(imported(path))}
    assert starters <= DOORS.keys()
    for path in modules():
        assert "create_subprocess" not in text(path), f"{path}: asyncio has no door"


def test_what_agents_run_imports_nothing_that_their_release_leaves_out():
    tasks = yaml.safe_load(text("playbooks/roles/agent/tasks/main.yml"))
    (left_out,) = [
        task["vars"]["release_without"] for task in tasks if "release_without" in task.get("vars", {})
    ]
    names = tuple(path.removesuffix(".py").replace("/", ".") for path in left_out)

    def is_left_out(name):
        return any(name == each or name.startswith(f"{each}.") for each in names)

    shipped = [path for path in modules() if path.parts[0] == "failover"]
    shipped = [path for path in shipped if not is_left_out(".".join(path.with_suffix("").parts))]
    missing = {str(path): name for path in shipped for name in imported(path) if is_left_out(name)}
    assert not missing
