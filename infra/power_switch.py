"""The lab's power switches: one at each data site, as the management controllers of its servers would be.

    PUT /hosts/NAME   body "off" or "on"   200 and the power as it is then, found by looking; else the reason
    GET /hosts/NAME                        200 and "on" or "off"

It stands at the site's router (the first address of its subnet), so it is out of reach when the site's links
are cut, and the routers let nothing through to it when the whole site has lost power (infra.partitions). It
cuts with the lab's own fault, so that `lab heal` knows of it. Any certificate of the estate's authority may
order; what a real estate needs besides stands in docs/decisions/0410-power-switch.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from infra import paths
from infra.command import CommandError
from infra.faults import Fault, FaultError, PowerCut
from infra.hosts import HostError, Machine
from infra.lab import Lab, LabError
from infra.power import PORT
from infra.secret_values import power_switch_name
from infra.secrets import SecretStore
from infra.topology import Estate, Site, load_estate

LONGEST_BODY = 16
ANSWERS_WITHIN_S = 30.0
TAKES_EFFECT_WITHIN_S = 12.0
PATH = "/hosts/"


class Power(Protocol):
    """What a switch acts on: the running lab."""

    @property
    def estate(self) -> Estate: ...
    def machine(self, host: str) -> Machine: ...
    def inject(self, faults: tuple[Fault, ...]) -> object: ...
    def heal(self, faults: tuple[Fault, ...]) -> tuple[Fault, ...]: ...


@dataclass(frozen=True)
class Answer:
    status: HTTPStatus
    text: str


@dataclass(frozen=True)
class Switch:
    """The switch of one site: knows the hosts of that site only."""

    lab: Power
    site: str

    def look(self, host: str) -> Answer:
        if not self._knows(host):
            return Answer(HTTPStatus.NOT_FOUND, f"no host {host!r} in {self.site}")
        return Answer(HTTPStatus.OK, "on" if self.lab.machine(host).is_on else "off")

    def turn(self, host: str, wanted: str) -> Answer:
        """Says 200 only if the power is then found as wanted."""
        change = {"off": self.lab.inject, "on": self.lab.heal}.get(wanted)
        if change is None:
            return Answer(HTTPStatus.BAD_REQUEST, f"{wanted!r} is neither on nor off")
        if self._knows(host):
            try:
                change((PowerCut((host,)),))
            except (FaultError, HostError, LabError, CommandError) as error:
                return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        found = self._look_until(host, wanted)
        if found.status is HTTPStatus.OK and found.text != wanted:
            return Answer(HTTPStatus.CONFLICT, f"{host} is {found.text}")
        return found

    def _look_until(self, host: str, wanted: str) -> Answer:
        """Between the power and a host's first process is a moment, on a busy machine a long one."""
        deadline = time.monotonic() + TAKES_EFFECT_WITHIN_S
        while (found := self.look(host)).status is HTTPStatus.OK and found.text != wanted:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return found

    def _knows(self, host: str) -> bool:
        return any(each.name == host and each.boots for each in self.lab.estate.hosts_at(self.site))


def handler(switch: Switch) -> type[BaseHTTPRequestHandler]:
    """The HTTP face of a switch."""

    class Face(BaseHTTPRequestHandler):
        timeout = ANSWERS_WITHIN_S

        def do_GET(self) -> None:
            self._answer(switch.look)

        def do_PUT(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), LONGEST_BODY)
            wanted = self.rfile.read(length).decode(errors="replace").strip()
            self._answer(lambda host: switch.turn(host, wanted))

        def _answer(self, of: Callable[[str], Answer]) -> None:
            if not self.path.startswith(PATH):
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            answer = of(self.path.removeprefix(PATH))
            body = f"{answer.text}\n".encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Face


def server(address: tuple[str, int], switch: Switch, tls: ssl.SSLContext) -> ThreadingHTTPServer:
    """A server that is bound and not yet serving. Handshakes are made in each connection's own thread."""
    bound = ThreadingHTTPServer(address, handler(switch))
    bound.daemon_threads = True
    bound.socket = tls.wrap_socket(bound.socket, server_side=True, do_handshake_on_connect=False)
    return bound


def tls_of(ca: str, certificate: Path) -> ssl.SSLContext:
    """Shows the switch's certificate, and demands one of the estate's authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate)
    return context


def serve(lab: Power, site: Site, secrets: SecretStore, directory: Path) -> None:
    """Serve until SIGTERM."""
    held = secrets.read()
    credential = held.host_certificates[power_switch_name(site.name)]
    pem = directory / f"{site.name}.pem"
    pem.touch(mode=0o600)
    pem.write_text(credential.key + credential.certificate)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server(
        (str(site.gateway), PORT), Switch(lab, site.name), tls_of(held.ca_certificate, pem)
    ).serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="The power switch of one of the lab's sites.")
    parser.add_argument("inventory", type=Path)
    parser.add_argument("site")
    asked = parser.parse_args()
    estate = load_estate(asked.inventory)
    lab = Lab.of(estate)
    serve(lab, estate.sites[asked.site], SecretStore(paths.secrets(asked.inventory)), lab.power_switches)


if __name__ == "__main__":
    main()
