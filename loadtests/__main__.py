"""`python -m loadtests`: see `command`."""

# Locust patches the standard library for gevent when it is imported, so it comes before everything else.
import locust  # noqa: F401

from loadtests.command import app

app()
