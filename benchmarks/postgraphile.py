"""The API's reads beside PostGraphile's: the same fields of the same cards, over HTTP, in turns.

PostGraphile has one process and as many sessions as the API, production mode, and logs in as a user whom no
row-level security binds: no access, no audit. Its queries are of one text each, which it plans once. Left out
where node and npm are missing; its packages are installed beside the reports, once for each lock file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.devserver import CrmDatabase, create_crm_database, free_port, running_server
from benchmarks import load
from benchmarks.api import PAGE, Served, compare, fill, sample, serving, serving_crm
from benchmarks.harness import Figure
from infra.command import run
from infra.paths import reports

SOURCE = Path(__file__).parent / "postgraphile_server"
SESSIONS = 8  # as many as the API's pool has by default
READER = "bench_postgraphile"
_READER = """
CREATE ROLE {user} LOGIN BYPASSRLS PASSWORD {password};
GRANT USAGE ON SCHEMA crm TO {user};
GRANT SELECT ON crm.customer, crm.contact TO {user}
"""
_INSTALL_DEADLINE_S = 900
_FIRST_ANSWER_S = 180  # its schema is made for the first request
_READY = "/ready"
_PATH = "/graphql"
_FIELDS = """
    id kind stage name inn kpp ogrn snils address externalId given version createdAt updatedAt mergedInto
    contacts: contactsByCustomerId(orderBy: POSITION_ASC) { nodes { kind value person } }"""
_CARD = f"query Card($id: UUID!) {{ customer: customerById(id: $id) {{ {_FIELDS} }} }}"
_CARDS = f"""query Cards($first: Int!) {{
    customers: allCustomers(first: $first, orderBy: ID_DESC, condition: {{ mergedInto: null }}) {{
        nodes {{ {_FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }}"""


def measure() -> list[Figure]:
    """None where PostGraphile cannot be had.

    Raises:
        LoadError: an answer was not 2xx, or PostGraphile's is another than the API's.
        DevServerError: no PostgreSQL server programs.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("PostGraphile is left out: node or npm is not installed")
        return []
    folder = _installed()
    with ExitStack() as stack:
        database = create_crm_database(stack.enter_context(running_server({"shared_buffers": "256MB"})))
        api = stack.enter_context(serving_crm(database))
        card = fill(api.base)
        beside = stack.enter_context(_serving_postgraphile(database, folder))
        one = json.dumps({"query": _CARD, "variables": {"id": card.rpartition("/")[2]}})
        page = json.dumps({"query": _CARDS, "variables": {"first": 50}})
        _check(api, beside, card, one, page)
        ours, theirs = partial(sample, database, api), partial(sample, database, beside)
        return [
            *compare(
                "one-row read beside PostGraphile",
                partial(ours, load.get, card),
                partial(theirs, partial(load.post_same, body=one), _PATH),
            ),
            *compare(
                "page of 50 beside PostGraphile",
                partial(ours, load.get, PAGE),
                partial(theirs, partial(load.post_same, body=page), _PATH),
            ),
        ]


def _installed() -> Path:
    """The server's folder with its packages, in the versions of the lock file."""
    folder = reports() / "postgraphile"
    lock = SOURCE / "package-lock.json"
    done = folder / "installed-lock.json"
    folder.mkdir(parents=True, exist_ok=True)
    for file in SOURCE.iterdir():
        shutil.copy(file, folder)
    if not done.exists() or done.read_bytes() != lock.read_bytes():
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
        run(["npm", "ci", "--prefix", str(folder), *quiet], timeout=_INSTALL_DEADLINE_S)
        shutil.copy(lock, done)
    return folder


@contextmanager
def _serving_postgraphile(database: CrmDatabase, folder: Path) -> Iterator[Served]:
    port = free_port()
    settings = {
        "BENCH_DATABASE_URL": _reader(database),
        "BENCH_PORT": str(port),
        "BENCH_POOL": str(SESSIONS),
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
    }
    argv = ["node", str(folder / "server.js")]
    with serving(argv, settings, port, ready=_READY) as (base, pid):
        yield Served(base, pid, READER)


def _reader(database: CrmDatabase) -> str:
    """Makes the user as whom PostGraphile logs in; the address as node's driver takes it.

    It may read cards and contacts and nothing else, so that nothing else is in PostGraphile's schema.
    """
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        password = sql.Literal(database.password)
        connection.execute(sql.SQL(_READER).format(user=sql.Identifier(READER), password=password))
    of = conninfo_to_dict(database.admin_url)
    return f"postgres://{READER}:{quote(database.password)}@{of['host']}:{of['port']}/{of['dbname']}"


def _check(ours: Served, theirs: Served, card: str, one: str, page: str) -> None:
    """Both say the same of the cards. Raises LoadError."""
    with httpx.Client(timeout=_FIRST_ANSWER_S) as client:

        def asked(body: str) -> httpx.Response:
            headers = {"content-type": "application/json"}
            return client.post(f"{theirs.base}{_PATH}", content=body, headers=headers)

        mine = client.get(f"{ours.base}{card}").json()
        other = asked(one)
        pages = client.get(f"{ours.base}{PAGE}").json()["items"], asked(page)
    if "errors" in other.json() or _said(other.json()["data"]["customer"]) != _told(mine):
        raise load.LoadError(f"PostGraphile says of {card}: {other.text}; the API: {mine}")
    if "errors" in pages[1].json() or [
        _said(node) for node in pages[1].json()["data"]["customers"]["nodes"]
    ] != [_told(item) for item in pages[0]]:
        raise load.LoadError(f"PostGraphile's page is another than the API's: {pages[1].text[:500]}")


def _said(node: dict[str, object]) -> tuple[object, ...]:
    contacts = node["contacts"]
    assert isinstance(contacts, dict)
    return (*(node[name] for name in ("id", "kind", "stage", "name", "inn", "version")), contacts["nodes"])


def _told(item: dict[str, object]) -> tuple[object, ...]:
    return tuple(item[name] for name in ("id", "kind", "stage", "name", "inn", "version", "contacts"))
