"""What a worker answers about its users, when, and how fast."""

import json
from collections.abc import Callable

import pytest

from segments.changes import Membership, Memberships, decode_memberships
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.inspection import Choice, Inspect, Renumber, answer_to, encode_inspection
from segments.plan import Plan
from segments.processor import Processor
from tests.udfs.wire import read_output
from udfs.frames import Target
from udfs.inspector import Inspector
from udfs.redis_users import ProfileUsers


class Users:
    """Users u0 to u1199; each tenth has had no change."""

    def settle(self) -> int:
        return 1_200

    def seqs(self, first: int, last: int) -> list[tuple[str, int]]:
        return [(f"u{number}", 1) for number in range(first, last)]

    def memberships(self, user_id: str) -> Memberships | None:
        number = int(user_id[1:])
        if number >= 1_200:
            return None
        return Memberships(user_id, 0 if number % 10 == 0 else 2, 5, {"a": Membership(1, 3, None, 1.0)})

    def renumber(self, user_id: str, wanted: Renumber) -> bool:
        return (user_id, wanted) == ("u2", WANTED)


WANTED = Renumber(2, 7, 5)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def heard(inspector: Inspector) -> tuple[set[str], bool]:
    users: set[str] = set()
    done = False
    for frame in inspector.tell([0, 1]):
        payload = frame[frame.index(b'{"kind"') :]
        answer = answer_to("q", payload)
        assert answer is not None
        assert answer.shards == [0, 1]
        users |= answer.users.keys()
        done = answer.done
    return users, done


def asked(clock: Clock, **question: object) -> Inspector:
    inspector = Inspector(Users(), clock)  # type: ignore[arg-type]  # the users of a test
    inspector.hear(encode_inspection(Inspect(**{"id": "q", "until": 2_000_000, "rate": 10**6, **question})))  # type: ignore[arg-type]
    return inspector


def test_all_users_with_changes_are_told() -> None:
    clock = Clock()
    inspector = asked(clock)
    users, done = heard(inspector)
    clock.now += 1
    more, done = heard(inspector)
    assert (len(users | more), done) == (1_080, True)
    assert heard(inspector) == (set(), False)


def test_a_choice_and_names() -> None:
    clock = Clock()
    inspector = asked(clock, choice=Choice(first="u11", last="u111"))
    found = set[str]()
    done = False
    while not done:
        clock.now += 1
        more, done = heard(inspector)
        found |= more
    assert found == {f"u{number}" for number in range(1_200) if "u11" <= f"u{number}" <= "u111" and number % 10}
    named = asked(clock, users=["u1", "u10", "u5000"])
    assert heard(named)[0] == {"u1"}
    clock.now += 1
    assert heard(named) == (set(), True)


def test_who_is_not_behind_of_the_topic_is_written_there_anew_before_the_answer() -> None:
    clock = Clock()
    inspector = asked(clock, users=["u1", "u2", "u3", "u10", "u5000"], told=[0, 2, 3, 0, 0])
    (frame,) = inspector.tell([0, 1])
    *memberships, answer = read_output(frame)
    assert [each.target for each in memberships] == [Target.MEMBERSHIPS] * 2
    written = [decode_memberships(each.value or b"") for each in memberships]
    assert [(each.user_id, each.seq) for each in written] == [("u1", 2), ("u2", 2)], "nobody goes back, as u3 would"
    assert answer.target == Target.INTERNAL
    said = answer_to("q", answer.value)
    assert said is not None
    assert (said.written, set(said.users)) == (2, {"u1", "u2", "u3"})
    assert b"".join(inspector.tell([0, 1])).count(b"segment_version") == 0, "once"


def test_who_gets_another_number_is_written_anew_and_nobody_else() -> None:
    inspector = asked(Clock(), users=["u1", "u2", "u10"], renumber=[WANTED] * 3)
    assert not inspector.take_renumbered()
    (frame,) = inspector.tell([0, 1])
    written, answer = read_output(frame)
    assert (written.target, written.key) == (Target.MEMBERSHIPS, b"u2")
    said = answer_to("q", answer.value)
    assert said is not None
    assert (said.written, set(said.users)) == (1, {"u1", "u2", "u10"}), "u10 has had no change, and may yet get one"
    assert inspector.take_renumbered()
    assert not inspector.take_renumbered(), "once"


def test_who_is_in_no_segment_any_more_gets_a_tombstone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Users, "memberships", lambda _, user_id: Memberships(user_id, 4, 5, {}))
    (frame,) = asked(Clock(), users=["u1"], told=[3]).tell([0])
    gone, _ = read_output(frame)
    assert (gone.target, gone.key, gone.value) == (Target.MEMBERSHIPS, b"u1", None)


def test_a_question_writes_nothing() -> None:
    for question in ({"users": ["u1", "u2"]}, {}):
        (frame, *_) = asked(Clock(), **question).tell([0])
        assert [each.target for each in read_output(frame)] == [Target.INTERNAL]


def test_no_faster_than_was_asked_for() -> None:
    clock = Clock()
    inspector = asked(clock, rate=500)
    assert len(heard(inspector)[0]) == 450
    assert heard(inspector) == (set(), False)
    clock.now += 1
    assert len(heard(inspector)[0]) == 450


def test_nobody_waits_any_more() -> None:
    clock = Clock()
    clock.now = 2_001.0
    assert heard(asked(clock)) == (set(), False)


def job() -> Processor:
    """A job whose user u1 has had one change, five ms ago."""
    plan = Plan(parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]"))
    processor = Processor(Engine(plan))
    event = json.dumps({"type": "page", "userId": "u1", "timestamp": 1_764_000_000_000}).encode()
    assert len(processor.process([event], [None]).changes) == 1
    processor.advance(1_764_000_000_005)
    processor.sweep(10)
    return processor


def test_nobody_gets_another_number_while_users_are_behind_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = job()
    users, wanted = ProfileUsers(processor), Renumber(1, 7, 1_764_000_000_005)
    with monkeypatch.context() as patched:
        patched.setattr(Processor, "sweeping", property(lambda _: 1))
        assert not users.renumber("u1", wanted), "what the release leads to is past, and keeps its number"
    assert users.renumber("u1", wanted)
    assert [seq for _, seq in users.seqs(0, users.settle())] == [7]


def test_a_profile_that_cannot_be_read_is_not_looked_at() -> None:
    processor = job()
    users = ProfileUsers(processor)
    assert users.settle() == 1
    processor.profiles.unreadable.note("u1", b"", ValueError())
    assert (users.memberships("u1"), users.seqs(0, 1)) == (None, [])
    assert not users.renumber("u1", Renumber(1, 7, 0))


@pytest.mark.parametrize("ask", [lambda users: users.memberships("u1"), lambda users: users.seqs(0, 1)])
def test_a_profile_that_nobody_knew_to_be_broken_is_put_aside(ask: Callable[[ProfileUsers], object]) -> None:
    """As when its bytes were damaged in the state: the question about the others is answered."""
    processor = job()
    users = ProfileUsers(processor)
    assert users.settle() == 1
    processor.profiles.replace(0, processor.profiles.blob(0)[:-1])
    assert not ask(users)
    assert "u1" in processor.profiles.unreadable
    assert not users.is_readable("u1")
    assert [each.reason for each in processor.advance(1_764_000_000_006).failures] == ["corrupt_profile"]
    assert (users.memberships("u1"), users.seqs(0, 1)) == (None, [])
