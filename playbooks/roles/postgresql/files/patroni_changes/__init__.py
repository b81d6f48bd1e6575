"""What our starter of Patroni changes in it: docs/decisions/0207-patroni-starter.md."""
