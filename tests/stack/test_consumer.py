"""The classes that downstream imports, on a real Kafka: what comes once, what is said, and where a reader goes on."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.stack.stack import Stack
from jobs.stack.waiting import wait_until
from segments.changes import Cause, Change, Membership, Memberships, encode_change, encode_memberships
from serving.consumer import Batch, SegmentChanges
from serving.memberships import SegmentMemberships
from serving.seqs import SeqFile, SeqTable
from serving.troubles import Expired, Gap, Overtaken, Trouble, Unacknowledged, Unreadable
from tests.docs.pages import page
from tests.stack.commands import ended

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
TIMEOUT = 150.0
JOIN_S = 10.0  # a poll that ends before its member has joined has it begin anew, and a batch has no group meanwhile
Told = list[tuple[str, int]]


class Topic:
    """A topic with two partitions, and who writes to it."""

    def __init__(self, stack: Stack) -> None:
        self.servers, self.name = stack.bootstrap_servers, f"consumed-{uuid.uuid4().hex[:8]}"
        stack.create_topics([self.name], partitions=2)
        self._producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 0})

    def write(self, user: str, *seqs: int, partition: int = 0) -> None:
        for seq in seqs:
            self.write_bytes(change(user, seq), user, partition)

    def write_bytes(self, value: bytes | None, user: str = "u1", partition: int = 0) -> None:
        self._producer.produce(self.name, key=user.encode(), value=value, partition=partition)
        assert self._producer.flush(30) == 0

    def transaction(self, user: str, *seqs: int, commit: bool) -> None:
        producer = Producer({"bootstrap.servers": self.servers, "transactional.id": uuid.uuid4().hex})
        producer.init_transactions(30)
        producer.begin_transaction()
        for seq in seqs:
            producer.produce(self.name, key=user.encode(), value=change(user, seq), partition=0)
        producer.flush(30)
        (producer.commit_transaction if commit else producer.abort_transaction)(30)

    def reader(self, store: Any, **options: Any) -> SegmentChanges:
        return SegmentChanges(self.servers, group_id=self.name, topic=self.name, store=store, **options)


def change(user: str, seq: int) -> bytes:
    return encode_change(
        Change(user, "active", 1, "entered", 1_000 + seq, seq, Cause("timer"), [], None, None, 1.0, None)
    )


@pytest.fixture
def topic(stack: Stack) -> Topic:
    return Topic(stack)


@contextmanager
def reading(topic: Topic, path: Path | str = ":memory:", **options: Any) -> Iterator[SegmentChanges]:
    with closing(SeqFile(path)) as store, topic.reader(store, **options) as reader:
        yield reader


def told(batch: Batch) -> Told:
    return [(each.user_id, each.seq) for each in batch]


def take(reader: SegmentChanges, number: int) -> Told:
    """Return what is handed out and acknowledged until so many changes came."""
    found: Told = []

    def enough() -> bool:
        batch = reader.poll(JOIN_S)
        if len(batch):
            reader.acknowledge(batch)
        found.extend(told(batch))
        return len(found) >= number

    wait_until(enough, TIMEOUT, f"{number} changes")
    return found


def nothing_more(reader: SegmentChanges, topic: Topic) -> None:
    """Show that nothing is left: what is written last comes next."""
    topic.write("last", 1)
    assert take(reader, 1) == [("last", 1)]


def test_what_the_job_writes_again_is_handed_out_once(topic: Topic) -> None:
    with reading(topic) as reader:
        topic.write("u1", 1, 2, 3)
        assert take(reader, 3) == [("u1", 1), ("u1", 2), ("u1", 3)]
        topic.write("u1", 2, 3, 4)
        assert take(reader, 1) == [("u1", 4)]
        assert reader.repeated == 2
        topic.transaction("u1", 5, 6, commit=False)
        topic.transaction("u1", 5, commit=True)
        assert take(reader, 1) == [("u1", 5)]
        nothing_more(reader, topic)


def test_a_restart_goes_on_behind_what_was_acknowledged(topic: Topic, tmp_path: Path) -> None:
    topic.write("u1", 1, 2, 3)
    with reading(topic, tmp_path / "seqs", max_records=2) as reader:
        assert take(reader, 2) == [("u1", 1), ("u1", 2)]
        assert told(handed(reader)) == [("u1", 3)]
        with pytest.raises(Unacknowledged):
            reader.poll()
    topic.write("u1", 1, 2)
    with reading(topic, tmp_path / "seqs") as reader:
        assert take(reader, 1) == [("u1", 3)]
        nothing_more(reader, topic)


def test_a_lost_store_is_read_back_from_the_topic(topic: Topic) -> None:
    topic.write("u1", 1, 2)
    topic.write("u2", 1, partition=1)
    with reading(topic) as reader:
        assert sorted(take(reader, 3)) == [("u1", 1), ("u1", 2), ("u2", 1)]
    topic.write("u1", 1, 2)
    topic.write("u2", 1, 2, partition=1)
    with reading(topic) as reader:
        assert take(reader, 1) == [("u2", 2)]
        nothing_more(reader, topic)
        assert reader.repeated == 3


def test_a_member_that_takes_over_knows_what_the_other_had(topic: Topic, tmp_path: Path) -> None:
    topic.write("u1", 1, 2)
    topic.write("u2", 1, 2, partition=1)
    with reading(topic, tmp_path / "a", heartbeat_interval_ms=300) as first:
        assert len(take(first, 4)) == 4
        with reading(topic, tmp_path / "b", heartbeat_interval_ms=300) as second:
            idle(lambda: len(first.partitions) == len(second.partitions) == 1, first, second)
            other = 2 - min(second.partitions)
            topic.write("u1", 1, 2, 3)
            topic.write("u2", 1, 2, 3, partition=1)
            assert take(second, 1) == [(f"u{3 - other}", 3)]
            assert take(first, 1) == [(f"u{other}", 3)]
        idle(lambda: len(first.partitions) == 2, first)  # what comes while the group is divided cannot be acknowledged
        topic.write("u1", 2, 3, 4)
        topic.write("u2", 2, 3, 4, partition=1)
        assert sorted(take(first, 2)) == [("u1", 4), ("u2", 4)]


def idle(until: Callable[[], object], *readers: SegmentChanges) -> None:
    """Have readers poll in turn, longer each time, nothing being there for them, until something is true."""
    lengths = chain((0.5, 1.0, 2.0), repeat(4.0))

    def polled() -> bool:
        seconds = next(lengths)
        assert [len(reader.poll(seconds)) for reader in readers] == [0] * len(readers)
        return bool(until())

    wait_until(polled, TIMEOUT, "the group to be divided")


def test_missing_changes_are_said_with_their_place(topic: Topic, tmp_path: Path) -> None:
    topic.write("u1", 1, 2, 5)
    with reading(topic, tmp_path / "seqs") as reader:
        with pytest.raises(
            Gap, match=r"partition 0, offset 2: user u1: change 5 came where change 3 was expected: 2 are"
        ):
            take(reader, 1)
        with pytest.raises(Gap):
            take(reader, 1)
    troubles: list[Trouble] = []
    topic.write("new", 2)
    with reading(topic, tmp_path / "seqs", on_trouble=troubles.append) as reader:
        assert take(reader, 4) == [("u1", 1), ("u1", 2), ("u1", 5), ("new", 2)]
        nothing_more(reader, topic)
    assert [str(each).partition(": ")[2] for each in troubles] == [
        "user u1: change 5 came where change 3 was expected: 2 are missing from the topic",
        "user new: change 2 came where change 1 was expected: 1 are missing from the topic",
    ]


def test_what_cannot_be_read_is_said_and_what_is_new_in_a_record_is_not_minded(topic: Topic) -> None:
    topic.write_bytes(b"{")
    topic.write_bytes(None)
    topic.write_bytes(change("u1", 1).replace(b'"seq":1', b'"seq":1,"novelty":{"a":[1]}'))
    troubles: list[Trouble] = []
    with reading(topic, on_trouble=troubles.append) as reader:
        assert take(reader, 1) == [("u1", 1)]
    assert [(type(each), str(each).partition(":")[0]) for each in troubles] == [
        (Unreadable, f"{topic.name}, partition 0, offset {offset}") for offset in (0, 1)
    ]
    assert "it has no value" in str(troubles[1])


def test_a_group_that_begins_at_the_end_misses_nothing_from_then_on(topic: Topic) -> None:
    topic.write("u1", 1, 2)
    with reading(topic, start="latest") as reader:
        idle(lambda: len(reader.partitions) == 2, reader)
    topic.write("u1", 2, 3)
    with reading(topic, start="latest") as reader:
        assert take(reader, 1) == [("u1", 3)]


def test_records_that_kafka_removed_too_early_are_said(topic: Topic, tmp_path: Path) -> None:
    topic.write("u1", 1)
    with reading(topic, tmp_path / "seqs") as reader:
        take(reader, 1)
    topic.write("u1", 2, 3, 4)
    remove_before(topic, 3)
    with reading(topic, tmp_path / "seqs") as reader, pytest.raises(Expired, match="acknowledged up to offset 1"):
        take(reader, 1)
    with reading(topic, tmp_path / "seqs", on_trouble=lambda _: None) as reader:
        assert take(reader, 1) == [("u1", 4)]
    with closing(SeqFile(tmp_path / "seqs")) as store:
        assert store.known(topic.name, ["u1"]) == {"u1": 4}


def test_effects_and_seqs_in_one_transaction_fence_a_member_that_was_given_up(topic: Topic, tmp_path: Path) -> None:
    topic.write("u1", 1)
    path = tmp_path / "mails"
    with closing(sqlite3.connect(path)) as slow, closing(sqlite3.connect(path)) as quick:
        slow.execute("CREATE TABLE mails (user_id, seq)")
        with topic.reader(SeqTable(slow)) as first:
            late = handed(first)
        with topic.reader(SeqTable(quick)) as second:
            batch = handed(second)
            quick.execute("INSERT INTO mails VALUES ('u1', 1)")
            second.acknowledge(batch)
        slow.execute("INSERT INTO mails VALUES ('u1', 1)")
        with pytest.raises(Overtaken, match="another member has acknowledged up to offset 1"):
            first.acknowledge(late)
        assert slow.execute("SELECT * FROM mails").fetchall() == [("u1", 1)], "what it did was undone"


def handed(reader: SegmentChanges) -> Batch:
    batches: list[Batch] = []

    def came() -> bool:
        batches.append(reader.poll(JOIN_S))
        return len(batches[-1]) > 0

    wait_until(came, TIMEOUT, "a batch")
    return batches[-1]


def remove_before(topic: Topic, offset: int) -> None:
    from confluent_kafka import TopicPartition  # noqa: PLC0415 - named alike in kafka-python
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    admin = AdminClient({"bootstrap.servers": topic.servers})
    for future in admin.delete_records([TopicPartition(topic.name, 0, offset)]).values():
        future.result(30)


def test_memberships_as_a_table(topic: Topic) -> None:
    def memberships(user: str, *segments: str) -> bytes:
        return encode_memberships(Memberships(user, 1, 5, {name: Membership(1, 5, None, 1.0) for name in segments}))

    topic.write_bytes(memberships("u1", "active"), "u1")
    topic.write_bytes(memberships("u2", "active", "loyal"), "u2", 1)
    with SegmentMemberships(topic.servers, topic=topic.name) as table:
        assert table.refresh() == 2
        assert (sorted(table), sorted(table.members("active"))) == (["u1", "u2"], ["u1", "u2"])
        topic.write_bytes(None, "u1")
        assert table.refresh() == 1
        assert (len(table), table.of("u1"), list(table.members("loyal"))) == (1, None, ["u2"])
    with pytest.raises(LookupError, match="there is no topic 'nowhere'"):
        SegmentChanges(topic.servers, group_id="g", store=SeqFile(":memory:"), topic="nowhere")
    with pytest.raises(LookupError, match="there is no topic 'nowhere'"):
        SegmentMemberships(topic.servers, topic="nowhere")


def test_the_command_line_writes_each_change_once(topic: Topic, tmp_path: Path) -> None:
    topic.write("u1", 1, 2)
    settings = tmp_path / "job.yaml"
    settings.write_text(json.dumps({"kafka": {"bootstrap_servers": topic.servers, "changes_topic": topic.name}}))
    options = ["--group", topic.name, "--store", str(tmp_path / "seqs"), "--settings", str(settings), "--idle", "1"]

    def consume(*more: str) -> Result:
        return CliRunner().invoke(app, ["consume", *options, *more])

    assert consume().stdout.encode() == b"".join(change("u1", seq) + b"\n" for seq in (1, 2))
    topic.write("u1", 1, 2, 3, 5)
    stopped = consume()
    ended(stopped, "change 5 came where change 4 was expected", "--go-on goes on behind it", code=1)
    assert stopped.stdout == ""
    assert consume("--go-on").stdout.encode() == change("u1", 3) + b"\n" + change("u1", 5) + b"\n"


def test_the_examples_of_the_page_run(topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def until_idle(reader: SegmentChanges) -> Iterator[Batch]:
        while len(batch := reader.poll(1.0)) or not reader.partitions:
            yield batch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SegmentChanges, "__iter__", until_idle)
    simple, careful, *_ = page("docs/consuming.md").blocks("python")
    sent: list[Change] = []
    topic.write("u1", 1, 2, 2)
    for number, block in enumerate((simple, careful)):
        where = f'"{topic.name}-{number}", topic="{topic.name}"'
        example = block.replace("localhost:9092", topic.servers).replace('"mailer"', where)
        exec(compile(example, "docs/consuming.md", "exec"), {"send_mail": sent.append})  # noqa: S102 - it is our own page
    assert [each.seq for each in sent] == [1, 2]
    with closing(sqlite3.connect("mails.db")) as database:
        assert database.execute("SELECT user_id, seq FROM mails").fetchall() == [("u1", 1), ("u1", 2)]
