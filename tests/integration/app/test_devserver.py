"""The private server that tests and developers use."""

from __future__ import annotations

import socket

from app.devserver import free_port


def test_a_port_stays_ones_own_between_its_servers():
    port = free_port()
    for _ in range(2):
        with socket.socket() as anybody:
            assert anybody.connect_ex(("127.0.0.1", port)) != 0
        with socket.create_server(("127.0.0.1", port)) as server:  # sets SO_REUSEADDR
            socket.create_connection(server.getsockname()).close()
    taken = [socket.socket() for _ in range(200)]
    try:
        for each in taken:
            each.bind(("127.0.0.1", 0))
        assert port not in {each.getsockname()[1] for each in taken}
    finally:
        for each in taken:
            each.close()
