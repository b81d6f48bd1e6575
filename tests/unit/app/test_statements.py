"""How a statement is written for the driver, and how PostgreSQL takes it."""

import pytest

from app.database.statements import compiled


@pytest.mark.parametrize(
    ("sql", "query", "names"),
    [
        ("SELECT 1", b"SELECT 1", ()),
        ("SELECT %(a)s, %(b)s", b"SELECT $1, $2", ("a", "b")),
        ("SELECT %(a)s WHERE %(b)s = %(a)s", b"SELECT $1 WHERE $2 = $1", ("a", "b")),
        ("SELECT 7 %% %(n)s, 'имя %%'", "SELECT 7 % $1, 'имя %'".encode(), ("n",)),
        ("SELECT '%%(a)s' || %(a)s::text[]", b"SELECT '%(a)s' || $1::text[]", ("a",)),
    ],
)
def test_names_become_numbers(sql, query, names):
    statement = compiled(sql)
    assert (statement.query, tuple(statement.names)) == (query, names)
    assert len(statement.formats) == len(names)
