from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Problem, ProblemError
from app.identity import new_id
from app.pagination import decode_cursor, encode_cursor, page


@dataclass(frozen=True)
class Item:
    id: UUID


@given(st.uuids())
def test_a_cursor_leads_back_to_its_id(id_):
    assert decode_cursor(encode_cursor(id_)) == id_


@given(st.text(max_size=64))
def test_any_other_text_is_refused_or_is_a_cursor(text):
    try:
        id_ = decode_cursor(text)
    except ProblemError as error:
        problem = error.problem
    else:
        assert decode_cursor(encode_cursor(id_)) == id_
        return
    assert problem is Problem.CURSOR_INVALID


@pytest.mark.parametrize(("rows", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 2, True)])
def test_a_surplus_row_means_that_there_is_more(rows, shown, more):
    items = [Item(new_id()) for _ in range(rows)]
    made = page(items, 2, "/api/v1/x", {"limit": "2", "status": "new"})
    assert len(made.items) == shown
    assert (made.next is not None) is more
    if made.next is not None:
        query = parse_qs(urlsplit(made.next).query)
        assert decode_cursor(query["cursor"][0]) == items[1].id
        assert (query["limit"], query["status"]) == (["2"], ["new"])


def test_ids_are_version_7_and_ordered_by_their_time():
    ids = [new_id() for _ in range(100)]
    assert {id_.version for id_ in ids} == {7}
    assert len(set(ids)) == 100
    milliseconds = [id_.int >> 80 for id_ in ids]
    assert milliseconds == sorted(milliseconds)
