"""What stands in the report of a failed lab test."""

from __future__ import annotations

from pathlib import Path

from tests.lab.journals import LAST_WORDS, last_words


def test_a_failed_test_quotes_each_hosts_last_words_but_not_what_they_always_say(tmp_path: Path) -> None:
    journals = tmp_path / "hosts.log"
    said = [f"02:07:{n:02}.000000 wit-zk1    twinsite-agent: word {n}" for n in range(LAST_WORDS + 3)]
    noise = [
        "02:08:00.000000 wit-zk1    zookeeper: [RequestThrottler] INFO",
        "02:08:00.000000 dc1-db1    patroni: INFO: no action. I am (dc1-db1), the leader with the lock",
    ]
    first = "02:06:00.000000 dc1-db1    patroni: INFO: promoted self to leader"
    journals.write_text("\n".join([first, *said, "a second line of a message", *noise]) + "\n")

    assert list(last_words(journals)) == [first, *said[3:]]
