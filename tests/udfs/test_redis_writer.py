from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.redis_server import find_binary, ping
from jobs.stack.stack import Parts, Stack
from jobs.stack.waiting import wait_until
from segments.changes import Action, Cause, Change
from udfs.redis_writer import RedisOptions, RedisWriter

T = 1_764_000_000_000
TTL = 60_000
ACTIONS: tuple[Action, Action] = ("entered", "exited")
START_TIMEOUT = 20.0


class Server:
    """A Redis that keeps what it has acknowledged; it can be killed and started again where it was."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self._command = [str(find_binary()), "--bind", LOOPBACK, "--port", str(self._port), "--dir", str(folder)]
        self._command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{LOOPBACK}:{self._port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: ping(self.url), START_TIMEOUT, "Redis")

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None


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


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def made(url: str, sleep: Callable[[float], None] = time.sleep, ttl: int = TTL) -> RedisWriter:
    return RedisWriter(RedisOptions(url, ttl, 1_000), sleep)


def change(user: str, segment: str, action: Action, seq: int, score: float | None = None) -> Change:
    return Change(user, segment, 2, action, T + seq, seq, Cause("event"), [], score, None, 0.5, None)


def test_an_entry_stands_in_the_hash_and_in_the_sorted_set(writer: RedisWriter, client: Any) -> None:
    writer.write([change("ü1", "active", "entered", 1, score=1.5)])
    found = client.hgetall("seg:ü1")
    assert found.keys() == {"_seq", "active"}
    assert found["_seq"] == "1"
    assert json.loads(found["active"]) == {"score": 1.5, "since": T + 1, "version": 2, "seq": 1, "confidence": 0.5}
    assert client.zrange("segment:active", 0, -1, withscores=True) == [("ü1", T + 1)]


def test_an_exit_takes_both_away(writer: RedisWriter, client: Any) -> None:
    writer.write([change("u1", "active", "entered", 1), change("u1", "buyer", "entered", 2)])
    writer.write([change("u1", "active", "exited", 3)])
    assert client.hgetall("seg:u1").keys() == {"_seq", "buyer"}
    assert client.hget("seg:u1", "_seq") == "3"
    assert client.exists("segment:active") == 0


def test_the_last_word_of_a_batch_counts(writer: RedisWriter, client: Any) -> None:
    changes = [change("u1", "active", ACTIONS[seq % 2], seq) for seq in range(2, 8)]
    writer.write(changes[:3])
    assert json.loads(client.hget("seg:u1", "active"))["seq"] == 4
    writer.write(changes[3:])
    assert client.hgetall("seg:u1") == {"_seq": "7"}


@pytest.mark.parametrize("seq", [4, 5])
def test_a_user_never_moves_backwards(writer: RedisWriter, client: Any, seq: int) -> None:
    writer.write([change("u1", "active", "entered", 5)])
    before = client.hgetall("seg:u1")
    writer.write([change("u1", "active", "exited", seq), change("u1", "buyer", "entered", seq)])
    assert client.hgetall("seg:u1") == before
    assert client.zrange("segment:active", 0, -1) == ["u1"]
    assert client.exists("segment:buyer") == 0


def test_seqs_compare_as_numbers(writer: RedisWriter, client: Any) -> None:
    writer.write([change("u1", "active", "entered", 9)])
    writer.write([change("u1", "active", "exited", 10)])
    assert client.hgetall("seg:u1") == {"_seq": "10"}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("restart", [0, 4, 9])
def test_a_replay_in_other_batches_ends_in_the_same_state(
    writer: RedisWriter, client: Any, size: int, restart: int
) -> None:
    names = itertools.islice(itertools.cycle("abc"), 20)
    changes = [change("u1", name, ACTIONS[(seq - 1) // 3 % 2], seq) for seq, name in enumerate(names, 1)]
    writer.write(changes)
    expected = state(client)
    client.flushall()
    for one in changes[:10]:
        writer.write([one])
    for start in range(restart, len(changes), size):
        writer.write(changes[start : start + size])
    assert state(client) == expected


def state(client: Any) -> tuple[dict[str, str], dict[str, list[Any]]]:
    return client.hgetall("seg:u1"), {name: client.zrange(f"segment:{name}", 0, -1, withscores=True) for name in "abc"}


def test_every_write_sets_the_time_to_live(writer: RedisWriter, client: Any) -> None:
    writer.write([change("u1", "active", "entered", 1)])
    for key in ("seg:u1", "segment:active"):
        assert TTL - 10_000 < client.pttl(key) <= TTL
        client.pexpire(key, 5)
    wait_until(lambda: client.dbsize() == 0, 10, "both to expire")
    writer.write([change("u1", "active", "entered", 2)])
    assert min(client.pttl("seg:u1"), client.pttl("segment:active")) > TTL - 10_000


def test_more_users_than_a_script_takes(writer: RedisWriter, client: Any) -> None:
    users = [f"u{number}" for number in range(700)]
    writer.write([change(user, "active", "entered", 1) for user in users])
    assert set(client.zrange("segment:active", 0, -1)) == set(users)
    assert client.dbsize() == 701


def test_names_may_hold_any_character(writer: RedisWriter, client: Any) -> None:
    user = 'a"b\\c\n\x00 ünï'
    writer.write([change(user, "active", "entered", 1)])
    assert client.zrange("segment:active", 0, -1) == [user]


def test_nothing_to_write_touches_nothing() -> None:
    made("redis://127.0.0.1:1/0").write([])


def test_a_flushed_script_is_loaded_again(writer: RedisWriter, client: Any) -> None:
    writer.write([change("u1", "active", "entered", 1)])
    client.script_flush()
    writer.write([change("u1", "active", "exited", 2)])
    assert client.hgetall("seg:u1") == {"_seq": "2"}


def test_a_mistake_in_the_data_is_raised_and_not_tried_for_ever(shared_server: str, client: Any) -> None:
    client.set("seg:u1", "not a hash")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        assert len(pauses) < 5, "it is tried again and again"

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        made(shared_server, sleep).write([change("u1", "active", "entered", 1)])
    assert pauses == []


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
def test_what_passes_and_what_does_not(monkeypatch: pytest.MonkeyPatch, message: str, passes: bool) -> None:
    answers = iter([redis.ResponseError(message)])

    def send(_: list[bytes]) -> None:
        for answer in answers:
            raise answer

    writer = made("redis://127.0.0.1:1/0", lambda _: None)
    monkeypatch.setattr(writer, "_send", send)
    with nullcontext() if passes else pytest.raises(redis.ResponseError):
        writer.write([change("u1", "active", "entered", 1)])
    assert writer.retries == (1 if passes else 0)


def test_pauses_grow_to_five_seconds() -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        made("redis://127.0.0.1:1/0", sleep).write([change("u1", "active", "entered", 1)])
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert pauses[-2:] == [5.0, 5.0]


def test_redis_killed_while_writing_loses_nothing(own_server: Server) -> None:
    writer = made(own_server.url, lambda _: time.sleep(0.05))
    written, stop = itertools.count(1), threading.Event()
    last = 0

    def write_on() -> None:
        nonlocal last
        while not stop.is_set():
            seq = next(written)
            writer.write([change(f"u{number}", "active", "entered", seq) for number in range(300)])
            last = seq

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        for _ in range(2):
            goal = last + 5
            wait_until(lambda goal=goal: last >= goal, 20, "writes")  # type: ignore[misc]
            own_server.kill()
            retries = writer.retries
            wait_until(lambda seen=retries: writer.retries > seen, 20, "a failed attempt")  # type: ignore[misc]
            blocked = last
            own_server.start()
            wait_until(lambda blocked=blocked: last > blocked, 20, "the writer to go on")  # type: ignore[misc]
    finally:
        stop.set()
        own_server_up(own_server)
        thread.join(timeout=30)
    assert not thread.is_alive()
    with redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        assert {client.hget(f"seg:u{number}", "_seq") for number in range(300)} == {str(last)}
        assert client.zcard("segment:active") == 300
    writer.close()


def own_server_up(server: Server) -> None:
    """Start the server where the test failed while it was down, so that the writer can end."""
    if not ping(server.url):
        server.kill()
        server.start()
