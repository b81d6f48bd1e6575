from __future__ import annotations

from itertools import islice

from app.imports.batch import gather
from app.imports.rows import read_rows
from app.imports.schemas import Format, Row
from app.seeding import customers


def read(lines):
    return list(read_rows(list(lines), 1, Format.NDJSON, None))


def test_the_same_seed_gives_the_same_rows_and_a_larger_base_contains_the_smaller():
    small = list(customers.rows(7, 1500))
    assert small == list(islice(customers.rows(7, 10_000), 1500))
    assert small[1200:1300] == list(customers.rows(7, 100, first=1200))
    assert small != list(customers.rows(8, 1500))


def test_every_row_is_valid_and_only_those_that_speak_again_of_a_customer_meet():
    results = read(customers.rows(1, 3000))
    assert all(isinstance(result, Row) for result in results)
    batch = gather(results, {})
    again = 3000 - len(batch.entries)
    assert 0 < again < 3000 * customers.AGAIN * 2


def test_numbers_beyond_ten_million_meet_no_earlier_ones():
    far = read(customers.rows(1, 1000, first=10_000_000))
    near = read(customers.rows(1, 1000))
    inns = {result.details.inn for result in near}
    assert {result.details.inn for result in far if result.details.inn in inns} == set()
