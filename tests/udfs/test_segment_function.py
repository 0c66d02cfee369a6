from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.simulator import simulate
from segments.changes import decode_change, decode_memberships, encode_change
from segments.control import Release, encode_control
from segments.definitions import parse_definitions
from segments.events import Plausibility
from segments.history import first_release
from segments.inspection import Inspect, Renumber, encode_inspection
from segments.log_segment import FORMAT
from segments.record_times import stamped
from segments.replay import replay
from tests.udfs.fakes import Shards, Worker
from tests.udfs.wire import Output, Raw, marker_frame, tick_frame
from udfs.frames import Target
from udfs.function_options import FunctionOptions
from udfs.told import PLACE

T = 1_764_000_000_000
HOUR = 3_600_000
DEFINITIONS = """
version: 1
properties: {cart_id: string, price: number}
segments:
  - name: active
    when: {count: {event: any, within: 1h, gte: 2}}
  - name: abandoned
    when: {absence: {after: Product Added, of: Order Completed, within: 30m, per: cart_id, lasts: 1h}}
  - name: spender
    when: {lifetime: {of: sum, event: Order Completed, property: price, gte: 10}}
"""


def options(definitions: str = DEFINITIONS, trace: Path | None = None) -> FunctionOptions:
    return FunctionOptions(
        told=(encode_control(first_release(definitions)),),
        topics=("web", "app"),
        control_topic="control",
        shards=4,
        allowed_lateness=HOUR,
        plausibility=Plausibility(24 * HOUR, 3_650 * 24 * HOUR, max_bytes=1_048_576),
        redis=None,
        trace=str(trace) if trace else None,
    )


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(options())
    yield made
    made.close()


def event(user: str, name: str, time: int, message: str | None = None, **properties: object) -> Raw:
    content = {"type": "track", "event": name, "userId": user, "timestamp": time, "properties": properties}
    return Raw(json.dumps(content | ({"messageId": message} if message else {})).encode(), time)


def seen(outputs: list[Output]) -> list[tuple[str, str, str, int]]:
    changes = [decode_change(each.value or b"") for each in outputs if each.target == Target.CHANGES]
    return [(change.user_id, change.segment, change.action, change.at - T) for change in changes]


def test_events_become_changes_and_memberships(worker: Worker) -> None:
    made = worker.events(event("u1", "Page", T), event("u1", "Page", T + 5), event("u2", "Page", T))
    assert seen(made) == [("u1", "active", "entered", 5)]
    (membership,) = (each for each in made if each.target == Target.MEMBERSHIPS)
    assert decode_memberships(membership.value or b"").segments.keys() == {"active"}
    assert (membership.key, membership.time) == (b"u1", T + 5)
    assert worker.counts["events"] == 3
    assert worker.counts["changes"] == 1


