from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from jobs.stack.stack import Parts, Stack
from jobs.stack.waiting import wait_until
from segments.changes import Action, Cause, Change
from tests.udfs.redis_support import TTL, T, change, made, put, users_in
from udfs.redis_entries import SegmentEntry, entry_json
from udfs.redis_writer import RedisWriter, _will_fail_again

ACTIONS: tuple[Action, Action] = ("entered", "exited")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Stack.start(tmp_path_factory.mktemp("redis"), parts=Parts(kafka=False, flink=False)) as stack:
        yield stack.redis_url


@pytest.fixture
def client(shared_server: str) -> Iterator[Any]:
    with redis.Redis.from_url(shared_server, decode_responses=True) as made:
        made.flushall()
        yield made


@pytest.fixture
def writer(shared_server: str, client: Any) -> Iterator[RedisWriter]:
    assert client.dbsize() == 0
    with_server = made(shared_server)
    yield with_server
    with_server.close()


def test_an_entry_stands_in_the_hash_and_in_the_sorted_set(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("ü1", "active", "entered", 1, score=1.5)])
    found = client.hgetall("seg:ü1")
    assert found.keys() == {"_seq", "active"}
    assert found["_seq"] == "1"
    assert json.loads(found["active"]) == {"score": 1.5, "since": T + 1, "version": 2, "seq": 1, "confidence": 0.5}
    assert client.zrange("segment:active", 0, -1, withscores=True) == [("ü1", T + 1)]


def test_an_exit_takes_both_away(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("u1", "active", "entered", 1), change("u1", "buyer", "entered", 2)])
    put(writer, [change("u1", "active", "exited", 3)])
    assert client.hgetall("seg:u1").keys() == {"_seq", "buyer"}
    assert client.hget("seg:u1", "_seq") == "3"
    assert client.exists("segment:active") == 0


def test_the_last_word_of_a_batch_counts(writer: RedisWriter, client: Any) -> None:
    changes = [change("u1", "active", ACTIONS[seq % 2], seq) for seq in range(2, 8)]
    put(writer, changes[:3])
    assert json.loads(client.hget("seg:u1", "active"))["seq"] == 4
    put(writer, changes[3:])
    assert client.hgetall("seg:u1") == {"_seq": "7"}


@pytest.mark.parametrize("seq", [4, 5])
def test_a_user_never_moves_backwards(writer: RedisWriter, client: Any, seq: int) -> None:
    put(writer, [change("u1", "active", "entered", 5)])
    before = client.hgetall("seg:u1")
    put(writer, [change("u1", "active", "exited", seq), change("u1", "buyer", "entered", seq)])
    assert client.hgetall("seg:u1") == before
    assert client.zrange("segment:active", 0, -1) == ["u1"]
    assert client.exists("segment:buyer") == 0


def test_seqs_compare_as_numbers(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("u1", "active", "entered", 9)])
    put(writer, [change("u1", "active", "exited", 10)])
    assert client.hgetall("seg:u1") == {"_seq": "10"}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("restart", [0, 4, 9])
def test_a_replay_in_other_batches_ends_in_the_same_state(
    writer: RedisWriter, client: Any, size: int, restart: int
) -> None:
    names = itertools.islice(itertools.cycle("abc"), 20)
    changes = [change("u1", name, ACTIONS[(seq - 1) // 3 % 2], seq) for seq, name in enumerate(names, 1)]
    put(writer, changes)
    expected = state(client)
    client.flushall()
    for one in changes[:10]:
        put(writer, [one])
    for start in range(restart, len(changes), size):
        put(writer, changes[start : start + size])
    assert state(client) == expected


def state(client: Any) -> tuple[dict[str, str], dict[str, list[Any]]]:
    return client.hgetall("seg:u1"), {name: client.zrange(f"segment:{name}", 0, -1, withscores=True) for name in "abc"}


def test_every_write_sets_the_time_to_live(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("u1", "active", "entered", 1)])
    for key in ("seg:u1", "segment:active"):
        assert TTL - 40_000 < client.pttl(key) <= TTL
        client.pexpire(key, 5)
    wait_until(lambda: client.exists("seg:u1", "segment:active") == 0, 60, "both to expire")
    put(writer, [change("u1", "active", "entered", 2)])
    assert min(client.pttl("seg:u1"), client.pttl("segment:active")) > TTL - 40_000


def test_more_users_than_a_script_takes(writer: RedisWriter, client: Any) -> None:
    users = [f"u{number}" for number in range(700)]
    put(writer, [change(user, "active", "entered", 1) for user in users])
    assert set(client.zrange("segment:active", 0, -1)) == set(users)
    assert len(users_in(client)) == 700


def test_names_may_hold_any_character(writer: RedisWriter, client: Any) -> None:
    user = 'a"b\\c\n\x00 ünï'
    put(writer, [change(user, "active", "entered", 1)])
    assert client.zrange("segment:active", 0, -1) == [user]


def test_a_batch_is_on_its_way_when_write_returns_and_in_redis_after_the_next_call(
    writer: RedisWriter, client: Any
) -> None:
    writer._patience = 60
    writer.flush()
    client.execute_command("CLIENT", "PAUSE", 500)
    writer.write([change("u1", "active", "entered", 1)])
    assert not writer.has_to_catch_up, "nobody is to wait for the answer"
    writer.write([])
    wait_until(lambda: client.hget("seg:u1", "_seq") == "1", 60, "the batch")  # of two clients either may be first
    writer.write([change("u1", "active", "exited", 2)])
    writer.close()
    assert client.hgetall("seg:u1") == {"_seq": "2"}


@given(
    st.none() | st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1), st.integers(0, 2**53), st.integers(1)
)
def test_an_entry_is_json(score: float | None, confidence: float, at: int, seq: int) -> None:
    made_by_hand = entry_json(
        Change("u", "s", 3, "entered", at, seq, Cause("event"), [], score, None, confidence, None)
    )
    assert msgspec.json.decode(made_by_hand, type=SegmentEntry) == SegmentEntry(score, at, 3, seq, confidence)


def test_a_flushed_script_is_loaded_again(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("u1", "active", "entered", 1)])
    client.script_flush()
    put(writer, [change("u1", "active", "exited", 2)])
    assert client.hgetall("seg:u1") == {"_seq": "2"}


