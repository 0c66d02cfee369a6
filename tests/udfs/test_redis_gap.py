from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.stack.waiting import wait_until
from tests.udfs.fakes import Shards, Worker
from tests.udfs.redis_support import Server, users_in
from tests.udfs.test_segment_function import HOUR, T, event, options, seen
from udfs.redis_link import RedisOptions
from udfs.redis_users import PLACE

USERS = [f"u{number}" for number in range(30)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as started:
        yield started


def worker_with(server: Server, state: Shards | None = None) -> Worker:
    return Worker(replace(options(), redis=RedisOptions(server.url, HOUR, 1_000)), state)


def marks(state: Shards) -> set[bytes]:
    return {entries[PLACE] for entries in state.values() if PLACE in entries}


def enter(worker: Worker, time: int) -> int:
    """Have all users enter `active`; returns how many changes came of it."""
    pairs = [event(user, "Page", time + step) for user in USERS for step in (0, 1)]
    return len(seen(worker.events(*pairs)))


def in_redis(server: Server) -> dict[str, Any]:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return {user: (int(fields["_seq"]), fields.keys() - {"_seq"}) for user, fields in users_in(client).items()}


def await_whole(worker: Worker) -> None:
    """Let time stand still until Redis has all."""
    gauges = worker.metrics.gauges

    def whole() -> bool:
        worker.tick(T)
        return gauges["redis_away_s"]() == gauges["redis_users_behind"]() == 0

    wait_until(whole, 60, "Redis to have all")


def test_events_and_checkpoints_go_on_without_redis_and_redis_follows(server: Server) -> None:
    worker = worker_with(server)
    assert enter(worker, T) == 30
    assert marks(worker.checkpoint()) <= {b"0"}
    server.kill()
    assert len(seen(worker.tick(T + 2 * HOUR))) == 30
    assert marks(worker.checkpoint(2)) == {b"1"}
    assert worker.metrics.gauges["redis_users_behind"]() == 30
    server.start()
    await_whole(worker)
    assert in_redis(server) == dict.fromkeys(USERS, (2, set()))
    assert marks(worker.checkpoint(3)) == {b"0"}
    worker.close()


def test_a_worker_that_takes_over_in_an_outage_brings_redis_up_to_date(server: Server) -> None:
    first = worker_with(server)
    enter(first, T)
    first.checkpoint()
    server.kill()
    first.tick(T + 2 * HOUR)
    state = first.checkpoint(2)
    first.close()
    second = worker_with(server, state)
    assert enter(second, T + 3 * HOUR) == 30
    server.start()
    await_whole(second)
    assert in_redis(server) == dict.fromkeys(USERS, (3, {"active"}))
    second.close()


def test_a_redis_that_is_switched_on_later_gets_all_users(server: Server) -> None:
    without = Worker(options())
    enter(without, T)
    state = without.checkpoint()
    assert marks(state) == {b"1"}
    second = worker_with(server, state)
    await_whole(second)
    assert in_redis(server) == dict.fromkeys(USERS, (1, {"active"}))
    second.close()


def test_the_end_of_the_input_waits_until_redis_has_all(server: Server) -> None:
    worker = worker_with(server)
    enter(worker, T)
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("CLIENT", "PAUSE", 1_500, "WRITE")
    worker.tick(T + 2 * HOUR)
    worker.checkpoint(2**63 - 1)
    assert in_redis(server) == dict.fromkeys(USERS, (2, set()))
    worker.close()
