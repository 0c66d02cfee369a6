from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.stack.waiting import wait_until
from tests.udfs.redis_support import Proxy, Server, Told, Writer, change, made, put, users_in

SEGMENTS = ("first", "second")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis that keeps what it acknowledged, through a kill too."""
    with Server(tmp_path) as started:
        yield started


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Server]:
    """A Redis that is empty when it comes back."""
    with Server(tmp_path, keeps=False) as started:
        yield started


@pytest.fixture
def writer(server: Server) -> Iterator[Writer]:
    with_server = made(server.url)
    yield with_server
    with_server.close()


def client_of(server: Server) -> Any:
    return redis.Redis.from_url(server.url, decode_responses=True)


def await_outage(writer: Writer) -> None:
    """Return once the writer has noticed that Redis takes no writes."""

    def noticed() -> bool:
        writer.catch_up(0.1)
        return writer.log.away_s > 0

    wait_until(noticed, 60, "the outage to be noticed")


def begun(writer: Writer, client: Any) -> bool:
    """Go on a little; returns whether the first user is in Redis."""
    writer.catch_up(0.0)
    return bool(client.exists("seg:u0"))


def assert_right(server: Server, told: Told) -> None:
    """Check that hashes and sorted sets say what was told."""
    with client_of(server) as client:
        expected = {user: told.memberships(user) for user, _ in told.seqs(0, told.settle())}
        found = users_in(client)
        assert {user: int(fields["_seq"]) for user, fields in found.items()} == {
            user: each.seq for user, each in expected.items() if each
        }
        assert {user: fields.keys() - {"_seq"} for user, fields in found.items()} == {
            user: each.segments.keys() for user, each in expected.items() if each
        }
        for segment in SEGMENTS:
            members = {user: int(since) for user, since in client.zrange(f"segment:{segment}", 0, -1, withscores=True)}
            assert members == {
                user: each.segments[segment].since
                for user, each in expected.items()
                if each and segment in each.segments
            }


def test_while_redis_is_away_nothing_waits_and_then_all_is_written(
    server: Server, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(600)])
    caplog.clear()
    server.kill()
    for seq in range(2, 40):
        writer.write([change(f"u{number}", SEGMENTS[seq % 2], "entered", seq) for number in range(100)])
        writer.catch_up(0.0)
    writer.write([change("u1", "second", "exited", 40)])
    assert writer.behind == 100
    assert writer.log.away_s > 0
    assert not writer.settle(), "a checkpoint must know that Redis lacks something"
    server.start()
    writer.flush()
    assert_right(server, writer.told)
    assert (writer.behind, writer.log.away_s, writer.log.outages) == (0, 0, 1)
    assert writer.settle()
    said = [record.message for record in caplog.records]
    assert len(said) == 4, "one line when it goes, two when it is back, one when it is whole"
    assert "The job goes on" in said[0]
    assert "was started anew" in said[1]
    assert "takes writes again" in said[2]
    assert "holds all users" in said[3]


def test_of_whom_nothing_can_be_read_redis_keeps_what_it_has(server: Server, writer: Writer) -> None:
    put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(3)])
    server.kill()
    writer.write([change(f"u{number}", "second", "entered", 2) for number in range(3)])
    assert not writer.settle()
    writer.told.unreadable.add("u1")
    server.start()
    writer.flush()
    with client_of(server) as client:
        found = {user: (fields["_seq"], fields.keys() - {"_seq"}) for user, fields in users_in(client).items()}
        assert client.zrange("segment:first", 0, -1) == ["u0", "u1", "u2"]
    both = ("2", {"first", "second"})
    assert found == {"u0": both, "u1": ("1", {"first"}), "u2": both}


def test_a_full_redis_is_an_outage(server: Server, writer: Writer) -> None:
    with client_of(server) as client:
        put(writer, [change("u1", "first", "entered", 1)])
        client.config_set("maxmemory", 1)
        writer.write([change("u1", "second", "entered", 2)])
        await_outage(writer)
        writer.write([change("u1", "first", "exited", 3), change("u2", "first", "entered", 1)])
        client.config_set("maxmemory", 0)
    writer.flush()
    assert_right(server, writer.told)


def test_a_replica_is_an_outage_until_it_is_the_primary(server: Server, writer: Writer) -> None:
    with client_of(server) as client:
        put(writer, [change("u1", "first", "entered", 1)])
        client.config_set("replica-serve-stale-data", "yes")
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        writer.write([change("u1", "second", "entered", 2)])
        await_outage(writer)
        client.execute_command("REPLICAOF", "NO", "ONE")
    writer.flush()
    assert_right(server, writer.told)


def test_a_slow_redis_holds_nothing_up(server: Server, writer: Writer) -> None:
    put(writer, [change("u1", "first", "entered", 1)])
    with client_of(server) as client:
        client.execute_command("CLIENT", "PAUSE", 3_000, "WRITE")
        for seq in range(2, 20):
            writer.write([change("u1", SEGMENTS[seq % 2], "entered", seq)])
        assert writer.behind == 1
        assert client.hget("seg:u1", "_seq") == "1", "all was handed over before Redis took any"
    writer.flush()
    assert_right(server, writer.told)


def test_who_hangs_is_left_and_tried_again(server: Server, writer: Writer) -> None:
    put(writer, [change("u1", "first", "entered", 1)])
    server.freeze()
    writer.write([change("u1", "second", "entered", 2)])
    await_outage(writer)
    writer.write([change("u1", "first", "exited", 3)])
    server.thaw()
    writer.flush()
    assert_right(server, writer.told)


def test_a_redis_that_comes_back_empty_is_filled_though_nobody_changes(
    forgetful: Server, caplog: pytest.LogCaptureFixture
) -> None:
    writer = made(forgetful.url)
    put(writer, [change(f"u{number}", SEGMENTS[number % 2], "entered", 1) for number in range(3_000)])
    forgetful.kill()
    forgetful.start()
    writer.settle()
    writer.flush()
    assert_right(forgetful, writer.told)
    assert "was emptied or is new: all 3000 users of this worker are compared" in caplog.text
    assert "segments redis rebuild" in caplog.text
    writer.close()


def test_a_redis_that_is_emptied_under_our_hands_is_filled_with_the_next_checkpoint(
    server: Server, writer: Writer
) -> None:
    put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(100)])
    with client_of(server) as client:
        client.flushall()
    assert writer.settle()
    writer.flush()
    assert_right(server, writer.told)


def test_a_redis_that_is_emptied_while_it_is_filled_is_filled_from_the_beginning(forgetful: Server) -> None:
    writer = made(forgetful.url)
    put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(3_000)])
    with client_of(forgetful) as client:
        client.flushall()
        assert writer.settle()
        wait_until(lambda: begun(writer, client), 60, "the filling to begin")
        assert writer.behind
        client.flushall()
        writer.flush()
    assert_right(forgetful, writer.told)
    writer.close()


def test_who_lacks_what_came_before_is_written_whole(server: Server, writer: Writer) -> None:
    put(writer, [change("u1", "first", "entered", 1), change("u2", "first", "entered", 1)])
    with client_of(server) as client:
        client.delete("seg:u1", "segment:first")
        writer.write([change("u1", "second", "entered", 2)])
        writer.flush()
        assert client.hgetall("seg:u1").keys() == {"_seq", "first", "second"}
        assert client.zrange("segment:first", 0, -1) == ["u1"]


def test_a_primary_that_lacks_the_newest_writes_gets_them(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with Server(tmp_path / "old") as first, Server(tmp_path / "new") as second, Proxy(first.url) as proxy:
        writer = made(proxy.url)
        put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(50)])
        copy(first, second)
        put(writer, [change(f"u{number}", "second", "entered", 2) for number in range(10)])
        proxy.lead_to(second.url)
        first.kill()
        put(writer, [change("u1", "first", "exited", 3), change("u20", "second", "entered", 2)])
        assert_right(second, writer.told)
        writer.close()


def copy(source: Server, target: Server) -> None:
    """Have a server know what another knows now, as a replica would."""
    with client_of(target) as client:
        host, _, port = source.url.removeprefix("redis://").removesuffix("/0").partition(":")
        client.execute_command("REPLICAOF", host, port)
        wait_until(lambda: client.info("replication").get("master_link_status") == "up", 60, "the replica")
        client.execute_command("REPLICAOF", "NO", "ONE")


def test_of_very_many_who_changed_it_is_not_noted_who_they_are(
    server: Server, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("udfs.redis_writer.MOST_BEHIND", 50)
    monkeypatch.setattr("udfs.redis_writer._COMPARED_TOGETHER", 20)
    put(writer, [change(f"u{number}", "first", "entered", 1) for number in range(200)])
    server.kill()
    for number in range(60):
        writer.write([change(f"u{number}", "first", "exited", 2)])
    assert len(writer._behind) < 50
    writer.write([change("u199", "second", "entered", 2)])
    assert writer.behind >= 200
    server.start()
    writer.flush()
    assert_right(server, writer.told)


def test_a_user_who_is_gone_meanwhile_is_gone_from_redis(server: Server, writer: Writer) -> None:
    put(writer, [change(user, "first", "entered", 1) for user in ("u1", "u2")])
    server.kill()
    writer.write([change("u1", "first", "exited", 2)])
    writer.told.forget("u1")
    server.start()
    writer.flush()
    assert_right(server, writer.told)


@pytest.mark.parametrize("lacking", [True, False])
def test_who_takes_over_compares_all_if_redis_may_lack_something(server: Server, lacking: bool) -> None:
    first = made(server.url)
    put(first, [change("u1", "first", "entered", 1), change("u2", "first", "entered", 1)])
    first.told.hear([change("u1", "second", "entered", 2)])
    first.close()
    second = Writer(server.url, told=first.told, lacking=lacking)
    second.flush()
    with client_of(server) as client:
        assert client.hget("seg:u1", "_seq") == ("2" if lacking else "1")
    second.close()


def test_close_does_not_wait_for_a_redis_that_is_away(server: Server, writer: Writer) -> None:
    put(writer, [change("u1", "active", "entered", 1)])
    server.kill()
    writer.write([change("u1", "active", "exited", 2)])
    writer.close()
    assert writer.behind == 1


def test_redis_killed_while_writing_loses_nothing(server: Server, writer: Writer) -> None:
    seqs, stop = itertools.count(1), threading.Event()
    last = 0

    def write_on() -> None:
        nonlocal last
        while not stop.wait(0.005):
            seq = next(seqs)
            writer.write([change(f"u{number}", SEGMENTS[seq % 2], "entered", seq) for number in range(300)])
            writer.catch_up(0.05)
            last = seq

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        for outages in (1, 2):
            goal = last + 5
            wait_until(lambda goal=goal: last >= goal, 60, "writes")  # type: ignore[misc]
            server.kill()
            wait_until(lambda seen=outages: writer.log.outages >= seen, 60, "the outage")  # type: ignore[misc]
            blocked = last
            wait_until(lambda blocked=blocked: last > blocked, 60, "the writer to go on")  # type: ignore[misc]
            server.start()
            wait_until(lambda: writer.log.away_s == 0, 60, "Redis to be back")
    finally:
        stop.set()
        thread.join(timeout=90)
    assert not thread.is_alive()
    writer.flush()
    assert_right(server, writer.told)