def test_a_tick_lets_time_pass_for_users_of_every_shard(worker: Worker) -> None:
    users = [f"u{number}" for number in range(20)]
    worker.events(*(event(user, "Product Added", T, cart_id="c") for user in users))
    assert worker.tick(T + HOUR // 2 - 1) == []
    entered = worker.tick(T + HOUR // 2)
    assert sorted(seen(entered)) == sorted((user, "abandoned", "entered", HOUR // 2) for user in users)
    left = worker.tick(T + 3 * HOUR)
    assert {each.value for each in left if each.target == Target.MEMBERSHIPS} == {None}
    assert worker.tick(T + 30 * HOUR) == []


def test_a_watermark_that_comes_with_events_counts_after_them(worker: Worker) -> None:
    worker.events(event("u1", "Product Added", T, cart_id="a"), event("u2", "Product Added", T, cart_id="b"))
    made = worker.events(event("u2", "Order Completed", T + 1, cart_id="b"), watermark=T + HOUR // 2)
    assert seen(made) == [("u2", "active", "entered", 1), ("u1", "abandoned", "entered", HOUR // 2)]
    alone = Worker(options())
    alone.events(event("u1", "Product Added", T, cart_id="a"))
    assert seen(alone.events(watermark=T + HOUR // 2)) == [("u1", "abandoned", "entered", HOUR // 2)]


def test_a_marker_writes_only_the_shards_that_changed(worker: Worker) -> None:
    worker.checkpoint()  # writes what the worker was told
    told = worker.counts["state_bytes_written"]
    worker.events(event("u1", "Page", T))
    state = worker.checkpoint()
    assert {shard for shard, entries in state.items() if max(entries) >= 0} == {worker.shard_of("u1")}
    written = worker.counts["state_bytes_written"]
    assert written > told
    worker.checkpoint(2)
    assert worker.counts["state_bytes_written"] == written


def test_another_number_is_written_by_the_next_marker_though_nothing_happened_in_its_shard(worker: Worker) -> None:
    worker.events(event("u1", "Page", T), event("u1", "Page", T + 5))
    worker.tick(T + 10)
    worker.checkpoint()
    early, wanted = Renumber(1, 40, T + 11), Renumber(1, 7, T + 10)
    for number in (early, wanted):
        worker.tell(encode_inspection(Inspect("q", 1 << 60, users=["u1"], rate=10**9, renumber=[number])))
    said = [each for _ in range(100) for each in worker.tick(T + 10)]  # no faster than was asked for
    anew = [each for each in said if each.target == Target.MEMBERSHIPS]
    assert [decode_memberships(each.value or b"").seq for each in anew] == [7], "event time is not there for the other"
    worker.send(marker_frame(2, []))
    second = Worker(options(), {shard: dict(entries) for shard, entries in worker.state.items()})
    (left,) = (decode_change(each.value or b"") for each in second.tick(T + HOUR + 5) if each.target == Target.CHANGES)
    assert (left.action, left.seq) == ("exited", 8)


def test_a_second_worker_goes_on_where_the_first_one_was(worker: Worker) -> None:
    worker.events(event("u1", "Product Added", T, "m1", cart_id="c"), event("u1", "Page", T + 1))
    second = Worker(options(), worker.checkpoint())
    assert seen(second.tick(T + HOUR // 2)) == [("u1", "abandoned", "entered", HOUR // 2)]
    assert second.events(event("u1", "Product Added", T, "m1", cart_id="c")) == []
    assert second.counts["duplicates"] == 1


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on(worker: Worker) -> None:
    made = worker.events(
        Raw(b"{", T, topic=1, partition=3, offset=9, fault=1), event("u1", "Page", T), event("u1", "Page", T + 1)
    )
    letter = next(each for each in made if each.target == Target.DEAD_LETTERS)
    assert letter.value == b"{"
    origin = {name: value for name, value in letter.headers.items() if name != "detail"}
    assert origin == {"reason": b"not_json", "topic": b"app", "partition": b"3", "offset": b"9"}
    assert seen(made) == [("u1", "active", "entered", 1)]
    assert worker.counts["dead_letters"] == worker.counts["reason.not_json.dead_letters"] == 1


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (Raw(b"", T, fault=4), b"no_bytes"),
        (Raw(b'{"type":"page","timestamp":%d}' % T, T, fault=2), b"no_user"),
        (Raw(event("u1", "Page", T + 48 * HOUR).payload, T, fault=5), b"implausible_time"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_reasons(worker: Worker, raw: Raw, reason: bytes) -> None:
    (letter,) = worker.events(raw)
    assert (letter.target, letter.headers["reason"], letter.key) == (Target.DEAD_LETTERS, reason, None)


def test_an_event_that_is_too_large_is_a_dead_letter_though_it_could_be_read(worker: Worker) -> None:
    large = event("u1", "Page", T, note="x" * 5_000_000)
    (letter,) = worker.events(Raw(large.payload, T, fault=3))
    assert (letter.value, letter.headers["reason"]) == (large.payload, b"too_large")


@pytest.mark.parametrize(
    ("fault", "reason"), [(1, b"not_json"), (2, b"no_user"), (3, b"too_large"), (4, b"no_bytes"), (5, None)]
)
def test_where_the_bridge_found_no_user_nothing_is_applied(worker: Worker, fault: int, reason: bytes | None) -> None:
    good = event("u1", "Order Completed", T, price=10)
    made = worker.events(Raw(good.payload, T, fault=fault))
    letters = [each.headers["reason"] for each in made if each.target == Target.DEAD_LETTERS]
    assert letters == ([] if reason is None else [reason])
    assert bool(seen(made)) == (reason is None), "of times Python alone decides"


def test_an_event_of_a_shard_that_another_worker_owns_is_not_applied() -> None:
    users = [f"u{number}" for number in range(40)]
    worker = Worker(options(), owned=[0, 2])
    made = worker.events(*(event(user, "Order Completed", T, price=10) for user in users))
    assert {worker.shard_of(user) for user, *_ in seen(made)} == {0, 2}
    letters = [each for each in made if each.target == Target.DEAD_LETTERS]
    assert {each.headers["reason"] for each in letters} == {b"ambiguous_user"}
    assert len(letters) == sum(worker.shard_of(user) in (1, 3) for user in users)
    assert worker.checkpoint().keys() == {0, 2}


def test_a_late_event_goes_to_its_topic(worker: Worker) -> None:
    late = event("u1", "Page", T - HOUR - 1)
    made = worker.events(event("u1", "Page", T), late)
    assert [(each.target, each.value, each.headers["reason"]) for each in made] == [
        (Target.LATE_EVENTS, late.payload, b"late")
    ]
    assert worker.counts["late"] == 1


def test_the_trace_tells_what_the_worker_did(tmp_path: Path) -> None:
    worker = Worker(options(trace=tmp_path / "trace"))
    worker.events(event("u1", "Page", T))
    worker.tick(T)
    worker.close()
    trace = json.loads((tmp_path / "trace" / "worker-0.json").read_text())
    assert trace["events"] == 1
    assert trace["frames"] == {"START": 1, "EVENTS": 1, "TICK": 1}
    assert trace["cpu_s"] > 0
    assert trace["first"] <= trace["last"]


def raw_traffic(number: int) -> list[Raw]:
    made = stamped(simulate(200, number, 3, T, days=5, broken_rate=0.01))
    return [Raw(record.payload, record.timestamp or 0) for record in made]


def run(events: list[Raw], restart_every: int | None) -> dict[str, list[bytes]]:
    """Return each user's changes; every so many batches the worker dies and another takes over its checkpoint."""
    worker, found = Worker(options(Path("conf/segments.yaml").read_text())), dict[str, list[bytes]]()
    batches, newest = iter(events), 0
    for number in range(1, 10_000):
        batch = list(islice(batches, 100))
        if not batch:
            break
        newest = max(newest, *(each.written_at for each in batch))
        for output in (*worker.events(*batch), *worker.tick(newest - 5_001)):
            if output.target == Target.CHANGES:
                found.setdefault((output.key or b"").decode(), []).append(output.value or b"")
        if restart_every and number % restart_every == 0:
            checkpoint: Shards = worker.checkpoint(number)
            worker.close()
            worker = Worker(options(Path("conf/segments.yaml").read_text()), checkpoint)
    return found


def test_a_state_of_a_newer_version_is_refused_and_stays_as_it_is(worker: Worker) -> None:
    worker.events(event("u1", "Page", T), event("u2", "Page", T))
    state = worker.checkpoint()
    shard, number = next((shard, number) for shard, log in state.items() for number in log if number >= 0)
    newer = state[shard][number]
    state[shard][number] = newer[:1] + bytes([FORMAT + 1]) + newer[2:]
    before = {shard: dict(log) for shard, log in state.items()}
    with pytest.raises(ValueError, match="written by a newer version"):
        Worker(options(), state)
    assert state == before


def test_restarts_change_nothing_and_the_replay_says_the_same() -> None:
    events = raw_traffic(6_000)
    without = run(events, None)
    assert run(events, 7) == without
    end = max(each.written_at for each in events) - 5_001
    definitions = parse_definitions(Path("conf/segments.yaml").read_text())
    replayed: dict[str, list[bytes]] = {}
    for change in replay(definitions, [(each.payload, each.written_at) for each in events], until=end):
        replayed.setdefault(change.user_id, []).append(encode_change(change))
    assert without == replayed


def test_what_the_worker_was_told_is_kept_in_every_shard(worker: Worker) -> None:
    second = encode_control(Release(2, T, DEFINITIONS))
    assert worker.tell(second) == []
    state = worker.checkpoint()
    assert all(PLACE in entries for entries in state.values())
    assert state.keys() == set(range(4))
    written = worker.counts["state_bytes_written"]
    worker.checkpoint(2)
    assert worker.counts["state_bytes_written"] == written
    later = Worker(options(), state)
    later.tell(second)
    later.checkpoint(3)
    assert later.counts["state_bytes_written"] == 0, "it was told the same"


def test_a_control_record_that_cannot_be_read_is_a_dead_letter(worker: Worker) -> None:
    (letter,) = worker.tell(b"{")
    assert (letter.target, letter.value) == (Target.DEAD_LETTERS, b"{")
    assert (letter.headers["reason"], letter.headers["topic"]) == (b"not_control", b"control")
    assert worker.counts["dead_letters"] == 1
    assert seen(worker.events(event("u1", "Page", T), event("u1", "Page", T + 5))) == [("u1", "active", "entered", 5)]


def test_a_tick_with_which_time_stands_still_changes_nothing(worker: Worker) -> None:
    worker.events(event("u1", "Product Added", T, cart_id="c"))
    assert worker.send(tick_frame()) == []
    assert seen(worker.tick(T + HOUR // 2)) == [("u1", "abandoned", "entered", HOUR // 2)]
