"""Patroni's REST with client certificate and password: promote, rebuild, configure, restart.

Facts from patroni/api.py 4.1.5: POST /failover writes the /failover znode and then polls until the end (2 s
and more), so the answer is not waited for; 412 comes before anything was done.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from failover.actuators.ports import EffectRefusedError, EffectUnknownError
from failover.model import PATRONI_PORT

ACCEPT_S = 0.5


@dataclass(frozen=True)
class RestAccess:
    """How to be let in: a context with our certificate, and Patroni's REST account."""

    tls: ssl.SSLContext
    username: str
    password: str


class Patroni:
    """Orders to Patroni. `addresses`: host name to address."""

    def __init__(
        self,
        access: RestAccess,
        addresses: Mapping[str, str],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._addresses = addresses
        self._client = httpx.Client(
            verify=access.tls,
            auth=(access.username, access.password),
            timeout=httpx.Timeout(2.0, connect=1.0),
            transport=transport,
        )

    def force_failover(self, *, candidate: str) -> str:
        return self._order("POST", candidate, "/failover", {"candidate": candidate}, wait_s=ACCEPT_S)

    def reinitialize(self, *, host: str) -> str:
        """Cancels what the host is doing and rebuilds it. Raises EffectRefusedError on the leader."""
        return self._order("POST", host, "/reinitialize", {"force": True})

    def configure(self, *, host: str, changes: Mapping[str, Any]) -> str:
        """Changes the cluster's dynamic configuration; null removes a key."""
        return self._order("PATCH", host, "/config", changes)

    def restart(self, *, host: str) -> str:
        return self._order("POST", host, "/restart", {}, wait_s=ACCEPT_S)

    def _order(
        self, method: str, host: str, path: str, body: Mapping[str, Any], wait_s: float | None = None
    ) -> str:
        timeout = httpx.Timeout(wait_s or 5.0, connect=1.0)
        url = f"https://{self._addresses[host]}:{PATRONI_PORT}{path}"
        try:
            answer = self._client.request(method, url, json=dict(body), timeout=timeout)
        except httpx.ConnectError as error:
            raise EffectRefusedError(f"{host}: no connection to Patroni: {error}") from error
        except httpx.ReadTimeout as error:
            if wait_s is not None:
                return f"{host} works on {path}"
            raise EffectUnknownError(f"{host} does not answer {path}") from error
        except httpx.HTTPError as error:
            raise EffectUnknownError(f"{host}: {path}: {error!r}") from error
        return _judged(host, path, answer)


def _judged(host: str, path: str, answer: httpx.Response) -> str:
    """4xx: Patroni refused before doing anything. 5xx: it tried; the check tells what came of it."""
    text = f"{host} {path}: {answer.status_code} {answer.text.strip()[:200]}"
    if 400 <= answer.status_code < 500:  # noqa: PLR2004  # HTTP's own numbers
        raise EffectRefusedError(text)
    if answer.status_code >= 500:  # noqa: PLR2004
        raise EffectUnknownError(text)
    return text
