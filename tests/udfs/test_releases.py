"""A worker that is told new definitions while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.simulator import simulate
from segments.changes import Change, decode_change, decode_memberships, encode_change
from segments.control import Release, encode_control
from segments.history import first_release
from segments.record_times import stamped
from segments.replay import Replay
from segments.shadow_names import in_shadow
from tests.udfs.fakes import Worker
from tests.udfs.test_segment_function import HOUR, T, event, options
from tests.udfs.wire import Output, Raw, marker_frame, tick_frame
from udfs.frames import END_OF_INPUT, Target

ACTIVE = "segments: [{name: active, when: {count: {event: any, within: 1h, gte: 3}}}]"
LOWER = ACTIVE.replace("gte: 3", "gte: 2")
USERS = [f"u{number}" for number in range(40)]
SHIPPED = Path("conf/segments.yaml").read_text()


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(options(ACTIVE))
    made.events(*(event(user, "Page", T + each) for user in USERS for each in (0, 1)))
    made.tick(T + 1)
    made.audit.clear()
    yield made
    made.close()


def changes(outputs: list[Output], target: Target = Target.CHANGES) -> list[Change]:
    return [decode_change(each.value or b"") for each in outputs if each.target == target]


def release(number: int, at: int, definitions: str, shadow: str | None = None) -> bytes:
    return encode_control(Release(number, at, definitions, shadow))


def test_every_user_is_judged_anew_once_event_time_has_come(worker: Worker) -> None:
    assert worker.tell(release(2, T + 100, LOWER)) == []
    assert worker.tick(T + 99) == []
    assert worker.metrics.gauges["release"]() == 1
    made = worker.tick(T + 100)
    entered = changes(made)
    assert {(each.user_id, each.at, each.seq, each.cause.kind) for each in entered} == {
        (user, T + 100, 1, "definition") for user in USERS
    }
    kept = [decode_memberships(each.value or b"") for each in made if each.target == Target.MEMBERSHIPS]
    assert {each.user_id for each in kept} == set(USERS)
    (done,) = worker.audit
    assert (done.number, done.effective_at, done.at_own_clock) == (2, T + 100, False)
    assert (done.shards, done.users, done.changes) == ([0, 1, 2, 3], 40, 40)
    assert worker.metrics.gauges["release"]() == 2
    assert worker.metrics.gauges["users_behind"]() == 0
    assert worker.tick(T + 200) == []
    assert len(worker.audit) == 1


def test_a_release_that_is_overdue_holds_from_each_users_own_clock(worker: Worker) -> None:
    made = worker.tell(release(2, T - HOUR, LOWER))
    assert {(each.user_id, each.at) for each in changes(made)} == {(user, T + 1) for user in USERS}
    assert [done.at_own_clock for done in worker.audit] == [True]


def test_a_copy_changes_nothing(worker: Worker) -> None:
    worker.tell(release(2, T + 100, LOWER))
    worker.tick(T + 100)
    assert worker.tell(release(2, T + 100, LOWER)) == []
    assert worker.tell(release(2, T + 150, ACTIVE)) == []
    assert worker.tick(T + 200) == []


def test_a_later_release_does_not_hold_up_an_earlier_one(worker: Worker) -> None:
    worker.tell(release(2, T + 100, LOWER))
    worker.tell(release(3, T + HOUR // 2, ACTIVE))
    assert {each.action for each in changes(worker.tick(T + 100))} == {"entered"}
    assert [done.number for done in worker.audit] == [2]
    assert {each.action for each in changes(worker.tick(T + HOUR // 2))} == {"exited"}
    assert [done.number for done in worker.audit] == [2, 3]


def begun(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> list[Change]:
    """What the first slice of a sweep leads to, after which most of the users are still behind."""
    monkeypatch.setattr("udfs.releases._USERS_A_SLICE", 7)
    ticking = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticking) * 0.1)
    worker.tell(release(2, T + 100, LOWER))
    first = changes(worker.tick(T + 100))
    assert 0 < len(first) < 40
    return first


def test_users_follow_a_slice_at_a_time_with_events_in_between(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = begun(worker, monkeypatch)
    assert worker.audit == []
    assert worker.metrics.gauges["users_behind"]() > 0
    served = changes(worker.events(event("new", "Page", T + 101), event("new", "Page", T + 102)))
    assert ("new", T + 102) in {(each.user_id, each.at) for each in served}
    rest = [change for _ in range(40) for change in changes(worker.send(tick_frame()))]
    swept = [each for each in (*first, *served, *rest) if each.cause.kind == "definition"]
    assert sorted(each.user_id for each in swept) == sorted(USERS)
    assert [done.users for done in worker.audit] == [40]


def test_the_end_of_the_input_finishes_what_was_begun(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    ticking = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticking)))
    worker.tell(release(2, T + 100, LOWER))
    assert changes(worker.tick(T + 100)) == []
    assert len(changes(worker.send(marker_frame(END_OF_INPUT, range(4))))) == 40
    assert [done.number for done in worker.audit] == [2]


def test_a_worker_that_dies_half_way_is_followed_by_one_that_finishes(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(worker, monkeypatch)
    state = {shard: dict(entries) for shard, entries in worker.checkpoint().items()}
    monkeypatch.undo()
    later = Worker(options(ACTIVE), state)
    rest = changes(later.tick(T + 150))
    assert {each.at for each in rest} == {T + 100}
    assert sorted(each.user_id for each in (*first, *rest)) == sorted(USERS)
    assert [done.number for done in later.audit] == [2]
    again = Worker(options(ACTIVE), later.checkpoint())
    assert again.tick(T + 200) == []
    assert again.audit == [], "it was said"


def test_a_worker_with_no_users_and_no_time_follows_at_once() -> None:
    worker = Worker(options(ACTIVE))
    worker.tell(release(2, T, LOWER))
    assert [(done.number, done.users) for done in worker.audit] == [(1, 0), (2, 0)]
    assert [each.at for each in changes(worker.events(event("u", "Page", T + 5), event("u", "Page", T + 6)))] == [T + 6]


@pytest.mark.parametrize(
    "definitions", ["segments: [", "segments: [{name: a, when: {segment: b}}]", "segments: [{name: a}]"]
)
def test_what_cannot_be_compiled_is_refused(worker: Worker, definitions: str) -> None:
    payload = release(2, T + 100, definitions)
    (letter,) = worker.tell(payload)
    assert (letter.target, letter.value, letter.headers["reason"]) == (Target.DEAD_LETTERS, payload, b"not_usable")
    assert worker.tick(T + 200) == []
    assert [done.number for done in worker.audit] == []
    (said,) = worker.refused
    assert (said.number, said.effective_at, said.reason) == (2, T + 100, "not_usable")
    assert said.detail.startswith("release 2:")
    later = Worker(options(ACTIVE), worker.checkpoint())
    assert later.tick(T + 300) == []
    assert [each.number for each in later.refused] == [2], "a start says it once more"
    assert {each.at for each in changes(later.tell(release(3, T + 200, LOWER)))} == {T + 200}


def test_one_worker_speaks_for_all_that_refuse() -> None:
    other = Worker(options(ACTIVE), subtask=1)
    assert other.tell(release(2, T, "segments: [")) == []
    assert other.refused == []


def test_the_shadow_is_seen_by_nobody_but_its_own_topic(worker: Worker) -> None:
    worker.tell(release(2, T + 100, ACTIVE, LOWER))
    made = worker.tick(T + 100)
    assert changes(made) == []
    assert [each for each in made if each.target == Target.MEMBERSHIPS] == []
    hidden = changes(made, Target.SHADOW_CHANGES)
    assert {(each.user_id, each.segment, each.seq, each.at) for each in hidden} == {
        (user, "active", 1, T + 100) for user in USERS
    }
    assert worker.counts["shadow_changes"] == 40
    assert worker.counts["changes"] == 0
    (done,) = worker.audit
    assert (done.changes, done.shadow_changes) == (0, 40)
    (live,) = changes(worker.events(event("u1", "Page", T + 150)))
    assert (live.segment, live.action, live.seq) == ("active", "entered", 1)


def test_promoting_changes_only_those_who_differ(worker: Worker) -> None:
    worker.events(event("u1", "Page", T + 50))  # live too, with three
    worker.tell(release(2, T + 100, ACTIVE, LOWER))
    worker.tick(T + 100)
    worker.tell(release(3, T + 200, LOWER))
    made = worker.tick(T + 200)
    assert {(each.user_id, each.at) for each in changes(made)} == {(user, T + 200) for user in USERS if user != "u1"}
    gone = changes(made, Target.SHADOW_CHANGES)
    assert {(each.user_id, each.action, each.seq) for each in gone} == {(user, "exited", 2) for user in USERS}
    worker.tell(release(4, T + 300, ACTIVE))
    back = [each for each in worker.tick(T + 300) if each.target == Target.MEMBERSHIPS and each.value]
    assert [decode_memberships(each.value or b"").segments["active"].since for each in back] == []
    assert changes(worker.events(event("u1", "Page", T + 350))) == [], "it stayed in since its third event"


def test_a_promoted_segment_goes_on_where_the_shadow_was() -> None:
    live = "segments: [{name: fan, when: {count: {event: Play, within: 1h, gte: 99}}}]"
    sticky = live.replace("gte: 99}}", "gte: 2}}, exit_when: {recency: {event: Stop, within: 1h}}")
    worker = Worker(options(live))
    worker.events(event("u", "Play", T))
    worker.tell(release(2, T + 1, live, sticky))
    worker.events(event("u", "Play", T + 2), event("v", "Play", T))
    worker.tick(T + 2 * HOUR)  # both plays are old: the shadow's member stays until Stop
    worker.tell(release(3, T + 3 * HOUR, sticky))
    assert [(each.user_id, each.action) for each in changes(worker.tick(T + 3 * HOUR))] == [("u", "entered")]


def test_withdrawing_the_shadow_changes_nothing_that_people_see(worker: Worker) -> None:
    worker.tell(release(2, T + 100, ACTIVE, LOWER))
    worker.tick(T + 100)
    worker.tell(release(3, T + 200, ACTIVE))
    made = worker.tick(T + 200)
    assert changes(made) == []
    assert {each.action for each in changes(made, Target.SHADOW_CHANGES)} == {"exited"}


def raw_traffic(number: int) -> list[Raw]:
    made = stamped(simulate(150, number, 3, T, days=5, late_rate=0.02, broken_rate=0.01))
    return [Raw(record.payload, record.timestamp or 0) for record in made]


def test_releases_in_a_running_worker_are_what_a_replay_says() -> None:
    events = raw_traffic(5_000)
    middle, end = events[2_500].written_at, max(each.written_at for each in events) - 5_001
    second = SHIPPED.replace("gte: 3", "gte: 2").replace("within: 30m", "within: 45m")
    assert second != SHIPPED
    releases = [
        first_release(SHIPPED),
        Release(2, middle, second),
        Release(3, middle + HOUR, second, SHIPPED),
        Release(4, middle + 24 * HOUR, SHIPPED),
    ]
    worker, newest = Worker(options(SHIPPED)), 0
    found: dict[str, list[bytes]] = {}
    batches = iter(events)
    for number in range(1, 10_000):
        batch = list(islice(batches, 100))
        if not batch:
            break
        if number in {10, 20, 24}:  # each before its instant
            worker.tell(encode_control(releases[1 + (10, 20, 24).index(number)]))
        newest = max(newest, *(each.written_at for each in batch))
        keep(found, [*worker.events(*batch), *worker.tick(newest - 5_001)])
        if number % 9 == 0:
            worker = Worker(options(SHIPPED), worker.checkpoint(number))
    replayed: dict[str, list[bytes]] = {}
    for change in Replay(releases).run([(each.payload, each.written_at) for each in events], until=end):
        if not in_shadow(change.segment):
            replayed.setdefault(change.user_id, []).append(encode_change(change))
    assert found == replayed
    causes = {json.loads(change)["cause"]["kind"] for own in found.values() for change in own}
    assert causes == {"event", "timer", "definition"}


def keep(found: dict[str, list[bytes]], outputs: list[Output]) -> None:
    for output in outputs:
        if output.target == Target.CHANGES:
            found.setdefault((output.key or b"").decode(), []).append(output.value or b"")
