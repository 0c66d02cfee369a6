"""What the worker does when a bug raises: dead letters that say whose, counters, few log lines, and a limit."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from segments.changes import encode_change
from segments.features import totals
from segments.features.base import to_micros
from segments.log_segment import decode_segment, encode_segment
from tests.udfs.fakes import Worker
from tests.udfs.test_segment_function import T, event, options
from tests.udfs.wire import Output
from udfs import frames
from udfs.failing import Failing, TooManyFailuresError
from udfs.frames import Target

SPENDER = """
properties: {price: number}
segments:
  - name: spender
    when: {lifetime: {of: sum, event: Order Completed, property: price, gte: 10}}
"""


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(totals, "to_micros", lambda value: 1 // 0 if value == 13 else to_micros(value))
    made = Worker(options(SPENDER))
    yield made
    made.close()


def letters(made: list[Output]) -> list[Output]:
    return [each for each in made if each.target == Target.DEAD_LETTERS]


def test_an_event_that_fails_is_a_dead_letter_and_the_batch_goes_on(worker: Worker) -> None:
    poison = event("u1", "Order Completed", T, price=13)
    made = worker.events(event("u1", "Order Completed", T, price=5), poison, event("u1", "Order Completed", T, price=5))
    (letter,) = letters(made)
    assert letter.value == poison.payload
    assert (letter.headers["reason"], letter.headers["user"], letter.headers["topic"]) == (b"failed", b"u1", b"web")
    assert letter.headers["offset"] == str(poison.offset).encode()
    assert b"Order Completed" in letter.headers["definition"]
    assert b"ZeroDivisionError" in letter.headers["detail"]
    assert [each.target for each in made].count(Target.CHANGES) == 1
    assert worker.counts["reason.failed.dead_letters"] == 1


def test_a_profile_that_cannot_be_read_goes_to_the_dead_letters_at_the_start(worker: Worker) -> None:
    worker.events(event("u1", "Order Completed", T, price=5), event("u2", "Order Completed", T, price=6))
    state = worker.checkpoint()
    blob = worker._function._profiles.settled("u1")
    for entries in state.values():
        for number in filter(lambda number: number >= 0, entries):
            read = decode_segment(entries[number])
            changed = {user: b"?" * len(blob) if user == "u1" else kept for user, kept in read.profiles.items()}
            entries[number] = encode_segment(read._replace(profiles=changed))
    later = Worker(options(SPENDER), state)
    made = later.tick(T + 1)
    (letter,) = letters(made)
    assert (letter.value, letter.headers["reason"], letter.headers["user"]) == (
        b"?" * len(blob),
        b"corrupt_profile",
        b"u1",
    )
    (refused,) = letters(later.events(event("u1", "Order Completed", T + 1, price=5)))
    assert refused.headers["reason"] == b"corrupt_profile"
    assert later.events(event("u2", "Order Completed", T + 1, price=6)) != []
    later.close()


def test_a_change_that_cannot_be_written_does_not_keep_the_others(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = encode_change
    monkeypatch.setattr(frames, "encode_change", lambda change: sound(change) if change.user_id != "u1" else 1 // 0)
    made = worker.events(*(event(user, "Order Completed", T, price=50) for user in ("u0", "u1", "u2")))
    assert [each.key for each in made if each.target == Target.CHANGES] == [b"u0", b"u2"]
    (letter,) = letters(made)
    assert (letter.headers["reason"], letter.headers["user"]) == (b"failed_output", b"u1")


def test_a_control_record_that_trips_a_bug_is_refused(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker._function._told, "hear", lambda _: 1 // 0)
    (letter,) = letters(worker.tell(b"{}"))
    assert letter.headers["reason"] == b"not_usable"
    assert b"ZeroDivisionError" in letter.headers["detail"]


def test_the_job_stops_when_nearly_everything_fails(worker: Worker) -> None:
    batch = [event(f"u{number % 9}", "Order Completed", T + number, price=13) for number in range(999)]
    assert len(letters(worker.events(*batch))) == 999
    with pytest.raises(TooManyFailuresError, match=r"1000 of the last 1000 events.*errors.max_failed_share \(0.5\)"):
        worker.events(event("u1", "Order Completed", T, price=13))


def test_the_share_is_that_of_the_newest_events() -> None:
    failing = Failing(0.2)
    for _ in range(50):
        failing.count(10_000, 1_999)
    with pytest.raises(TooManyFailuresError):
        failing.count(9_000, 1_801)
    never = Failing(1.0)
    never.count(50_000, 50_000)


def test_the_log_has_one_line_a_reason_and_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    failing = Failing(0.5, lambda: now)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            failing.say("failed", "u1", "spender", "why")
        failing.say("failed_due", "u2", "", "why")
        now = 61.0
        failing.say("failed", "u3", "spender", "why")
    assert [record.getMessage() for record in caplog.records] == [
        "failed (user u1, spender; 0 more since the last line like this): why",
        "failed_due (user u2; 0 more since the last line like this): why",
        "failed (user u3, spender; 4 more since the last line like this): why",
    ]
