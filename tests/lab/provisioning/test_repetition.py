"""A second provision finds everything as it should be."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.lab


def test_a_second_provision_changes_nothing(provisioned, tmp_path):
    log = tmp_path / "provision.log"
    provisioned.playbook.run(log, print)
    recaps = provisioned.playbook.run(log, print)
    assert {recap.host for recap in recaps} == {host.name for host in provisioned.estate.booting_hosts}
    assert {recap.host: recap.changed for recap in recaps if recap.changed} == {}
