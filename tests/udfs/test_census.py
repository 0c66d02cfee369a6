"""The population through the worker's frames: reports out, reports in, bounds out, bounds in, across a restart."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from segments.changes import decode_change
from segments.control import Thresholds, decode_control
from segments.population.rounds import LEAD
from segments.profiles import shard_of
from tests.udfs.fakes import Worker
from tests.udfs.test_segment_function import HOUR, T, options
from tests.udfs.wire import Output, Raw
from udfs.frames import Target

MINUTE = 60_000
SHARDS = 4
DEFINITIONS = """
segments:
  - name: whale
    when:
      threshold: {of: {sum: {event: Order, property: total, within: 1h}}, top: 20%, refresh: 10m, min_population: 10}
"""
OPTIONS = replace(options(DEFINITIONS), bounds_lead=LEAD)


def order(user: int, time: int, total: float) -> Raw:
    event = {"type": "track", "event": "Order", "userId": f"u{user}", "timestamp": time, "properties": {"total": total}}
    return Raw(json.dumps(event).encode(), time)


class Topics:
    """Two workers, and the internal and the control topic between them."""

    def __init__(self) -> None:
        self.owned = [0, 2], [1, 3]
        self.workers = [Worker(OPTIONS, owned=owned) for owned in self.owned]
        self.control: list[bytes] = []
        self.changes: list[tuple[str, str, str, int]] = []

    def take(self, outputs: list[Output]) -> list[bytes]:
        """Note changes and control records; returns the reports."""
        reports = []
        for each in outputs:
            if each.target == Target.CHANGES:
                change = decode_change(each.value or b"")
                self.changes.append((change.user_id, change.action, change.cause.kind, change.at - T))
            elif each.target == Target.CONTROL:
                self.control.append(each.value or b"")
            elif each.target == Target.INTERNAL:
                reports.append(each.value or b"")
        return reports

    def send(self, events: list[tuple[int, int, float]], watermark: int) -> list[bytes]:
        """Send each worker its users' orders and the watermark; returns the reports."""
        reports = []
        for worker, owned in zip(self.workers, self.owned, strict=True):
            own = [order(*each) for each in events if shard_of(f"u{each[0]}", SHARDS) in owned]
            reports += self.take(worker.events(*own, watermark=watermark))
        return reports

    def tell(self, payloads: list[bytes]) -> None:
        """Tell all workers what stands in a topic."""
        for worker in self.workers:
            for payload in payloads:
                assert self.take(worker.tell(payload)) == []

    def record(self) -> Thresholds:
        """The newest record of the control topic."""
        record = decode_control(self.control[-1])
        assert isinstance(record, Thresholds)
        return record


@pytest.fixture
def topics() -> Iterator[Topics]:
    topics = Topics()
    assert topics.send([(user, T, 1.0 + user) for user in range(50)], T + 1) == []
    yield topics
    for worker in topics.workers:
        worker.close()


def test_reports_become_a_bound_that_moves_members(topics: Topics) -> None:
    reports = topics.send([], T + 10 * MINUTE)
    assert len(reports) == 2
    topics.tell(reports)
    assert topics.changes == []
    (key,) = topics.record().bounds
    assert topics.record() == Thresholds(1, T + 10 * MINUTE + LEAD, {key: 41.0}, {key: 50})
    topics.tell(topics.control)
    topics.send([], T + 11 * MINUTE)
    at = 10 * MINUTE + LEAD
    assert sorted(topics.changes) == sorted((f"u{user}", "entered", "threshold", at) for user in range(40, 50))


def test_the_coordinator_waits_for_all_shards(topics: Topics) -> None:
    reports = topics.send([], T + 10 * MINUTE)
    topics.tell(reports[:1])
    assert topics.control == []
    topics.tell(topics.send([], T + 20 * MINUTE))
    assert len(topics.control) == 1


def test_a_bound_is_kept_over_a_restart(topics: Topics) -> None:
    topics.tell(topics.send([], T + 10 * MINUTE))
    topics.tell(topics.control)
    topics.send([], T + 11 * MINUTE)
    states = [worker.checkpoint() for worker in topics.workers]
    topics.changes.clear()
    for worker in topics.workers:
        worker.close()
    topics.workers = [Worker(OPTIONS, state, owned=owned) for state, owned in zip(states, topics.owned, strict=True)]
    topics.tell(topics.control)  # read again from where the checkpoint was
    assert topics.send([(0, T + 12 * MINUTE, 100.0)], T + 12 * MINUTE) == []
    assert topics.changes == [("u0", "entered", "event", 12 * MINUTE)]
    topics.send([], T + 13 * MINUTE)
    topics.tell(topics.send([], T + 20 * MINUTE))
    assert topics.record().version == 2
    assert list(topics.record().bounds.values()) == [42.0]


def test_what_is_no_report_is_refused(topics: Topics) -> None:
    (refused,) = topics.workers[0].tell(b'{"kind":"population"}')
    assert (refused.target, refused.headers["reason"]) == (Target.DEAD_LETTERS, b"not_control")


def test_a_worker_to_whom_nobody_listens_reports_nothing() -> None:
    worker = Worker(replace(OPTIONS, bounds_lead=None))
    worker.events(order(1, T, 5.0), watermark=T)
    assert worker.tick(T + HOUR) == []
    worker.close()
