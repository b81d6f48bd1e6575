"""PostgreSQL: routes, units of work, the commit discipline (docs/decisions/0101-commit-discipline.md)."""
