"""Before pg_rewind: save what exists only on this server. Then run pg_rewind. Patroni calls it in its place.

A rewind destroys the only copy of what this server committed after the servers parted. Saved are, in a
directory of its own below --directory: the WAL from the point of divergence, its reading by pg_waldump, every
row that was inserted or updated as it stands now (rows.jsonl, and statements.sql to review and replay by
hand), and how many were deleted (report.json). Rows are read in PostgreSQL's single-user mode: no copy of the
database, no network.

What cannot be saved is not destroyed: this waits, tells why in the journal, and tries again, until it
succeeds or somebody creates the file `skip` in --directory. Standard library only; decision 0403.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import syslog
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from salvage_reading import Change, changes, committed, lsn_text, statement

AGAIN_S = 20.0
UNREACHABLE_S = 60.0
COMMAND_S = 3600.0
TIDS_AT_ONCE = 500

DIVERGED = re.compile(r"servers diverged at WAL location ([0-9A-F]+)/([0-9A-F]+) on timeline (\d+)")


class SalvageError(Exception):
    """Something could not be saved; the message says what."""


@dataclass(frozen=True)
class Settings:
    """Where things are. `pgdata` and `source` are pg_rewind's own arguments."""

    binaries: Path
    directory: Path
    database: str
    schema: str
    pgdata: Path
    source: str
    rewind: tuple[str, ...]


@dataclass(frozen=True)
class Divergence:
    """Where the histories parted. `exact` False: the source could not be asked, all WAL here counts."""

    timeline: int
    lsn: int
    exact: bool = True


@dataclass
class Report:
    """What an operator reads first."""

    host: str
    at: str
    timeline: int
    diverged_at: str
    exact: bool
    transactions: int = 0
    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    not_readable: int = 0
    directory: str = ""


# --- the server's files and programs ----------------------------------------------------------------------


