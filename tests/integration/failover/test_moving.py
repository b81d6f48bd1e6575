"""A session is moved to another ZooKeeper server while kazoo reads from the one that it leaves."""

import socket
import ssl
import threading

import pytest

from failover.observe.zookeeper import PromptHandler
from infra.pki import CertificateRequest, issue, make_authority

SECONDS = 60.0


@pytest.fixture
def files(tmp_path):
    authority = make_authority("test")
    host = issue(authority, CertificateRequest("wit-zk1", addresses=("127.0.0.1",)))
    (tmp_path / "ca").write_text(authority.certificate)
    (tmp_path / "pem").write_text(host.certificate + host.key)
    return {"ca": tmp_path / "ca", "certfile": tmp_path / "pem", "keyfile": tmp_path / "pem"}


def test_nobody_takes_cipher_for_plain_text(files):
    """kazoo's thread does not survive it: the agent would have no session until it is started anew."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["certfile"])
    handler, said = PromptHandler(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            accepted, _ = listening.accept()
            with context.wrap_socket(accepted, server_side=True) as served:
                served.sendall(b"an answer under way")
                said.set()
                served.settimeout(SECONDS)
                served.recv(1)  # until the client hangs up

        server = threading.Thread(target=answer)
        server.start()
        address = listening.getsockname()
        line = handler.create_connection(address=address, hostname=address[0], use_ssl=True, **files)
        assert said.wait(SECONDS)

        handler.move_to(["127.0.0.2"])

        assert line.recv(100) in (b"an answer under way", b"")
        server.join(SECONDS)
        line.close()
