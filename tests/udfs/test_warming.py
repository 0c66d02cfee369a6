"""A worker tells those who read the audit topic and Redis which segments stand still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.stack.waiting import wait_until
from segments.backfill_chunks import encode_chunk
from segments.changes import decode_memberships
from segments.control import Release, encode_control
from segments.warming import Warming, decode_warming
from tests.udfs.fakes import Shards, Worker
from tests.udfs.redis_support import Server
from tests.udfs.test_backfill import COMPLETE, NEW, OLD, RELEASED, USERS, handed_over, told
from tests.udfs.test_segment_function import HOUR, T, event, options
from tests.udfs.wire import Raw
from udfs.frames import Target
from udfs.redis_entries import WARMING_KEY, WARMING_SHARDS_KEY
from udfs.redis_link import RedisOptions

LOYAL = {"loyal": Warming(2, RELEASED, 1)}
BEGUN = told(Release(2, RELEASED, NEW))


def recorded() -> list[Raw]:
    return [event(user, "Page", T + number) for user in USERS for number in range(2)]


def complete(worker: Worker) -> None:
    chunks, filled = handed_over(recorded())
    for chunk in chunks:
        worker.tell(encode_chunk(chunk))
    worker.tell(told(Release(3, COMPLETE, NEW, action="backfill", filled=filled)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with redis.Redis.from_url(server.url, decode_responses=True) as made:
        made.flushall()
        yield made


def worker_with(server: Server, state: Shards | None = None, owned: range = range(4)) -> Worker:
    return Worker(replace(options(OLD), redis=RedisOptions(server.url, HOUR, 1_000)), state, owned)


def listed(client: Any) -> dict[str, Warming]:
    return {name: decode_warming(text) for name, text in client.hgetall(WARMING_KEY).items()}


def settled(worker: Worker, client: Any) -> dict[str, Warming]:
    """What Redis lists once it has all, while time stands still."""
    writer = worker.writer
    assert writer is not None
    wait_for(worker, T, lambda: writer.is_whole)
    return listed(client)


def test_what_a_worker_is_done_with_says_what_is_warming() -> None:
    worker = Worker(options(OLD))
    worker.events(*recorded())
    worker.tell(BEGUN)
    worker.tick(RELEASED)
    (page,) = (
        each.value
        for each in worker.events(event("new", "Page", RELEASED + 5))
        if each.target == Target.MEMBERSHIPS and each.value
    )
    assert decode_memberships(page).warming == ["loyal"]
    complete(worker)
    worker.tick(COMPLETE)
    assert [(done.number, done.warming) for done in worker.audit] == [(1, []), (2, ["loyal"]), (3, [])]


def test_the_shadow_is_seen_by_nobody_while_it_warms(server: Server, client: Any) -> None:
    worker = worker_with(server)
    worker.events(*recorded())
    worker.tell(encode_control(Release(2, RELEASED, OLD, NEW)))
    worker.tick(RELEASED)
    assert worker.metrics.gauges["segments_warming"]() == 1
    assert settled(worker, client) == {}
    assert [done.warming for done in worker.audit] == [[], []]
    worker.close()


def test_redis_lists_what_is_warming_from_the_release_to_its_completion(server: Server, client: Any) -> None:
    worker = worker_with(server)
    worker.events(*recorded())
    worker.tell(BEGUN)
    worker.tick(RELEASED - 1)
    assert settled(worker, client) == {}
    worker.tick(RELEASED)
    assert settled(worker, client) == LOYAL
    complete(worker)
    assert settled(worker, client) == LOYAL
    worker.tick(COMPLETE)
    assert settled(worker, client) == {}
    assert client.exists(WARMING_KEY) == 0
    worker.close()


def test_a_rollback_before_the_completion_takes_it_from_the_list(server: Server, client: Any) -> None:
    worker = worker_with(server)
    worker.tell(BEGUN)
    worker.tick(RELEASED)
    assert settled(worker, client) == LOYAL
    worker.tell(told(Release(3, RELEASED + 1, OLD, action="rollback")))
    worker.tick(RELEASED + 1)
    assert settled(worker, client) == {}
    worker.close()


def test_it_is_listed_until_the_last_user_follows(server: Server, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = worker_with(server)
    worker.events(*recorded())
    worker.tell(BEGUN)
    worker.tick(RELEASED)
    complete(worker)
    assert settled(worker, client) == LOYAL
    with monkeypatch.context() as patched:
        patched.setattr("udfs.segment_function.IDLE_SLICE_S", -1.0)  # no user follows
        worker.tick(COMPLETE)
        again = worker_with(server, worker.checkpoint())
        again.tick(COMPLETE)
        assert again.metrics.gauges["users_behind"]() > 0
        wait_for(again, COMPLETE, lambda: listed(client) == LOYAL)
    assert settled(again, client) == {}
    again.close()
    worker.close()


def wait_for(worker: Worker, watermark: int, is_so: Callable[[], bool]) -> None:
    def after_a_tick() -> bool:
        worker.tick(watermark)
        return is_so()

    wait_until(after_a_tick, 60, "Redis to list what is warming")


def test_a_worker_that_starts_says_nothing_before_it_knows_the_time(server: Server, client: Any) -> None:
    first = worker_with(server)
    first.events(*recorded())
    first.tell(BEGUN)
    first.tick(RELEASED)
    assert settled(first, client) == LOYAL
    second = worker_with(server, first.checkpoint())
    for number in range(3):
        second.checkpoint(number)
        second.events()
        assert listed(client) == LOYAL
    second.tick(RELEASED + 1)
    assert settled(second, client) == LOYAL
    first.close()
    second.close()


@pytest.mark.parametrize("lost", ["everything", "the job's own list"])
def test_a_list_that_is_lost_comes_back(server: Server, client: Any, lost: str) -> None:
    worker = worker_with(server)
    worker.events(*recorded())
    worker.tell(BEGUN)
    worker.tick(RELEASED)
    assert settled(worker, client) == LOYAL
    if lost == "everything":
        client.flushall()
    else:
        client.delete(WARMING_SHARDS_KEY, WARMING_KEY)
    for number in (1, 2):  # a checkpoint asks, and the next one has the answer
        worker.checkpoint(number)
    assert settled(worker, client) == LOYAL
    worker.close()


def test_a_server_that_stands_in_for_another_is_told(tmp_path: Path) -> None:
    with Server(tmp_path, keeps=False) as forgetful, redis.Redis.from_url(forgetful.url, decode_responses=True) as read:
        worker = worker_with(forgetful)
        worker.tell(BEGUN)
        worker.tick(RELEASED)
        assert settled(worker, read) == LOYAL
        forgetful.kill()
        worker.checkpoint()  # which asks, and finds it gone
        forgetful.start()
        assert settled(worker, read) == LOYAL
        worker.close()


def test_it_is_listed_while_it_is_warming_in_one_shard(server: Server, client: Any) -> None:
    workers = [worker_with(server, owned=range(2)), worker_with(server, owned=range(2, 4))]
    for worker in workers:
        worker.tell(BEGUN)
        worker.tick(RELEASED)
        assert settled(worker, client) == LOYAL
    for worker, left in zip(workers, (LOYAL, {}), strict=True):
        complete(worker)
        worker.tick(COMPLETE)
        assert settled(worker, client) == left
        worker.close()


def test_keys_that_hold_something_else_are_no_hindrance(server: Server, client: Any) -> None:
    client.set(WARMING_KEY, "hello")
    client.hset(WARMING_SHARDS_KEY, "77", "no list")
    worker = worker_with(server)
    worker.tell(BEGUN)
    worker.tick(RELEASED)
    assert settled(worker, client) == LOYAL
    client.delete(WARMING_SHARDS_KEY)
    client.set(WARMING_SHARDS_KEY, "hello")
    worker.tell(told(Release(3, RELEASED + 1, OLD, action="rollback")))
    worker.tick(RELEASED + 1)
    assert settled(worker, client) == {}
    worker.close()
