"""What is warming says so in every record that is written meanwhile, and in no other."""

from __future__ import annotations

import json

import pytest

from segments.changes import decode_memberships, encode_change, encode_memberships
from segments.control import Release
from segments.timeline import timeline_of
from segments.warming import Warming, warming_for_some, warming_in
from tests.segments.test_backfilling import (
    COMPLETE,
    NEW,
    OLD,
    RELEASED,
    START,
    Run,
    completion,
    hand_all,
    order,
    released_run,
)
from tests.vocabulary import MINUTE

PARENT = "{name: active, when: {count: {event: Order, within: 15m, gte: 1}}}"
BEFORE = f"segments: [{PARENT}, {{name: loyal, parent: active, when: {{count: {{event: Order, within: 5m, gte: 1}}}}}}]"
AFTER = f"""backfill: replay
segments:
  - {PARENT}
  - {{name: loyal, version: 2, parent: active, when: {{lifetime: {{of: count, event: Order, gte: 1}}}}}}"""


def nested_run() -> Run:
    """Run with a member of `loyal` who leaves it with its parent, quarter of an hour after the only order."""
    run = Run(Release(1, 0, BEFORE), 0)
    run.take([order(RELEASED - MINUTE)])
    run.release(Release(2, RELEASED, AFTER))
    return run


def test_a_change_says_that_its_segment_is_warming() -> None:
    run = nested_run()
    run.tick(RELEASED + 15 * MINUTE)
    told = [json.loads(encode_change(each)) for each in run.changes]
    found = [(each["segment"], each["action"], each["segment_version"], each.get("warming")) for each in told]
    assert found == [
        ("active", "entered", 1, None),
        ("loyal", "entered", 1, None),
        ("loyal", "exited", 1, True),
        ("active", "exited", 1, None),
    ]
    assert "warming" not in told[0], "where nothing is warming records are as they always were"


def test_a_correction_of_what_was_before_says_it_too() -> None:
    run = Run(Release(1, 0, BEFORE))
    run.release(Release(2, RELEASED, AFTER))
    run.take([order(RELEASED - 4 * MINUTE), order(RELEASED + 1)])
    run.take([order(RELEASED - 4 * MINUTE - 1)])
    (updated,) = [each for each in run.changes if each.segment == "loyal" and each.action == "updated"]
    assert (updated.at, updated.warming) == (RELEASED - 4 * MINUTE - 1, True)


@pytest.mark.parametrize("segment", ["active", "loyal"])
def test_memberships_name_what_is_warming_for_members_and_others(segment: str) -> None:
    run = released_run()
    run.processor.process([json.dumps(order(RELEASED + MINUTE)[1]).encode()], [RELEASED])
    run.release(completion(hand_all(run, [order(START), order(START + 1)])))
    said = {}
    for at in (RELEASED + MINUTE, COMPLETE):
        run.tick(at)
        profile = run.processor.profiles.open("u1")
        current = run.processor.timeline.engine(profile.release).memberships("u1", profile)
        payload = encode_memberships(current)
        assert decode_memberships(payload) == current
        said[at] = segment in json.loads(payload)["segments"], json.loads(payload).get("warming")
    assert said == {RELEASED + MINUTE: (segment == "active", ["loyal"]), COMPLETE: (True, None)}


def test_the_records_of_a_batch_name_it() -> None:
    run = released_run()
    event = order(RELEASED + MINUTE, "new")[1]
    (current,) = run.processor.process([json.dumps(event).encode()], [RELEASED]).memberships
    assert (list(current.segments), current.warming) == (["active"], ["loyal"])


def test_who_looks_at_a_timeline_sees_what_is_warming_when() -> None:
    run = released_run()
    filled = hand_all(run, [order(START)])
    timeline = timeline_of(
        [Release(1, 0, OLD), Release(2, RELEASED, NEW), completion(filled), Release(4, COMPLETE + 1, OLD)], run._engine
    )
    loyal = {"loyal": Warming(2, RELEASED, 1)}
    assert [dict(warming_in(timeline, release)) for release in (1, 2, 3, 4)] == [{}, loyal, {}, {}]
    assert dict(warming_for_some(timeline, 3, all_follow=False)) == loyal
    assert dict(warming_for_some(timeline, 3, all_follow=True)) == {}
    assert dict(warming_for_some(timeline, 1, all_follow=False)) == {}


def test_a_release_that_is_taken_back_ends_it() -> None:
    run = released_run()
    run.release(Release(3, RELEASED + MINUTE, OLD, action="rollback"))
    run.tick(RELEASED + MINUTE)
    assert dict(warming_in(run.processor.timeline, run.processor.reached)) == {}
    event = order(RELEASED + 2 * MINUTE, "new")[1]
    (current,) = run.processor.process([json.dumps(event).encode()], [RELEASED]).memberships
    assert b"warming" not in encode_memberships(current)
