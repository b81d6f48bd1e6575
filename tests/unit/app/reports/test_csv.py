"""Reports as CSV: what a spreadsheet opens is data, never a formula."""

from __future__ import annotations

import csv
import io

import pytest

from app.reports.endpoints import as_csv
from app.reports.schemas import FrequencyRow


@pytest.mark.parametrize("hostile", ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula(hostile):
    (row,) = csv.DictReader(io.StringIO(as_csv([FrequencyRow(hostile, 1, 0)])))
    assert row["topic"] == f"'{hostile}"


def test_quotes_and_line_breaks_come_back():
    text = 'a "b", c\nd'
    (row,) = csv.DictReader(io.StringIO(as_csv([FrequencyRow(text, 1, 0)])))
    assert row == {"topic": text, "requests": "1", "before": "0"}


def test_no_rows_are_no_text():
    assert as_csv([]) == ""
