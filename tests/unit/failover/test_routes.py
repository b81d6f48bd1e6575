"""What HAProxy is told, in its own words, and what is made of its answers."""

import socket
import threading

import pytest

from failover.routes import HaproxyRoutes, RouteError, ask_socket

HOSTS = ("dc1-db1", "dc2-db1")


def test_new_connections_go_to_the_new_primary_and_those_of_the_old_one_stay() -> None:
    asked: list[str] = []
    HaproxyRoutes(lambda line: asked.append(line) or "\n", HOSTS).lead_to("dc2-db1")

    assert asked[0].split("; ") == [
        "set server primary/dc1-db1 state drain",
        "set server primary/dc2-db1 state ready",
        "set server primary-checks/dc2-db1 health up",
        "set server replica-checks/dc2-db1 health down",
    ]


def test_the_others_are_cut_off_and_left_to_their_checks() -> None:
    asked: list[str] = []
    HaproxyRoutes(lambda line: asked.append(line) or "", HOSTS).cut_off_others("dc2-db1")

    assert [line.split("; ") for line in asked] == [
        [
            "set server primary-checks/dc1-db1 health down",
            "shutdown sessions server primary/dc1-db1",
            "set server primary/dc1-db1 state ready",
        ]
    ]


def test_reads_are_drained_and_everything_is_given_back() -> None:
    asked: list[str] = []
    routes = HaproxyRoutes(lambda line: asked.append(line) or "", HOSTS)

    routes.leave("dc2-db1")
    routes.reset()

    assert asked[0] == "set server replica/dc2-db1 state drain"
    assert asked[1].split("; ") == [
        f"set server {section}/{host} state ready" for section in ("primary", "replica") for host in HOSTS
    ]


def test_a_word_of_haproxys_is_a_complaint() -> None:
    with pytest.raises(RouteError, match="No such server"):
        HaproxyRoutes(lambda _: "No such server.\n", HOSTS).leave("moon")


def test_the_socket_is_asked_one_line_at_a_time(tmp_path) -> None:
    path, heard = tmp_path / "admin.sock", []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        heard.append(connection.recv(100))
        connection.sendall(b"ok\n")
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ask_socket(path)("show info") == "ok\n"
    thread.join()
    server.close()
    assert heard == [b"show info\n"]
    with pytest.raises(RouteError, match=r"admin\.sock"):
        ask_socket(path)("show info")
