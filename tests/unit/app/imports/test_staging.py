"""What a batch becomes on its way into PostgreSQL."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from app.imports import staging
from app.imports.batch import gather
from app.imports.rows import read_rows
from app.imports.schemas import Format
from app.seeding import customers

NULL = None
# PostgreSQL's manual, COPY, "Text Format"; with `NULL ''`.
MEANT = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
FIELD = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def as_copy_reads(line):
    """A line break or tab that is not escaped ends a line or a field, whatever was meant."""
    assert line.endswith("\n")
    assert "\n" not in line[:-1]
    assert "\r" not in line
    fields = line[:-1].split("\t")
    return tuple(re.sub(r"\\(.)", lambda sign: MEANT[sign[1]], field) or NULL for field in fields)


@given(st.lists(FIELD, min_size=2, max_size=5).map(tuple))
@example((r"C:\new", "\t", None, "\r\n", r"\."))
@example((r"\N", "N"))
def test_every_field_comes_out_as_it_went_in(fields):
    assert as_copy_reads(staging._line(fields)) == fields


def test_ids_ascend_in_the_order_in_which_cards_are_written_and_contacts_name_their_card():
    staged = staging.stage(list(read_rows(list(customers.rows(3, 200)), 1, Format.NDJSON, None)), {})
    cards = [as_copy_reads(line + "\n") for line in staged.incoming.decode().splitlines()]
    by_id = {card[0]: card for card in cards}
    assert [of.details.inn for of in staged.batch.entries] == [card[4] for card in cards]  # as in the file
    written = [by_id[id_] for id_ in sorted(by_id)]
    assert len(written) == len(cards) > 150
    assert written == sorted(written, key=lambda card: (card[4] or "", card[5] or ""))
    contacts = [as_copy_reads(line + "\n") for line in staged.contacts.decode().splitlines()]
    told = [(by_id[card][4], value) for _, card, _, value, *_ in contacts]
    assert told == [
        (of.details.inn, contact.value) for of in staged.batch.entries for contact in of.details.contacts
    ]


PHONE = b'"contacts": [{"kind": "phone", "value": "8 912 345-67-89"}]'
KNOWN = b'{"kind": "person", "name": "\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0", "external_id": "a", ' + PHONE + b"}"
STRANGER = b'{"kind": "person", "name": "\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0", ' + PHONE + b"}"


def test_within_a_batch_a_row_without_identifiers_is_known_by_its_contact():
    for rows in ([KNOWN, STRANGER], [STRANGER, KNOWN], [STRANGER, STRANGER]):
        batch = gather(list(read_rows(rows, 1, Format.NDJSON, None)), {})
        known = KNOWN in rows and rows[0] == STRANGER
        assert [entry.rows for entry in batch.entries] == ([1, 1] if known else [2])
