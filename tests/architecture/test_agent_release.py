"""The agent's release leaves modules out; what it leaves out, its program must not need."""

import ast
import re
from pathlib import Path

from tests.architecture.checkout import CHECKOUT, imported, text, tree


def left_out():
    line = re.search(r"release_without: \[(.*)\]", text("playbooks/roles/agent/tasks/main.yml"))
    assert line, "the role agent names what its release leaves out"
    return tuple(line[1].split(", "))


def path_of(module):
    """The file of a module or package of the room; None for a name inside a module."""
    bare = Path(*module.split("."))
    found = (bare.with_suffix(".py"), bare / "__init__.py")
    return next((path for path in found if (CHECKOUT / path).is_file()), None)


def names_in(path):
    """Modules of the room that a file imports, also as `from failover import module`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("failover"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    yield from (name for name in imported(path) if name.startswith("failover"))


def needed():
    """Every file that `python -m failover` imports, directly or not."""
    waiting, seen = [Path("failover/__main__.py")], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        waiting += [found for name in names_in(path) if (found := path_of(name))]
    return seen


def test_the_agents_program_is_whole_in_its_release():
    files = {str(path) for path in needed()}
    assert len(files) > 20
    missing = {file for file in files if file.startswith(left_out())}
    assert missing == set()
