"""The feel of the house, where a machine can see it: sizes, guards, addresses."""

import ast
import re

import pytest

from tests.architecture.checkout import CHECKOUT, modules, text, tracked, tree

# A module fits in one reading, a function on one screen.
MODULE_LINES = 330
FUNCTION_LINES = 60

_REASON = re.compile(r"#.*noqa: BLE001\s*[-(#–—].{15,}")
# Where packages come from is the machine's own setting; where this checkout lies is nobody's business.
_REGISTRIES = r"pypi\.org|pythonhosted\.org|registry\.npmjs|(deb|security|ftp)(\.\w+)?\.debian\.org"
_PLACES = r"/work/main|/work/shared|/root/\.|/home/(?!twinsite)\w+/|/tmp/tw\b"
_SECRETS = r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n\s*[A-Za-z0-9+/]{40}|\$ANSIBLE_VAULT;"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_module_fits_in_one_reading(path):
    assert len(text(path).splitlines()) <= MODULE_LINES


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_function_fits_on_one_screen(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree(path)) if isinstance(node, kinds)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", modules(), ids=str)
def test_a_broad_except_is_a_loops_outermost_guard_and_says_so(path):
    lines = text(path).splitlines()
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        named = {getattr(each, "id", "") for each in ast.walk(node.type)} if node.type else {"BaseException"}
        if named & {"Exception", "BaseException"} and not (reraises(node) or logs_it_all(node)):
            line = lines[node.lineno - 1]
            assert _REASON.search(line), f"{path}:{node.lineno}: say why everything is caught here"


def reraises(handler):
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def logs_it_all(handler):
    """A loop that goes on after writing down what happened, with its traceback and a sentence."""
    calls = (node.func for node in ast.walk(handler) if isinstance(node, ast.Call))
    return any(isinstance(call, ast.Attribute) and call.attr == "exception" for call in calls)


def searched():
    """Every tracked file but this one, which names what it forbids."""
    return [path for path in tracked() if path.name != "test_house_rules.py"]


@pytest.mark.parametrize(
    ("what", "pattern"), [("registry", _REGISTRIES), ("place on one machine", _PLACES), ("secret", _SECRETS)]
)
def test_no_tracked_file_names_a(what, pattern):
    found = [
        f"{path}: {match[0]}"
        for path in searched()
        if (match := re.search(pattern, (CHECKOUT / path).read_bytes().decode("utf-8", "ignore")))
    ]
    assert found == []
