"""The state is lost and built anew from the events: same numbers, nothing twice for who acts on changes."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.stack.stack import Stack
from jobs.stack.waiting import wait_until
from serving.consumer import SegmentChanges
from serving.seqs import SeqFile
from serving.troubles import Gap, Trouble
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline, track

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

DEFINITIONS = """
version: 1
segments:
  - {name: seen, when: {lifetime: {of: count, event: any, gte: 1}}}
  - {name: busy, when: {count: {event: View, within: 1s, gte: 2}}}
  - {name: odd, when: {lifetime: {of: count, event: Odd, gte: 1}}}
"""
USERS = [f"u{number}" for number in range(30)]
CHANGES = 4  # of each: seen, busy, not busy any more, odd


def test_a_rebuilt_state_says_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, DEFINITIONS) as made, closing(SeqFile(tmp_path / "seqs")) as store:
        job = made.submit()
        now = time.time_ns() // 1_000_000 - 60_000
        produce(made, now)
        made.wait_for(lambda: records(made) >= CHANGES * len(USERS), "all changes")
        first = made.changes()
        ended(run(made, "rebuild", "--dry-run"), f"job {job} (flink-segments, RUNNING) still runs", code=2)
        stack.cancel(job)
        with SegmentChanges(
            stack.bootstrap_servers, group_id=made.topics["changes"], topic=made.topics["changes"], store=store
        ) as reader:
            take(reader, CHANGES * len(USERS))
            started = run(made, "rebuild")
            ended(started)
            made.jobs.append(started.stdout.split()[-1])
            made.wait_for(lambda: records(made) >= 2 * CHANGES * len(USERS), "all changes again")
            made.send([track("last", "View", now + 9_000, "last")])
            assert take(reader, 1) == [("last", 1)]
            assert reader.repeated == CHANGES * len(USERS)
        assert {user: found[CHANGES:] for user, found in made.changes().items() if user != "last"} == first
        same = run(made, "reconcile", "--live")
        assert (same.exit_code, same.stderr.count("user ")) == (0, 0), same.output
        stack.cancel(made.jobs[-1])
        remove_first(made)
        gone = "no longer reach back to their first event", "the first 1 events are gone"
        ended(run(made, "rebuild"), *gone, code=2)
        held = [f"topic {made.topics[name]}: " for name in ("changes", "memberships")]
        ended(run(made, "rebuild", "--partial", "--dry-run"), *held, "Redis at redis://", code=2)
        ended(run(made, "rebuild", "--partial", "--dry-run", **fresh(made)))


LATE = ["late-quiet", "late-moved"]


def test_whose_numbers_are_lower_after_a_rebuild_they_go_on_from_what_was_told(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, DEFINITIONS) as made, closing(SeqFile(tmp_path / "seqs")) as store:
        job = made.submit()
        now = time.time_ns() // 1_000_000 - 120_000
        to_partition(made, 0, [track(user, "View", now + at, f"{user}-{at}") for user in LATE for at in (0, 10)])
        to_partition(made, 1, [track("clock", "Odd", now + 60_000, "clock-odd")])  # event time goes on without them
        made.wait_for(lambda: {len(made.changes().get(user, ())) for user in LATE} == {3}, "who is busy no more")
        to_partition(made, 0, [track(user, "View", now + 500, f"{user}-500") for user in LATE])  # busy for longer
        made.wait_for(lambda: min(len(made.changes()[user]) for user in LATE) >= 5, "the corrected changes")
        told = {user: len(made.changes()[user]) for user in LATE}
        stack.cancel(job)
        troubles: list[Trouble] = []
        with SegmentChanges(
            stack.bootstrap_servers,
            group_id=made.topics["changes"],
            topic=made.topics["changes"],
            store=store,
            on_trouble=troubles.append,
        ) as reader:
            take(reader, records(made))
            started = run(made, "rebuild")
            ended(started)
            made.jobs.append(started.stdout.split()[-1])
            made.wait_for(lambda: min(len(made.changes()[user]) - told[user] for user in LATE) >= 3, "all again")
            assert {made.changes()[user][-1].seq for user in LATE} == {3}, "fewer changes: what was late came in order"
            made.send([track("late-moved", "Odd", now + 61_000, "odd-1")])
            made.wait_for(lambda: made.changes()["late-moved"][-1].segment == "odd", "what consumers leave out")
            assert made.changes()["late-moved"][-1].seq <= told["late-moved"]
            ended(run(made, "rebuild", "--finish"), "the changes of 2 users go on", "state = memberships topic = Redis")
            made.send([track("late-quiet", "Odd", now + 62_000, "odd-2")])
            found = take(reader, 1)
            assert found == [("late-quiet", told["late-quiet"] + 1)]
            assert troubles == [], "nothing was missed of who was as before"
            made.send(track("late-moved", "View", now + 63_000 + at, f"again-{at}") for at in (0, 10))
            assert take(reader, 1)[0] == ("late-moved", told["late-moved"] + 2)
            (gap,) = troubles
            assert isinstance(gap, Gap)
            assert (gap.user_id, gap.expected) == ("late-moved", told["late-moved"] + 1), "the one that was left out"
            again = run(made, "rebuild", "--finish")
            ended(again, "the changes of 0 users go on")


def produce(made: Pipeline, now: int) -> None:
    """Write three events of each user, in order and in the user's partition."""
    producer = Producer({"bootstrap.servers": made.stack.bootstrap_servers})
    for at, name in ((0, "View"), (10, "View"), (5_000, "Odd")):
        for user in USERS:
            producer.produce(made.topics["events"], key=user, value=track(user, name, now + at, f"{user}-{at}"))
    assert producer.flush(30) == 0


def to_partition(made: Pipeline, partition: int, events: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": made.stack.bootstrap_servers})
    for event in events:
        producer.produce(made.topics["events"], value=event, partition=partition)
    assert producer.flush(30) == 0


def records(made: Pipeline) -> int:
    return sum(map(len, made.changes().values()))


def run(made: Pipeline, command: str, *options: str, **overrides: str) -> Result:
    where = ["--run", made.stack.run] if command == "rebuild" else []
    arguments = [command, *options, *where, "--settings", str(made.settings)]
    return CliRunner().invoke(app, arguments, env={"SEGMENTS__REDIS__URL": made.redis_url, **overrides})


def fresh(made: Pipeline) -> dict[str, str]:
    """Name topics that do not exist yet, and a Redis database that nobody has written to."""
    names = {
        f"SEGMENTS__KAFKA__{name.upper()}_TOPIC": f"{made.topics[name]}-anew" for name in ("changes", "memberships")
    }
    return {**names, "SEGMENTS__REDIS__ENABLED": "false"}


def take(reader: SegmentChanges, number: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []

    def enough() -> bool:
        batch = reader.poll(1.0)
        if len(batch):
            reader.acknowledge(batch)
        found.extend((each.user_id, each.seq) for each in batch)
        return len(found) >= number

    wait_until(enough, 150, f"{number} changes")
    return found


def remove_first(made: Pipeline) -> None:
    topic = made.topics["events"]
    admin = AdminClient({"bootstrap.servers": made.stack.bootstrap_servers})
    for part in admin.list_topics(topic, timeout=30).topics[topic].partitions:
        for future in admin.delete_records([TopicPartition(topic, part, 1)]).values():
            future.exception(30)  # a partition without events has none to remove
