from __future__ import annotations

import pytest

from infra.storage import Disks, Storage, StorageError, choose


@pytest.mark.parametrize(
    ("wanted", "available_gib", "chosen"),
    [
        ("auto", 22.9, Disks(Storage.MEMORY, 16)),
        ("auto", 12.0, Disks(Storage.MEMORY, 6)),
        ("auto", 11.9, Disks(Storage.DISK)),
        ("auto", 0.5, Disks(Storage.DISK)),
        ("memory", 12.0, Disks(Storage.MEMORY, 6)),
        ("disk", 64.0, Disks(Storage.DISK)),
    ],
)
def test_disks_lie_in_memory_where_there_is_enough_of_it(
    wanted: str, available_gib: float, chosen: Disks
) -> None:
    assert choose(wanted, available_gib) == chosen


def test_memory_that_is_not_there_is_refused_with_the_remedy() -> None:
    with pytest.raises(StorageError, match=r"lab_storage: memory needs 12 GiB .* has 3\.2; set it to `disk`"):
        choose("memory", 3.2)


def test_another_word_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(StorageError, match="lab_storage: 'ram' is none of auto, memory, disk"):
        choose("ram", 64.0)
