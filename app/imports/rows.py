"""From a line to clean details, by the pipeline that forms go through. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from app.customers.cleanse import cleanse
from app.customers.schemas import CustomerForm
from app.errors import FieldError, ProblemError
from app.imports.schemas import Format, Rejection, Row

PLAIN_COLUMNS = frozenset({"kind", "stage", "name", "inn", "kpp", "ogrn", "snils", "address", "external_id"})
PERSON_COLUMN = "person"  # who answers at the contacts of the row
_CONTACT_COLUMN = re.compile(r"(phone|email)(?:_[0-9]{1,2})?")
_BYTE_ORDER_MARK = "\ufeff"
_NOT_RECOGNISABLE = FieldError(
    "", "no-identity", "give an INN, an external_id or a contact: a repeated load would double the row"
)


class HeaderError(ValueError):
    """The first line of a CSV cannot be used; the text names the column."""


class LineError(ValueError):
    """A line that is no row at all."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.error = FieldError("", code, detail)


@dataclass(frozen=True, slots=True)
class Header:
    columns: tuple[str, ...]
    delimiter: str


def read_header(line: bytes) -> Header:
    """Raises HeaderError. Comma or semicolon, as spreadsheets of both worlds write them."""
    try:
        text = line.decode().strip().removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        raise HeaderError("the first line is not UTF-8") from None
    delimiter = ";" if text.count(";") > text.count(",") else ","
    columns = tuple(name.strip().strip('"').lower() for name in text.split(delimiter))
    for name in columns:
        if name not in PLAIN_COLUMNS and name != PERSON_COLUMN and not _CONTACT_COLUMN.fullmatch(name):
            raise HeaderError(f"unknown column {name[:50]!r}")
    if len(set(columns)) != len(columns):
        raise HeaderError("a column is named twice")
    if not {"kind", "name"} <= set(columns):
        raise HeaderError("columns `kind` and `name` are required")
    return Header(columns, delimiter)


def read_rows(
    lines: Sequence[bytes], first: int, format_: Format, header: Header | None
) -> Iterator[Row | Rejection]:
    """One result a line. `first` is the number of the first line's row; a CSV needs its header."""
    for number, line in enumerate(lines, first):
        try:
            entered = _fields(line, format_, header)
            details = cleanse(CustomerForm.model_validate(entered))
        except LineError as error:
            yield rejection(number, line, [error.error])
        except ValidationError as error:
            yield rejection(number, line, _from_validation(error))
        except ProblemError as error:
            yield rejection(number, line, error.errors)
        else:
            if details.inn is None and details.external_id is None and not details.contacts:
                yield rejection(number, line, [_NOT_RECOGNISABLE])
            else:
                yield Row(number, line, details)


def rejection(number: int, line: bytes, errors: Sequence[FieldError]) -> Rejection:
    """PostgreSQL holds no NUL in a text: it is shown escaped like any byte that is no UTF-8."""
    return Rejection(number, line.decode(errors="backslashreplace").replace("\0", "\\x00"), errors)


def _fields(line: bytes, format_: Format, header: Header | None) -> Any:
    if format_ is Format.NDJSON:
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise LineError("json", f"not valid JSON at character {error.pos}") from None
    assert header is not None
    return _from_cells(_cells(line, header), header)


def _cells(line: bytes, header: Header) -> list[str]:
    """Cells of one line. A line break within quotes is refused, so that one bad row never swallows others."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise LineError("encoding", f"not UTF-8 at byte {error.start}") from None
    try:
        cells = next(csv.reader([text], delimiter=header.delimiter, strict=True))
    except csv.Error as error:
        raise LineError("csv", f"not readable as CSV: {error}") from None
    if len(cells) != len(header.columns):
        raise LineError("csv-cells", f"{len(cells)} cells, where the header has {len(header.columns)}")
    return cells


def _from_cells(cells: Sequence[str], header: Header) -> dict[str, object]:
    """Empty cells are fields that are not given."""
    entered: dict[str, object] = {}
    contacts: list[dict[str, str]] = []
    for name, cell in zip(header.columns, cells, strict=True):
        if not cell:
            continue
        if name in PLAIN_COLUMNS:
            entered[name] = cell
        elif name != PERSON_COLUMN:
            contacts.append({"kind": name.partition("_")[0], "value": cell})
    if contacts:
        person = dict(zip(header.columns, cells, strict=True)).get(PERSON_COLUMN)
        entered["contacts"] = [{**contact, "person": person} if person else contact for contact in contacts]
    return entered


def _from_validation(error: ValidationError) -> list[FieldError]:
    return [
        FieldError("/" + "/".join(map(str, item["loc"])), item["type"].replace("_", "-"), item["msg"])
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
