"""The pages that a running engine serves, and their verdicts."""

from __future__ import annotations

from http.client import HTTPConnection
from socket import create_connection

import pytest

from flows.health import (
    BEHIND_MS_MAX,
    OPENING_MS_MAX,
    REQUESTS_MAX,
    SILENT_MS_MAX,
    STUCK_MS,
    Address,
    Pages,
    PartitionHealth,
    address_of,
    not_alive,
    not_ready,
    serving,
)

NOW_MS = 1_767_225_600_000
ANY_PORT = Address("127.0.0.1", 0)


def health(partition: int, **changed: object) -> PartitionHealth:
    well = {"owned": True, "turned_at_ms": NOW_MS - 10, "behind_ms": 0, "trouble": ""}
    return PartitionHealth(partition=partition, **(well | changed))  # type: ignore[arg-type]  # by name


def pages(*reasons: str) -> Pages:
    """Pages of an engine that is alive, and ready unless there are reasons."""
    return Pages(
        metrics=lambda: b"beckon_partitions 2.0\n", not_alive=list, not_ready=lambda: reasons
    )


def got(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_pages_are_served_at_their_paths() -> None:
    with serving(ANY_PORT, pages()) as port:
        assert got(port, "/metrics") == (200, "beckon_partitions 2.0\n")
        assert got(port, "/healthz") == (200, "alive\n")
        assert got(port, "/readyz?verbose") == (200, "ready\n")
        status, text = got(port, "/other")
        assert status == 404
        assert "/readyz" in text


def test_readyz_turns_with_its_verdict_and_gives_the_reasons() -> None:
    reasons: list[str] = []
    turning = Pages(metrics=bytes, not_alive=list, not_ready=lambda: reasons)
    with serving(ANY_PORT, turning) as port:
        assert got(port, "/readyz") == (200, "ready\n")
        reasons += ["partition 0: redis: connection refused", "partition 1: its lease is not ours"]
        assert got(port, "/readyz") == (503, "\n".join([*reasons, ""]))
        assert got(port, "/healthz")[0] == 200
        reasons.clear()
        assert got(port, "/readyz")[0] == 200


def test_only_this_machine_can_read_unless_a_host_says_otherwise() -> None:
    assert address_of("9464") == Address("127.0.0.1", 9464)
    assert address_of("0.0.0.0:9464") == Address("0.0.0.0", 9464)


@pytest.mark.parametrize("text", ["", "here", "host:", "host:99999", "host:-1", "host:²"])
def test_what_names_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected HOST:PORT, such as 127\.0\.0\.1:9464"):
        address_of(text)


def test_a_port_in_use_is_told_with_the_fix() -> None:
    with (
        serving(ANY_PORT, pages()) as port,
        pytest.raises(OSError, match=rf"free port at 127\.0\.0\.1:{port}.*--metrics HOST:PORT"),
        serving(Address("127.0.0.1", port), pages()),
    ):
        pass


def test_connections_that_ask_for_nothing_are_limited_and_hold_nobody_up() -> None:
    with serving(ANY_PORT, pages()) as port:
        silent = [create_connection(("127.0.0.1", port)) for _ in range(REQUESTS_MAX - 1)]
        assert got(port, "/healthz")[0] == 200
        silent += [create_connection(("127.0.0.1", port)) for _ in range(REQUESTS_MAX)]
        silent[-1].settimeout(5)
        assert silent[-1].recv(1) == b""
        for connection in silent:
            connection.close()


def test_a_loop_that_no_longer_turns_is_not_alive() -> None:
    stuck = health(1, turned_at_ms=NOW_MS - STUCK_MS - 1)
    assert not_alive([health(0), stuck], NOW_MS) == [
        "partition 1: its loop has not turned for 30 s"
    ]
    assert not_alive([health(0)], NOW_MS) == []


def test_a_process_is_ready_when_it_does_its_work_for_all_wanted_partitions() -> None:
    assert not_ready([health(0), health(1)], [0, 1], NOW_MS) == []
    assert not_ready([], [], NOW_MS) == []


def test_a_partition_that_is_wanted_and_not_owned_is_named() -> None:
    expected = ["partition 1: its lease is not ours yet", "partition 2: its lease is not ours yet"]
    partitions = [health(0), health(1, owned=False)]
    assert not_ready(partitions, [2, 0, 1], NOW_MS) == expected


def test_a_partition_far_behind_the_log_is_not_ready_but_alive() -> None:
    behind = [health(0, behind_ms=BEHIND_MS_MAX + 1)]
    assert not_ready(behind, [0], NOW_MS) == ["partition 0: 30 s behind the log"]
    assert not_alive(behind, NOW_MS) == []
    assert not_ready([health(0, behind_ms=BEHIND_MS_MAX)], [0], NOW_MS) == []


def test_what_of_the_world_cannot_be_reached_is_told() -> None:
    troubled = [health(0, trouble="redis: connection refused since 12:03")]
    expected = ["partition 0: redis: connection refused since 12:03"]
    assert not_ready(troubled, [0], NOW_MS) == expected


def test_a_partition_that_does_not_commit_or_hears_nothing_of_the_broker_is_named() -> None:
    well = health(0, uncommitted_ms=SILENT_MS_MAX, unheard_ms=SILENT_MS_MAX)
    assert not_ready([well], [0], NOW_MS) == []
    silent = health(0, uncommitted_ms=SILENT_MS_MAX + 1, unheard_ms=SILENT_MS_MAX + 2_000)
    assert not_ready([silent], [0], NOW_MS) == [
        "partition 0: no commit to Redis for 5 s",
        "partition 0: no answer of the broker for 7 s",
    ]
    assert not_alive([silent], NOW_MS) == []


def test_a_partition_that_takes_long_to_open_is_named() -> None:
    opening = health(0, owned=False, opening_ms=OPENING_MS_MAX + 3_000)
    assert not_ready([opening], [0], NOW_MS) == ["partition 0: it has been being opened for 4 s"]
    asking = health(0, owned=False, opening_ms=OPENING_MS_MAX)
    assert not_ready([asking], [0], NOW_MS) == ["partition 0: its lease is not ours yet"]
