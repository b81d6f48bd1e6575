"""Ids made in one go are as good as those made one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from app.identity import first_id, new_hex_ids, new_id


def test_ids_made_together_are_version_7_distinct_and_in_order():
    earlier = new_id()
    made = [UUID(hex=digits) for digits in new_hex_ids(1000)]
    assert {(id_.version, id_.variant) for id_ in made} == {(7, RFC_4122)}
    assert len(set(made)) == 1000
    assert made == sorted(made)
    milliseconds = [id_.int >> 80 for id_ in (earlier, made[0], new_id())]
    assert milliseconds == sorted(milliseconds)


def test_no_ids_are_none():
    assert new_hex_ids(0) == []


def test_before_1970_nothing_had_an_id():
    assert first_id(datetime(1900, 1, 1, tzinfo=UTC)) == UUID(int=0)
