import asyncio

import psycopg
import pytest

from failover.model import Unreachable
from failover.observe.attempt import attempt, reason_of


async def answer():
    return 7


async def fail(error):
    raise error


async def test_an_answer_is_handed_through():
    assert await attempt(answer(), 1) == 7


async def test_silence_is_a_value():
    assert await attempt(asyncio.sleep(60), 0.01) == Unreachable("no answer within 0.01 s")


async def test_an_expected_failure_is_a_value_and_a_mistake_is_not():
    assert await attempt(fail(OSError("no route to host")), 1) == Unreachable("no route to host")
    with pytest.raises(KeyError):
        await attempt(fail(KeyError("role")), 1)


def test_the_root_cause_is_told():
    wrapped = OSError("All connection attempts failed")
    wrapped.__cause__ = ConnectionRefusedError(111, "Connect call failed")
    assert reason_of(wrapped) == "connection refused"


def test_libpqs_long_story_is_cut():
    text = 'connection to server at "dc1-db1" failed: FATAL:  the database system is starting up'
    assert reason_of(psycopg.OperationalError(text)) == "the database system is starting up"