def run(argv: Sequence[str | Path], stdin: str = "", *, check: bool = True) -> str:
    """Both streams of a program's output. Raises SalvageError."""
    try:
        done = subprocess.run(  # noqa: S603  # argv is the role's and Patroni's
            [str(each) for each in argv],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SalvageError(f"{argv[0]}: {error}") from error
    if check and done.returncode != 0:
        raise SalvageError(f"{argv[0]} ended with status {done.returncode}: {done.stdout[-1000:]}")
    return done.stdout


def single_user(settings: Settings, database: str, commands: Sequence[str]) -> str:
    """Runs commands, a line each, with no other process near the data. Recovers from a crash by itself."""
    quiet = {
        "archive_mode": "off",
        "default_transaction_read_only": "on",
        "synchronous_standby_names": "",
        "log_destination": "stderr",
    }
    options = [item for name, value in quiet.items() for item in ("-c", f"{name}={value}")]
    signal = settings.pgdata / "standby.signal"
    aside = signal.with_suffix(".salvage")
    if signal.exists():
        signal.rename(aside)  # single-user mode refuses to be a standby
    try:
        argv = [settings.binaries / "postgres", "--single", "-D", settings.pgdata, *options, database]
        return run(argv, "".join(f"{command}\n" for command in commands))
    finally:
        if aside.exists():
            aside.rename(signal)


def control(settings: Settings, name: str) -> str:
    """One line of pg_controldata. Raises SalvageError."""
    text = run(["env", "LC_ALL=C", settings.binaries / "pg_controldata", settings.pgdata])
    found = re.search(rf"^{re.escape(name)}:\s+(.*)$", text, re.MULTILINE)
    if found is None:
        raise SalvageError(f"pg_controldata tells no {name!r}")
    return found[1]


def divergence(settings: Settings) -> Divergence | None:
    """Where pg_rewind would go back to; None: it has nothing to do. Not exact if the source stays silent."""
    if not control(settings, "Database cluster state").startswith("shut down"):
        single_user(settings, "template1", [])
    deadline = time.monotonic() + UNREACHABLE_S
    while True:
        said = run(["env", "LC_ALL=C", *settings.rewind, "--dry-run"], check=False)
        if found := DIVERGED.search(said):
            high, low, timeline = found.groups()
            return Divergence(int(timeline), (int(high, 16) << 32) + int(low, 16))
        if "no rewind required" in said:
            return None
        if time.monotonic() > deadline:
            tell(f"where the servers parted is unknown; all since the oldest WAL counts: {said[-300:]}")
            return _everything(settings)
        time.sleep(AGAIN_S / 4)


def _everything(settings: Settings) -> Divergence:
    timeline = int(control(settings, "Latest checkpoint's TimeLineID"))
    mine = [path.name for path in _segments(settings, timeline)]
    if not mine:
        raise SalvageError(f"no WAL of timeline {timeline} is left")
    size = int(control(settings, "Bytes per WAL segment"))
    return Divergence(timeline, _start(mine[0], size), exact=False)


def _segments(settings: Settings, timeline: int) -> list[Path]:
    return sorted((settings.pgdata / "pg_wal").glob(f"{timeline:08X}????????????????"))


def _start(name: str, size: int) -> int:
    """The LSN at which a segment begins."""
    per_file = 0x100000000 // size
    return (int(name[8:16], 16) * per_file + int(name[16:24], 16)) * size


def save_wal(settings: Settings, parted: Divergence, to: Path) -> list[str]:
    """Copies the segments from the divergence on, and returns pg_waldump's lines."""
    size = int(control(settings, "Bytes per WAL segment"))
    wal = to / "wal"
    wal.mkdir()
    for segment in _segments(settings, parted.timeline):
        if _start(segment.name, size) + size > parted.lsn:
            shutil.copy2(segment, wal)
    dump = settings.binaries / "pg_waldump"
    # It ends with an error where WAL ends; what it printed until then is all there is.
    where = ["--path", str(wal), "--timeline", str(parted.timeline), "--start", lsn_text(parted.lsn)]
    lines = run([dump, *where], check=False)
    (to / "waldump.txt").write_text(lines, encoding="utf-8")
    for segment in wal.iterdir():
        _pack(segment)
    return lines.splitlines()


def _pack(segment: Path) -> None:
    """A segment has its full size however little of it is used."""
    with segment.open("rb") as whole, gzip.open(f"{segment}.gz", "wb", compresslevel=1) as packed:
        shutil.copyfileobj(whole, packed)
    segment.unlink()


def read_rows(settings: Settings, found: Sequence[Change], to: Path) -> Iterator[dict[str, object]]:
    """The versions that still stand, one object each: {table, kind, xid, key, columns, row}."""
    kinds = {(change.filenode, change.tid): change.kind for change in found if change.kind != "delete"}
    by_table: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for filenode, tid in kinds:
        by_table.setdefault(filenode, []).append(tid)
    commands, files = [], []
    for filenode, tids in sorted(by_table.items()):
        for first in range(0, len(tids), TIDS_AT_ONCE):
            file = to / f".rows-{len(files)}"
            commands += _commands(settings.schema, filenode, tids[first : first + TIDS_AT_ONCE], file)
            files.append((filenode, file))
    said = single_user(settings, settings.database, commands)
    for filenode, file in files:
        if not file.exists():
            raise SalvageError(f"rows of file {filenode} could not be read: {said[-1000:]}")
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            block, offset = row.pop("tid").strip("()").split(",")
            yield {"kind": kinds[filenode, (int(block), int(offset))], **row}
        file.unlink()


# The table's name must be found first, so each batch is a block. CSV with characters that JSON never holds
# unescaped, because COPY's text form would double backslashes.
_BLOCK = """
DO $salvage$
DECLARE r regclass := pg_filenode_relation({tablespace}, {file_number}); k jsonb; c jsonb; q text;
BEGIN
 SELECT jsonb_agg(quote_ident(attname)) INTO c FROM pg_attribute
  WHERE attrelid = r AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
 SELECT jsonb_agg(quote_ident(a.attname)) INTO k FROM pg_index i
   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  WHERE i.indrelid = r AND i.indisprimary;
 IF (SELECT relkind = 'r' AND relnamespace::regnamespace::text = '{schema}' FROM pg_class WHERE oid = r) THEN
  q := format($q$SELECT jsonb_build_object('tid', t.ctid::text, 'xid', t.xmin::text,
    'table', %L, 'key', %L::jsonb, 'columns', %L::jsonb, 'row', to_jsonb(t))
   FROM %s t WHERE t.ctid = ANY (%L::tid[])$q$,
    r, coalesce(k, '[]'), coalesce(c, '[]'), r, '{{{tids}}}');
 ELSE
  q := 'SELECT 1 WHERE false';
 END IF;
 EXECUTE format($q$COPY (%s) TO %L WITH (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')$q$, q, '{to}');
END
$salvage$
"""


def _commands(
    schema: str, filenode: tuple[int, int, int], tids: Sequence[tuple[int, int]], file: Path
) -> list[str]:
    """One line: single-user mode ends a command at the end of its line."""
    listed = ",".join(f'"({block},{offset})"' for block, offset in tids)
    block = _BLOCK.format(
        tablespace=filenode[0], file_number=filenode[2], schema=schema, tids=listed, to=file
    )
    return [" ".join(block.split("\n"))]


# --- the order of things ----------------------------------------------------------------------------------


def salvage(settings: Settings) -> Report | None:
    """Saves what only this server has; None if there is nothing. Raises SalvageError."""
    parted = divergence(settings)
    if parted is None:
        return None
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    to = settings.directory / f"{at}-{socket.gethostname()}-{parted.timeline}"
    to.mkdir(mode=0o700)
    report = Report(socket.gethostname(), at, parted.timeline, lsn_text(parted.lsn), parted.exact)
    report.directory = str(to)
    lines = save_wal(settings, parted, to)
    transactions = committed(lines)
    if not transactions:
        shutil.rmtree(to)
        return None
    found = list(changes(lines, transactions))
    report.transactions = len(transactions)
    rows = list(read_rows(settings, found, to)) if found else []
    _write(to, rows)
    report.rows = _counted(rows)
    report.not_readable = sum(change.kind == "delete" for change in found)
    (to / "report.json").write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    return report


def _write(to: Path, rows: Sequence[dict[str, object]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (to / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    head = "-- For review. What was acknowledged to nobody stands here too; what changed since, too.\n"
    body = "".join(f"{statement(row)}\n" for row in rows)
    (to / "statements.sql").write_text(head + body, encoding="utf-8")


def _counted(rows: Iterable[dict[str, object]]) -> dict[str, dict[str, int]]:
    tally = Counter((str(row["table"]), str(row["kind"])) for row in rows)
    tables: dict[str, dict[str, int]] = {}
    for (table, kind), number in sorted(tally.items()):
        tables.setdefault(table, {})[kind] = number
    return tables


def tell(text: str) -> None:
    """To the journal (`journalctl -t twinsite-salvage`), and to whoever called."""
    syslog.syslog(syslog.LOG_WARNING, text)
    sys.stderr.write(f"{text}\n")


def saved_at_once(settings: Settings) -> bool:
    """One attempt."""
    try:
        report = salvage(settings)
    except (SalvageError, OSError) as error:
        tell(f"NOT rewinding: what only this server has could not be saved: {error}")
        return False
    if report is None:
        tell("nothing to save: no transaction was committed here alone")
    else:
        tell(f"saved {report.transactions} transactions, rows {report.rows} in {report.directory}")
    return True


def until_saved(settings: Settings) -> None:
    """Returns when everything is saved, or when somebody said that it need not be."""
    while not (settings.directory / "skip").exists() and not saved_at_once(settings):
        time.sleep(AGAIN_S)


def arguments(argv: Sequence[str]) -> Settings:
    """Our own options, then `--`, then pg_rewind's, as Patroni gives them."""
    parser = argparse.ArgumentParser(prog="salvage", description=__doc__)
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--database", default="crm")
    parser.add_argument("--schema", default="crm")
    place = argv.index("--") if "--" in argv else len(argv)
    own, rest = parser.parse_args(argv[:place]), list(argv[place + 1 :])
    theirs = argparse.ArgumentParser(prog="pg_rewind", allow_abbrev=False)
    theirs.add_argument("-D", "--target-pgdata", type=Path, required=True)
    theirs.add_argument("--source-server", required=True)
    known, _ = theirs.parse_known_args(rest)
    rewind = (str(own.binaries / "pg_rewind"), *rest)
    places = (own.binaries, own.directory, own.database, own.schema)
    return Settings(*places, known.target_pgdata, known.source_server, rewind)


def main(argv: Sequence[str]) -> None:
    """With SALVAGE_ONCE in the environment: one attempt, and no rewind. Status 1: not saved."""
    settings = arguments(argv)
    syslog.openlog("twinsite-salvage")
    settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.environ.get("SALVAGE_ONCE"):
        sys.exit(0 if saved_at_once(settings) else 1)
    until_saved(settings)
    os.execv(settings.rewind[0], settings.rewind)  # noqa: S606  # Patroni waits for pg_rewind itself


if __name__ == "__main__":
    main(sys.argv[1:])