def test_a_key_of_another_type_concerns_that_user_only(
    writer: RedisWriter, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client.set("seg:u1", "not a hash")
    put(writer, [change(user, "active", "entered", 1) for user in ("u0", "u1", "u2")])
    assert client.zrange("segment:active", 0, -1) == ["u0", "u2"]
    assert writer.log.refusals == 1
    put(writer, [change("u1", "active", "exited", 2)])
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 1, "one line a minute"
    assert "seg:u1" in caplog.text
    client.delete("seg:u1")
    put(writer, [change("u1", "buyer", "entered", 3)])
    assert client.hgetall("seg:u1").keys() == {"_seq", "buyer"}


def test_a_sorted_set_of_another_type_leaves_the_hashes_right(writer: RedisWriter, client: Any) -> None:
    client.set("segment:active", "not a sorted set")
    put(writer, [change("u1", "active", "entered", 1), change("u1", "buyer", "entered", 2)])
    assert client.hgetall("seg:u1").keys() == {"_seq", "active", "buyer"}
    assert client.zrange("segment:buyer", 0, -1) == ["u1"]
    assert writer.log.refusals == 1


def test_a_user_of_very_many_segments_is_written(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("u1", f"s{number}", "entered", number) for number in range(1, 9_001)])
    assert client.hlen("seg:u1") == 9_001
    put(writer, [change("u1", f"s{number}", "exited", 9_000 + number) for number in range(1, 9_001)])
    assert client.hgetall("seg:u1") == {"_seq": "18000"}


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        ("NOSCRIPT No matching script. Please use EVAL.", True),
        ("LOADING Redis is loading the dataset in memory", True),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL", True),
        ("OOM command not allowed when used memory > 'maxmemory'. script: 8a, on @user_script:7.", True),
        ("Error running script (call to f_8a): @user_script:7: -OOM command not allowed", True),
        ("Error running script (call to f_8a): @user_script:7: -READONLY You can't write against a replica.", True),
        ("READONLY You can't write against a read only replica. script: 8a, on @user_script:7.", True),
        ("Error running script (call to f_8a): @user_script:7: -MISCONF Redis is configured to save", True),
        ("Error running script (call to f_8a): @user_script:7: WRONGTYPE Operation against a key", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value script: on @user_script:7.", False),
        ("user_script:7: attempt to index a nil value script: 8a, on @user_script:7.", False),
    ],
)
def test_what_passes_and_what_does_not(message: str, passes: bool) -> None:
    assert _will_fail_again(redis.ResponseError(message)) is not passes


def test_a_script_that_fails_is_not_tried_for_ever(
    writer: RedisWriter, client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("udfs.redis_writer.WRITE_SHA", client.script_load("return nil + 1"))
    put(writer, [change("u1", "active", "entered", 1)])
    monkeypatch.undo()
    put(writer, [change("u2", "active", "entered", 1)])
    assert users_in(client).keys() == {"u2"}
    assert "u1" in caplog.text


def test_who_expired_leaves_the_sorted_set_too(writer: RedisWriter, client: Any) -> None:
    put(writer, [change("u1", "active", "entered", 1), change("u2", "active", "entered", 1)])
    client.delete("seg:u1")  # as it expires; the set lives on with its other member
    put(writer, [change("u1", "active", "exited", 2)])
    assert client.zrange("segment:active", 0, -1) == ["u2"]
    assert client.hgetall("seg:u1") == {"_seq": "2"}
