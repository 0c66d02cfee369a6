"""A worker to which a side job hands what a release lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from jobs.backfill.side_job import still_plan
from segments.backfill import backfill_of
from segments.backfill_chunks import Chunk, chunks_of, collected, encode_chunk
from segments.control import Filled, Release, encode_control
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profiles import shard_of
from tests.udfs.fakes import Worker
from tests.udfs.test_releases import changes
from tests.udfs.test_segment_function import HOUR, T, event, options
from tests.udfs.wire import Output, Raw
from udfs.frames import Target
from udfs.handed_log import PLACE

OLD = "segments: [{name: active, when: {count: {event: any, within: 1h, gte: 1}}}]"
NEW = f"backfill: replay\n{OLD[:-1]}, {{name: loyal, when: {{lifetime: {{of: count, event: Page, gte: 3}}}}}}]"
SHARDS = 4
USERS = [f"u{number}" for number in range(12)]
RELEASED, COMPLETE = T + 1_000, T + 2_000


def told(release: Release) -> bytes:
    return encode_control(release)


def handed_over(events: Iterable[Raw]) -> tuple[list[Chunk], Filled]:
    """What a side job finds in events."""
    release = Release(2, RELEASED, NEW)
    plan = still_plan(release)
    new = plan.features.keys() - Plan(parse_definitions(OLD)).features.keys()
    lacking = backfill_of(plan, dict.fromkeys(new, RELEASED), {})
    users: dict[str, list[tuple[bytes, int]]] = {}
    for payload in (each.payload for each in events):
        found = json.loads(payload)
        users.setdefault(found["userId"], []).append((payload, found["timestamp"]))
    profiles = list(collected(Engine(plan), lacking, users.values(), RELEASED))
    chunks = [
        chunk
        for shard in range(SHARDS)
        for chunk in chunks_of(
            2, 7, shard, plan.layout, [each for each in profiles if shard_of(each[0], SHARDS) == shard]
        )
    ]
    return chunks, Filled(2, 7, RELEASED, T, (1,) * SHARDS, len(profiles))


@pytest.mark.parametrize("restart_after", [None, "release", "chunks", "completion", "swept"])
def test_what_was_handed_over_completes_the_users_whenever_the_worker_dies(restart_after: str | None) -> None:
    worker = Worker(options(OLD))
    before = [event(user, "Page", T + number) for user in USERS for number in range(2)]
    worker.events(*before)
    chunks, filled = handed_over(before)
    found = []
    steps: dict[str, Callable[[], list[Output]]] = {
        "release": lambda: [*worker.tell(told(Release(2, RELEASED, NEW))), *worker.tick(RELEASED)],
        "events": lambda: worker.events(*(event(user, "Page", RELEASED + 5) for user in USERS[:6])),
        "chunks": lambda: [each for chunk in chunks for each in worker.tell(encode_chunk(chunk))],
        "completion": lambda: worker.tell(told(Release(3, COMPLETE, NEW, action="backfill", filled=filled))),
        "swept": lambda: worker.tick(COMPLETE),
        "late": lambda: worker.events(event(USERS[7], "Page", RELEASED + 6)),
    }
    for name, step in steps.items():
        found += changes(step())
        if name == restart_after:
            worker = Worker(options(OLD), worker.checkpoint())
            found += changes(worker.tick(RELEASED if name != "swept" else COMPLETE))
    loyal = [(each.user_id, each.at, each.cause.kind) for each in found if each.segment == "loyal"]
    at_once, late = loyal[:6], loyal[6:]
    assert sorted(at_once) == sorted((user, COMPLETE, "definition") for user in USERS[:6])
    assert late == [(USERS[7], COMPLETE, "event")]


def test_operators_see_how_many_segments_are_warming() -> None:
    worker = Worker(options(OLD))
    before = [event(user, "Page", T + number) for user in USERS for number in range(2)]
    worker.events(*before)
    chunks, filled = handed_over(before)
    seen = []
    worker.tell(told(Release(2, RELEASED, NEW)))
    for step in (lambda: None, lambda: worker.tick(RELEASED)):
        step()
        seen.append(worker.metrics.gauges["segments_warming"]())
    for chunk in chunks:
        worker.tell(encode_chunk(chunk))
    worker.tell(told(Release(3, COMPLETE, NEW, action="backfill", filled=filled)))
    worker.tick(COMPLETE)
    assert [*seen, worker.metrics.gauges["segments_warming"]()] == [0, 1, 0]


def test_only_the_chunks_of_own_shards_are_kept() -> None:
    before = [event(user, "Page", T + number) for user in USERS for number in range(2)]
    chunks, _ = handed_over(before)
    worker = Worker(options(OLD), owned=[1, 3])
    worker.tell(told(Release(2, RELEASED, NEW)))
    for chunk in chunks:
        assert worker.tell(encode_chunk(chunk)) == []
    state = worker.checkpoint()
    assert {shard for shard, places in state.items() if PLACE in places} == {1, 3}


def test_when_it_is_in_the_profiles_for_good_the_state_lets_go_of_it() -> None:
    worker = Worker(options(OLD))
    before = [event(user, "Page", T + number) for user in USERS for number in range(3)]
    worker.events(*before)
    chunks, filled = handed_over(before)
    worker.tell(told(Release(2, RELEASED, NEW)))
    for chunk in chunks:
        worker.tell(encode_chunk(chunk))
    worker.tell(told(Release(3, COMPLETE, NEW, action="backfill", filled=filled)))
    worker.tick(COMPLETE)
    large = sum(len(places[PLACE]) for places in worker.checkpoint().values())
    worker.tick(COMPLETE + 3 * HOUR)
    worker.tick(COMPLETE + 3 * HOUR + 1)
    state = worker.checkpoint()
    assert sum(len(places[PLACE]) for places in state.values()) < large / 2
    later = Worker(options(OLD), state)
    for chunk in chunks:  # the topic is read again from an earlier offset
        later.tell(encode_chunk(chunk))
    entered = changes(later.events(event(USERS[0], "Page", COMPLETE + 4 * HOUR)))
    assert [each.segment for each in entered] == ["active"]
    later.tick(COMPLETE + 4 * HOUR)
    assert later.metrics.gauges["release"]() == 3


def test_what_only_looks_like_a_chunk_is_a_dead_letter() -> None:
    worker = Worker(options(OLD))
    made = worker.tell(encode_chunk(Chunk(2, 1, 0, 0, (), {}))[:-1])
    assert [each.target for each in made] == [Target.DEAD_LETTERS]
