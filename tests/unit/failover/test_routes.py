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


# As HAProxy 3.0.11 says it, shortened: connected, being connected, of the new primary, of another section.
SESSIONS = """\
0x7f01: src=127.0.0.1:1 fe=primary be=primary srv=dc1-db1 age=41s scb=[8,1h,fd=15] exp=
0x7f02: src=127.0.0.1:2 fe=primary be=primary srv=dc1-db1 age=0s scb=[5,1h,fd=17] exp=
0x7f03: src=127.0.0.1:3 fe=primary be=primary srv=dc2-db1 age=0s scb=[8,1h,fd=19] exp=
0x7f04: src=127.0.0.1:4 fe=replica be=replica srv=dc1-db1 age=9s scb=[8,1h,fd=21] exp=
0x7f05: src=127.0.0.1:5 fe=primary be=primary srv=dc1-db1 age=41s scb=[8,1h,fd=23] exp=

"""


def test_connections_that_are_made_are_cut_at_once_and_those_in_the_making_are_not() -> None:
    asked: list[str] = []
    answers = {"show sess": SESSIONS}
    routes = HaproxyRoutes(lambda line: asked.append(line) or answers.get(line, ""), HOSTS)

    routes.cut_off_established("dc2-db1")
    assert asked == ["show sess", "shutdown session 0x7f01; shutdown session 0x7f05"]

    answers[asked[-1]] = "No such session (use 'show sess').\n\n"
    routes.cut_off_established("dc2-db1")
    answers["show sess"] = "\n"
    routes.cut_off_established("dc2-db1")
    assert len(asked) == 5


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
