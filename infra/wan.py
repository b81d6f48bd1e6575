"""The links between the sites' routers, and what they do to packets.

Where the kernel has `netem`, a link is a veth pair with netem at both ends. Where it has not, a link is two
taps joined through Debian's vde2: switch, wirefilter, switch (measured in shared/facts.md). Either way its
quality can be changed while it carries traffic.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infra.command import run
from infra.network import inside, link_device, router_namespace
from infra.scheduling import as_tool
from infra.shaping import netem_arguments, quality_by_netem, quality_by_wirefilter, wirefilter_commands
from infra.topology import Link, LinkQuality

_SOCKET_DEADLINE_S = 20.0
# A link that waits for the processor is a bad link: its programs go before everything else.
_NICE = -15


class WanKind(StrEnum):
    """How this machine can shape links."""

    NETEM = "netem"
    WIREFILTER = "wirefilter"


class WanError(Exception):
    """A link did not come up or did not take a new quality."""


def kind_of_this_machine() -> WanKind:
    """Try netem in a namespace made for the question; needs root."""
    probe = f"tw-probe-{os.getpid()}"
    run(["ip", "netns", "add", probe])
    try:
        run(["ip", "-netns", probe, "link", "set", "lo", "up"])
        tried = run(
            inside(probe, ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]), check=False
        )
    finally:
        run(["ip", "netns", "delete", probe])
    return WanKind.NETEM if tried.returncode == 0 else WanKind.WIREFILTER


@dataclass(frozen=True)
class Wan:
    """All links of the lab, shaped in one way. `directory` holds the sockets and pid files of vde2."""

    kind: WanKind
    directory: Path

    def up(self, links: Iterable[Link]) -> None:
        """Join the routers; their devices are `infra.network.link_device`.

        Raises:
            WanError: a vde2 program did not start.
            CommandError: the kernel refused a step.
        """
        for link in links:
            if self.kind is WanKind.NETEM:
                _join_by_veth(link)
            else:
                self._join_by_vde(link)
            self.shape(link, link.quality)

    def shape(self, link: Link, quality: LinkQuality) -> None:
        """Give a link a quality, live.

        Raises:
            WanError: wirefilter refused or does not answer.
        """
        if self.kind is WanKind.NETEM:
            for site in link.ends:
                device = link_device(link.peer_of(site))
                _shape_by_netem(router_namespace(site), device, quality)
        else:
            commands = wirefilter_commands(quality)
            _tell_wirefilter(self._place(link) / "wire", commands)

    def quality(self, link: Link) -> LinkQuality:
        """What the link does to packets now, asked of what shapes it.

        Raises:
            WanError: wirefilter does not answer.
            CommandError: tc was refused.
            OSError: this user may not ask.
        """
        if self.kind is WanKind.NETEM:
            first, second = link.ends
            asked = ["tc", "-j", "qdisc", "show", "dev", link_device(second)]
            return quality_by_netem(run(inside(router_namespace(first), asked)).stdout)
        return quality_by_wirefilter(_tell_wirefilter(self._place(link) / "wire", ["showinfo"]))

    def _place(self, link: Link) -> Path:
        return self.directory / link.name

    def _join_by_vde(self, link: Link) -> None:
        place = self._place(link)
        place.mkdir(parents=True, exist_ok=True)
        for site in link.ends:
            switch = [
                "vde_switch",
                "-sock",
                str(place / site),
                "-tap",
                link_device(link.peer_of(site)),
            ]
            started = [*switch, "-daemon", "-pidfile", str(place / f"{site}.pid")]
            run(as_tool(inside(router_namespace(site), started), _NICE))
        ends = ":".join(str(place / site) for site in link.ends)
        wire = ["wirefilter", "-v", ends, "-M", str(place / "wire"), "--daemon"]
        started = [*wire, "--pidfile", str(place / "wire.pid")]
        run(as_tool(inside(router_namespace(link.ends[0]), started), _NICE))

    def pids(self) -> set[int]:
        """The vde2 processes by their own pid files; a stale file names a process that is not ours."""
        found = set()
        for file in self.directory.glob("*/*.pid"):
            pid = int(file.read_text() or 0)
            if _is_vde(pid):
                found.add(pid)
        return found

    def processes_of(self, links: Sized) -> int:
        """How many vde2 processes the links take when all stand: two switches and the wire between them."""
        return 3 * len(links)


def _is_vde(pid: int) -> bool:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return False
    return name in {"vde_switch", "wirefilter"}


def _join_by_veth(link: Link) -> None:
    first, second = link.ends
    ends = [link_device(second), "netns", router_namespace(first)]
    peer = [link_device(first), "netns", router_namespace(second)]
    run(["ip", "link", "add", *ends, "type", "veth", "peer", "name", *peer])


def _shape_by_netem(namespace: str, device: str, quality: LinkQuality) -> None:
    # Made anew each time: netem keeps an older rate when a replacement names none.
    run(inside(namespace, ["tc", "qdisc", "del", "dev", device, "root"]), check=False)
    run(inside(namespace, ["tc", "qdisc", "add", "dev", device, "root", *netem_arguments(quality)]))


def _tell_wirefilter(path: Path, commands: Iterable[str]) -> str:
    """Give the commands, one after the other; returns the last one's answer.

    Raises:
        WanError: it does not listen, or refused one.
    """
    deadline = time.monotonic() + _SOCKET_DEADLINE_S
    answer = ""
    with _connect(path, deadline) as terminal:
        _read_answer(terminal, deadline)
        for command in commands:
            terminal.sendall(command.encode() + b"\n")
            answer = _read_answer(terminal, deadline)
            if "1000 Success" not in answer:
                raise WanError(f"wirefilter at {path} refused `{command}`: {answer.strip()!r}")
    return answer


def _connect(path: Path, deadline: float) -> socket.socket:
    terminal = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while True:
        try:
            terminal.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if time.monotonic() > deadline:
                terminal.close()
                raise WanError(f"wirefilter does not listen at {path}") from error
            time.sleep(0.02)
        else:
            terminal.settimeout(_SOCKET_DEADLINE_S)
            return terminal


def _read_answer(terminal: socket.socket, deadline: float) -> str:
    """Read until the next prompt."""
    text = ""
    while not text.endswith("VDEwf$ "):
        piece = terminal.recv(4096).decode(errors="replace")
        if not piece or time.monotonic() > deadline:
            raise WanError(f"wirefilter's answer ended early: {text!r}")
        text += piece
    return text
