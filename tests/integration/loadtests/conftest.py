"""A small CRM on loopback that keeps its promises while its network does not: HTTPS, with injected faults."""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Longer than the tests' attempt timeout, shorter than their retry budget.
HANG_S = 2.5


class Fault(StrEnum):
    """What goes wrong with one attempt; EXECUTED_* ones do the work first."""

    NONE = auto()
    EXECUTED_THEN_RESET = auto()
    EXECUTED_THEN_CUT_SHORT = auto()
    EXECUTED_THEN_SILENT = auto()
    EXECUTED_UNKNOWN_503 = auto()
    NO_PRIMARY_503 = auto()
    IN_PROGRESS_409 = auto()
    INVALID_422 = auto()


Plan = Callable[[str, int], Fault]  # the idempotency key (or path), and which attempt it is, from 1


class ChaosCrm:
    """Its memory is what the checker would find in the database."""

    def __init__(self, plan: Plan, context: ssl.SSLContext) -> None:
        self.executions: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.serves = "writes"
        self._plan = plan
        self._answers: dict[str, bytes] = {}
        self._lock = threading.Lock()
        crm = self

        class Handler(_Handler):
            def handle_call(self, key: str, body: dict[str, object]) -> None:
                crm.answer(self, key, body)

            def serves(self) -> str:
                return crm.serves

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: "_Handler", key: str, body: dict[str, object]) -> None:
        with self._lock:
            self.attempts[key] += 1
            fault = self._plan(key, self.attempts[key])
            if fault.startswith("executed") or fault is Fault.NONE:
                self._execute(key, body)
        match fault:
            case Fault.NONE:
                handler.send_json(201, self._answers[key])
            case Fault.EXECUTED_THEN_RESET:
                handler.reset()
            case Fault.EXECUTED_THEN_CUT_SHORT:
                handler.send_json(201, self._answers[key], missing=5)
                handler.reset()
            case Fault.EXECUTED_THEN_SILENT:
                time.sleep(HANG_S)
                handler.close_connection = True
            case Fault.EXECUTED_UNKNOWN_503:
                handler.send_problem(503, "outcome-unknown")
            case Fault.NO_PRIMARY_503:
                handler.send_problem(503, "no-primary")
            case Fault.IN_PROGRESS_409:
                handler.send_problem(409, "idempotency-key-in-progress")
            case Fault.INVALID_422:
                handler.send_problem(422, "validation")

    def _execute(self, key: str, body: dict[str, object]) -> None:
        if key not in self._answers:
            self.executions[key] += 1
            shown = {"id": f"id-{key}", "status": "new", "external_id": body.get("external_id")}
            self._answers[key] = json.dumps(shown).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_call(self, key: str, body: dict[str, object]) -> None:
        raise NotImplementedError

    def serves(self) -> str:
        raise NotImplementedError

    def do_GET(self) -> None:
        if self.path == "/health/ready":
            self.send_json(200, json.dumps({"serves": self.serves()}).encode())
        else:
            self.handle_call(self.path, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.handle_call(self.headers["Idempotency-Key"], body)

    def send_json(self, status: int, body: bytes, missing: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (("Node", "10.77.1.21"), ("Timeline", "3"), ("Lsn", "0/5000148")):
            self.send_header(f"Twinsite-{name}", value)
        self.end_headers()
        self.wfile.write(body[: len(body) - missing])

    def send_problem(self, status: int, code: str) -> None:
        body = json.dumps({"status": status, "code": code}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Close with RST instead of FIN, as a host that lost the connection does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the client, or `reset`, closed the connection
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that is its own authority: its file, and a server's context."""
    directory = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "chaos")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "chaos.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "chaos.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, directory / "chaos.key")
    return pem, context


@pytest.fixture
def chaos(authority) -> Iterator[Callable[[Plan], ChaosCrm]]:
    """Start any number of chaotic CRMs."""
    started: list[ChaosCrm] = []

    def start(plan: Plan) -> ChaosCrm:
        started.append(ChaosCrm(plan, authority[1]))
        return started[-1]

    yield start
    for crm in started:
        crm.close()


@pytest.fixture
def faults() -> type[Fault]:
    return Fault


@pytest.fixture
def dead_url() -> Iterator[str]:
    """An address that refuses connections: bound, but nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{bound.getsockname()[1]}"
