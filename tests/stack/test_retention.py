"""Users who are gone: a final `exited`, a tombstone, nothing in Redis but `_seq`, and a new life above the old one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.player import heartbeat
from jobs.stack.stack import Stack
from tests.stack.support import pipeline, track
from tests.stack.test_same_answer import OUT_OF_ORDERNESS, REPLAYED, START

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each wait has a shorter bound of its own

HOUR = 3_600_000
DAY = 24 * HOUR
FORGETTING = """retention: 1d
segments:
  - {name: ordering, parent: seen, when: {lifetime: {of: count, event: Order, gte: 1}}}
  - {name: seen, when: {recency: {event: any, within: 30d}}}
"""


def test_who_is_gone_is_forgotten_everywhere_and_begins_anew(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, FORGETTING, REPLAYED) as made:
        job = made.submit()

        def come_to(instant: int) -> None:
            heartbeat(stack.bootstrap_servers, made.topics["events"], instant + OUT_OF_ORDERNESS + 2)

        made.send([track(user, "Order", START) for user in ("gone", "back")])
        come_to(START + DAY)
        for user in ("gone", "back"):
            told = [(change.segment, change.action, change.cause.kind) for change in made.await_changes(user, 4)]
            assert told == [
                ("seen", "entered", "event"),
                ("ordering", "entered", "event"),
                ("ordering", "exited", "retention"),
                ("seen", "exited", "retention"),
            ]
        come_to(START + DAY + HOUR + 1)
        made.wait_for(lambda: made.counter(job, "users_forgotten") >= 2, "a checkpoint that forgets both")
        newest = {record.key: record.value for record in made.read("memberships")}
        assert (newest[b"gone"], newest[b"back"]) == (None, None)
        made.wait_for(lambda: set(made.memberships_in_redis()["gone"]) == {"_seq"}, "Redis to forget")

        made.send([track("gone", "Order", START + 1), track("back", "Page", START + 3 * DAY)])
        come_to(START + 3 * DAY)
        entered = made.await_changes("back", 5)[-1]
        assert (entered.segment, entered.seq) == ("seen", START + 3 * DAY + 1)
        made.wait_for(
            lambda: set(made.memberships_in_redis()["back"]) == {"_seq", "seen"}, "Redis to know the new life"
        )
        assert len(made.changes()["gone"]) == 4
        assert [json.loads(record.value)["userId"] for record in made.read("late_events")] == ["gone"]
