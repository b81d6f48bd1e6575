"""What a server's WAL tells of its transactions, and how a saved row is said as a statement. Pure.

WAL is read as pg_waldump (PostgreSQL 15 to 17) prints it. Part of `salvage.py`; standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

RECORD = re.compile(r"^rmgr: (?P<manager>\S+)\s.*?\btx:\s+(?P<xid>\d+), .*?desc: (?P<desc>.*)$")
BLOCK = re.compile(r"blkref #(\d+): rel (\d+)/(\d+)/(\d+) (?:fork \w+ )?blk (\d+)")
CHANGES = {"INSERT": "insert", "UPDATE": "update", "HOT_UPDATE": "update", "DELETE": "delete"}


@dataclass(frozen=True)
class Change:
    """One row version that WAL tells of: `place` is its table's file and its ctid."""

    xid: int
    kind: str
    filenode: tuple[int, int, int]
    tid: tuple[int, int]


def lsn_text(lsn: int) -> str:
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def committed(lines: Iterable[str]) -> frozenset[int]:
    """Transactions that committed, with their subtransactions."""
    found: set[int] = set()
    for line in lines:
        record = RECORD.match(line)
        if record and record["manager"] == "Transaction" and record["desc"].startswith("COMMIT"):
            found.add(int(record["xid"]))
            subtransactions = re.search(r"subxacts: ([\d ]+)", record["desc"])
            found.update(map(int, subtransactions[1].split()) if subtransactions else ())
    return frozenset(found)


def changes(lines: Iterable[str], transactions: frozenset[int]) -> Iterator[Change]:
    """Row versions that those transactions wrote or deleted, in the order of WAL."""
    for line in lines:
        record = RECORD.match(line)
        if record and record["manager"] in ("Heap", "Heap2") and int(record["xid"]) in transactions:
            yield from _changes_of(int(record["xid"]), record["desc"])


def _changes_of(xid: int, text: str) -> Iterator[Change]:
    block = BLOCK.search(text)
    name = text.split(" ", 1)[0].removesuffix("+INIT")
    if block is None:
        return
    filenode = (int(block[2]), int(block[3]), int(block[4]))
    if name == "MULTI_INSERT":
        listed = re.search(r"offsets: \[([\d, ]*)\]", text)
        count = re.search(r"ntuples: (\d+)|(\d+) tuples", text)
        offsets = [int(each) for each in listed[1].split(",")] if listed and listed[1] else []
        # With +INIT, and in older formats, the offsets are not told: they are those of a new page.
        if not offsets and count:
            offsets = list(range(1, int(count[1] or count[2]) + 1))
        for offset in offsets:
            yield Change(xid, "insert", filenode, (int(block[5]), offset))
    elif name in CHANGES:
        found = re.search(r"new[_ ]off:? (\d+)", text) or re.search(r"\boff:? (\d+)", text)
        if found:
            yield Change(xid, CHANGES[name], filenode, (int(block[5]), int(found[1])))


def statement(row: dict[str, object]) -> str:
    """SQL that would repeat one saved row. Names come from the catalogue, already quoted."""
    table, key, columns = row["table"], _names(row["key"]), _names(row["columns"])
    body = _literal(json.dumps(row["row"], ensure_ascii=False))
    record = f"jsonb_populate_record(NULL::{table}, {body}::jsonb)"
    if row["kind"] == "insert" or not key:
        listed = ", ".join(columns)
        return (
            f"INSERT INTO {table} ({listed}) OVERRIDING SYSTEM VALUE SELECT {listed} FROM {record}"  # noqa: S608
            " ON CONFLICT DO NOTHING;"
        )
    changed = [name for name in columns if name not in key]
    new = ", ".join(f"new.{name}" for name in changed)
    same = " AND ".join(f"old.{name} = new.{name}" for name in key)
    return (
        f"UPDATE {table} AS old SET ({', '.join(changed)}) = ROW({new}) FROM {record} AS new"  # noqa: S608
        f" WHERE {same};"
    )


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
