"""Structured logs: one JSON object a line on standard output, with the request's id and the site."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import TextIO

import structlog

from app.cards.numbers import without_numbers
from app.encoding import encode
from app.settings import Settings

# Of the request that the present task serves. Set by app.middleware: structlog's own way to bind it costs as
# much as a line that is written.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)


def configure(settings: Settings, stream: TextIO = sys.stdout) -> None:
    """For structlog and for the libraries that use `logging`; both come out the same."""
    shared: list[structlog.types.Processor] = [
        _add_request_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _adder(site=settings.site, host=settings.host),
        structlog.processors.format_exc_info,
        _mask_card_numbers,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer(serializer=lambda event, **_: encode(event).decode())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    # It reports every connection, and every pipeline that a refused statement ended: the routes and units
    # log what matters of that.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").disabled = True


def _add_request_id(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    if (request_id := REQUEST_ID.get()) is not None:
        event["request_id"] = request_id
    return event


def _mask_card_numbers(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """The last line of defence: none is logged on purpose, but a path or a library's message may hold one."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_numbers(value)
    return event


def _adder(**fields: str) -> structlog.types.Processor:
    def add(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event.update(fields)
        return event

    return add
