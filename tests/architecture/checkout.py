"""The checkout as the house rules see it: tracked files, parsed modules."""

import ast
import subprocess
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ("app", "benchmarks", "failover", "infra", "loadtests", "twinsite")


@cache
def tracked(*patterns):
    """Tracked files, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--", *patterns],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return tuple(path for path in map(Path, listed) if (CHECKOUT / path).is_file())


def modules():
    """Every Python module of the rooms."""
    return tuple(path for path in tracked("*.py") if path.parts[0] in ROOMS)


def text(path):
    return (CHECKOUT / path).read_text(encoding="utf-8")


@cache
def tree(path):
    return ast.parse(text(path))


def imported(path):
    """Full names of the modules that a module imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
