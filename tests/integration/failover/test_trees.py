"""The watch over ZooKeeper's trees, over TLS, against the words of a server that really diverged."""

import socketserver
import ssl
import threading
import time
from pathlib import Path

import pytest

from failover import trees
from failover.model import Access, Node
from failover.observe import zookeeper
from failover.observe.attempt import tls_context
from failover.trees import TreeWatch
from infra.pki import CertificateRequest, issue, make_authority

WORDS = Path(__file__).parents[2] / "unit" / "failover" / "observe"
SECONDS = 60.0


class Words(socketserver.BaseRequestHandler):
    def handle(self):
        asked = self.request.recv(4).decode()
        self.request.sendall((WORDS / f"diverged.{asked}").read_bytes())
        self.request.close()


@pytest.fixture
def access(tmp_path):
    authority = make_authority("test")
    host = issue(authority, CertificateRequest("dc1-app2", addresses=("127.0.0.1",)))
    for name, content in (("ca", authority.certificate), ("pem", host.certificate), ("key", host.key)):
        (tmp_path / name).write_text(content)
    return Access(tmp_path / "ca", tmp_path / "pem", tmp_path / "key", "", "")


@pytest.fixture
def server(access, monkeypatch):
    """A diverged server on loopback; the watch finds it at once instead of in a quarter of a minute."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(access.certificate, access.key)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Words) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        monkeypatch.setattr(zookeeper, "PORT", listening.server_address[1])
        monkeypatch.setattr(trees, "ASKED_EVERY_S", 0.05)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield Node("dc1-app2", "dc1", "127.0.0.1")
        listening.shutdown()


def test_a_diverged_server_is_found_in_office_and_forgotten_out_of_it(server, access):
    office, stopping = threading.Event(), threading.Event()
    silent = Node("dc2-app1", "dc2", "127.77.77.77")
    watch = TreeWatch((server, silent), tls_context(access), office.is_set)
    thread = threading.Thread(target=watch.watch, args=(stopping,))
    thread.start()
    try:
        assert watch.diverged() == {}
        office.set()
        await_that(lambda: watch.diverged() == {"dc1-app2": 32})
        assert watch.counted == {"dc1-app2": 32}, "who does not answer is not counted"
        office.clear()
        await_that(lambda: watch.counted == {})
    finally:
        stopping.set()
        thread.join(SECONDS)


def await_that(holds):
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
