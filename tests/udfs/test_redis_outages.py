from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobs.stack.redis_server import ping
from jobs.stack.waiting import wait_until
from tests.udfs.redis_support import Server, change, made, put


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_batch_is_not_sent_before_redis_took_the_one_before(own_server: Server) -> None:
    writer = made(own_server.url, lambda _: client.config_set("maxmemory", 0))
    with redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        put(writer, [change("u1", "first", "entered", 1)])
        client.config_set("maxmemory", 1)
        writer.write([change("u1", "second", "entered", 2)])
        wait_until(lambda: client.info("commandstats")["cmdstat_evalsha"]["calls"] == 2, 10, "the refusal")
        writer.write([change("u1", "third", "entered", 3)])
        writer.flush()
        assert client.hgetall("seg:u1").keys() == {"_seq", "first", "second", "third"}
    assert writer.retries == 1
    writer.close()


def test_close_does_not_wait_for_a_redis_that_is_away(own_server: Server) -> None:
    writer = made(own_server.url)
    put(writer, [change("u1", "active", "entered", 1)])
    own_server.kill()
    writer.write([change("u1", "active", "exited", 2)])
    writer.close()
    assert writer.retries == 0


def test_pauses_grow_to_five_seconds() -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        put(made("redis://127.0.0.1:1/0", sleep), [change("u1", "active", "entered", 1)])
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
            put(writer, [change(f"u{number}", "active", "entered", seq) for number in range(300)])
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
