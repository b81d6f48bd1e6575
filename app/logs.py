"""Structured logs: one JSON object a line on standard output, with the request's id and the site."""

from __future__ import annotations

import logging
import sys
import traceback
from contextvars import ContextVar
from typing import TextIO

import structlog

from app.cards.numbers import without_numbers
from app.encoding import encode
from app.settings import Settings

# Of the request that the present task serves. Set by app.middleware: structlog's own way to bind it costs as
# much as a line that is written.
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

PLACES = 12  # of an error's way that its line names


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


def ended_by(error: BaseException) -> str:
    """The last line of a program: what ended it, what had caused that, and where, the innermost place first.

    Not a traceback, whose text is read from the sources and set line by line: on busy cores that took three
    seconds (seen), and the program was started again only then.
    """
    frames = [*traceback.walk_tb(error.__traceback__)]
    places = [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in frames]
    cause = error.__cause__ or error.__context__
    told = {
        "error": without_numbers(str(error)),
        "type": type(error).__name__,
        "cause": None if cause is None else without_numbers(repr(cause)),
        "at": places[: -PLACES - 1 : -1],
        "event": "ended by an error",
        "level": "critical",
    }
    return encode(told).decode()


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
