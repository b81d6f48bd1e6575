import pytest

from infra.command import CommandError
from infra.lab import LabDownError, LabError
from infra.secret_values import SecretsError
from infra.topology import UnknownHostError
from twinsite.outcome import EXPECTED, CannotError, Exit, explain


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LabDownError("the lab is down"), Exit.DOWN),
        (LabError("another command is changing the lab"), Exit.FAILED),
        (UnknownHostError("no host is called 'dc1-db9'"), Exit.FAILED),
        (SecretsError("vault.yml does not open"), Exit.FAILED),
        (CommandError(["mmdebstrap"], "ended with status 25", "E: Unable to locate package"), Exit.FAILED),
        (PermissionError(13, "Permission denied"), Exit.FORBIDDEN),
        (CannotError("a drill needs root", Exit.FORBIDDEN), Exit.FORBIDDEN),
    ],
)
def test_every_expected_error_has_its_status(error, status):
    text, found = explain(error)
    assert found is status
    assert str(error) in text
    assert isinstance(error, EXPECTED)


def test_a_mistake_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        explain(ZeroDivisionError())


def test_the_statuses_are_the_documented_ones():
    assert {each.name: each.value for each in Exit} == {
        "OK": 0,
        "BAD": 1,
        "DOWN": 2,
        "FAILED": 3,
        "FORBIDDEN": 4,
    }
