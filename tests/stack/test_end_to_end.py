"""From produced events to a consumer downstream and to Redis, with the clock on the wall."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from jobs.stack.stack import Stack
from segments.changes import decode_memberships
from tests.stack.support import Pipeline, pipeline, track

pytestmark = pytest.mark.stack

DEFINITIONS = """
version: 1
properties: {cart_id: string}
segments:
  - name: browsing
    when: {count: {event: Product Viewed, within: 1h, gte: 2}}
  - name: abandoned
    when: {absence: {after: Product Added, of: Order Completed, within: 3s, per: cart_id, lasts: 2s}}
  - name: customer
    when: {lifetime: {of: count, event: Order Completed, gte: 1}}
"""
LIVE = {"SEGMENTS__EVENT_TIME__IDLE_AFTER": "1s", "SEGMENTS__EVENT_TIME__OUT_OF_ORDERNESS": "500ms"}


@pytest.fixture(scope="module")
def live(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with pipeline(stack, tmp_path_factory.mktemp("live"), DEFINITIONS) as made:
        made.submit(LIVE)
        yield made


def now() -> int:
    return time.time_ns() // 1_000_000


def test_a_visit_becomes_changes_memberships_and_a_hash(live: Pipeline) -> None:
    start = now()
    live.send(
        [
            track("visitor", "Product Viewed", start, "m1"),
            track("visitor", "Product Viewed", start + 1, "m2"),
            track("visitor", "Product Added", start + 2, "m3", cart_id="c1"),
            track("visitor", "Order Completed", start + 3, "m4", cart_id="c1"),
        ],
        key=b"visitor",
    )
    changes = live.await_changes("visitor", 2)
    seen = [(each.seq, each.segment, each.action, each.at, each.cause.message_id) for each in changes]
    assert seen == [(1, "browsing", "entered", start + 1, "m2"), (2, "customer", "entered", start + 3, "m4")]
    (reason,) = changes[0].because
    assert (reason.value, reason.holds) == (2, True)
    assert changes[0].next_change_at == start + 3_600_000

    live.wait_for(lambda: live.memberships_in_redis().get("visitor", {}).get("_seq") == "2", "the hash")
    found = live.memberships_in_redis()["visitor"]
    assert found.keys() == {"_seq", "browsing", "customer"}
    assert json.loads(found["browsing"])["since"] == start + 1
    assert live.sorted_sets_in_redis()["customer"]["visitor"] == start + 3


def test_the_compacted_topic_holds_what_the_user_is_in(live: Pipeline) -> None:
    start = now()
    sent = [track("member", "Product Viewed", start + number) for number in range(2)]
    live.send(sent, key=b"member")
    live.await_changes("member", 1)
    live.wait_for(lambda: newest_membership(live, "member") is not None, "the memberships")
    value = newest_membership(live, "member")
    assert value is not None
    memberships = decode_memberships(value)
    assert (memberships.user_id, memberships.seq, list(memberships.segments)) == ("member", 1, ["browsing"])


def test_an_abandonment_fires_while_no_event_flows_at_all(live: Pipeline) -> None:
    start = now()
    live.send([track("silent", "Product Added", start, "a1", cart_id="c1")], key=b"silent")
    events = len(live.read("events"))
    changes = live.await_changes("silent", 2)
    assert len(live.read("events")) == events
    assert [(each.seq, each.segment, each.action, each.at - start) for each in changes] == [
        (1, "abandoned", "entered", 3_000),
        (2, "abandoned", "exited", 5_000),
    ]
    assert [(each.because[0].value, each.because[0].holds) for each in changes] == [
        ("open for 3s", True),
        ("nothing open that long", False),
    ]
    assert {each.cause.kind for each in changes} == {"timer"}
    assert "visitor" not in {user for user, own in live.changes().items() if own[-1].segment == "abandoned"}


def test_a_user_in_nothing_is_a_tombstone_and_leaves_redis(live: Pipeline) -> None:
    start = now()
    live.send([track("gone", "Product Added", start, cart_id="c1")], key=b"gone")
    live.await_changes("gone", 2)
    live.wait_for(lambda: live.memberships_in_redis().get("gone") == {"_seq": "2"}, "the hash to empty")
    live.wait_for(lambda: [value for key, value in memberships(live) if key == b"gone"][-1:] == [None], "the tombstone")
    assert "gone" not in live.sorted_sets_in_redis().get("abandoned", {})
    assert [value is None for key, value in memberships(live) if key == b"gone"] == [False, True]


def test_every_record_of_a_user_lies_in_one_partition(live: Pipeline) -> None:
    users = [f"spread-{number}" for number in range(12)]
    for user in users:
        live.send([track(user, "Order Completed", now())], key=user.encode())
    live.wait_for(lambda: set(users) <= live.changes().keys(), "all users")
    partitions = {(record.key, record.partition) for record in live.read("changes")}
    assert len(partitions) == len({key for key, _ in partitions})
    assert len({partition for _, partition in partitions}) > 1


def newest_membership(live: Pipeline, user: str) -> bytes | None:
    values = [value for key, value in memberships(live) if key == user.encode()]
    return values[-1] if values else None


def memberships(live: Pipeline) -> list[tuple[bytes, bytes | None]]:
    return [(record.key, record.value) for record in live.read("memberships")]
