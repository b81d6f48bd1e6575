"""Version 2 by a tree of plain files; tests/integration/infra does the same with the kernel's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import cgroups
from infra.cgroups import FreezeError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The group of all hosts on a machine with version 2 alone."""
    monkeypatch.setattr(cgroups, "_V1", tmp_path / "freezer")
    monkeypatch.setattr(cgroups, "_V2", tmp_path)
    monkeypatch.setattr(cgroups, "_FREEZE_DEADLINE_S", 0.05)
    return tmp_path / "twinsite"


def group(tree: Path, path: str, *pids: int, frozen: int = 0) -> Path:
    made = tree / path
    made.mkdir(parents=True)
    (made / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    (made / "cgroup.events").write_text(f"populated 1\nfrozen {frozen}\n")
    (made / "cgroup.freeze").write_text(f"{frozen}\n")
    return made


def test_a_hosts_processes_are_those_of_its_units_too_and_of_no_other_host(tree: Path) -> None:
    group(tree, "db1")
    group(tree, "db1/supervisor", 7)
    group(tree, "db1/payload/system.slice/patroni.service", 8, 9)
    group(tree, "db10", 10)
    assert cgroups.processes("db1") == {7, 8, 9}
    assert cgroups.all_processes() == {7, 8, 9, 10}


def test_a_unit_that_ends_meanwhile_takes_nothing_else_with_it(tree: Path) -> None:
    """With version 2 the units' groups vanish while one reads, and threaded groups refuse to be read."""
    group(tree, "db1", 7)
    (tree / "db1" / "ending.service" / "cgroup.procs").mkdir(parents=True)  # listed, and reading it fails
    assert cgroups.processes("db1") == {7}


def test_a_units_processes_are_found_by_its_name_alone(tree: Path) -> None:
    group(tree, "db1/payload/system.slice/patroni.service", 8)
    group(tree, "db1/payload/system.slice/patroni.service/nested", 9)
    group(tree, "db1/payload/system.slice/other-patroni.service", 10)
    group(tree, "db2/payload/system.slice/patroni.service", 11)
    assert cgroups.processes_of_unit("db1", "patroni") == {8, 9}
    assert cgroups.processes_of_unit("db1", "patroni.service") == {8, 9}
    assert cgroups.processes_of_unit("db1", "absent") == set()


def test_freezing_writes_what_the_kernel_reads_and_waits_for_what_it_says(tree: Path) -> None:
    host = group(tree, "db1", 7, frozen=1)
    cgroups.freeze("db1")
    assert ((host / "cgroup.freeze").read_text(), cgroups.is_frozen("db1")) == ("1", True)
    with pytest.raises(FreezeError, match="did not become 0"):
        cgroups.thaw("db1")
    assert (host / "cgroup.freeze").read_text() == "0"


def test_a_machine_without_a_freezer_is_told_so_instead_of_getting_plain_files(tree: Path) -> None:
    with pytest.raises(FreezeError, match="mounts neither version 2"):
        cgroups.make("db1")
