-- Where the observers of the two sites prove that a node accepts writes: one row a node, overwritten.

CREATE SCHEMA ops;
GRANT USAGE ON SCHEMA ops TO monitor;
CREATE TABLE ops.writer_probe (
    node inet        PRIMARY KEY,
    at   timestamptz NOT NULL
) WITH (fillfactor = 10);  -- room for HOT updates, many times a second
GRANT SELECT, INSERT, UPDATE ON ops.writer_probe TO monitor;
