"""How the changes get hold of Patroni: its objects, its methods, its session with ZooKeeper."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kazoo.client import TransactionRequest
from patroni import postgresql as _postgresql  # noqa: F401  # before patroni.ha, which cannot be the first
from patroni.ha import Ha

ANSWERS_WITHIN_S = 1.0


class Acquaintance(Protocol):
    """Whoever has to know this member's Patroni."""

    def knows(self, ha: Ha) -> None: ...


def introduce(acquaintance: Acquaintance) -> None:
    """Have Patroni say who it is as soon as it is made."""
    make_ha = Ha.__init__

    @functools.wraps(make_ha)
    def telling(self: Ha, *args: object) -> None:
        make_ha(self, *args)
        acquaintance.knows(self)

    Ha.__init__ = telling


@contextmanager
def in_place_of(owner: object, **methods: Callable[..., object]) -> Iterator[None]:
    """For the length of the block, these in the place of the owner's methods of these names."""
    for name, method in methods.items():
        setattr(owner, name, method)
    try:
        yield
    finally:
        for name in methods:
            delattr(owner, name)


def refusals(transaction: TransactionRequest) -> list[Exception]:
    """Commits; why nothing was done, or nothing. Raises what kazoo does where there is no answer in time."""
    results = transaction.commit_async().get(timeout=ANSWERS_WITHIN_S)
    return [result for result in results if isinstance(result, Exception)]
