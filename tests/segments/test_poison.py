"""A bug that raises for one event, user or instant stays with it: the others go on, and nothing of it is left."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from segments import profiles_in_use as profiles_module
from segments.changes import Change
from segments.conditions import recency
from segments.conditions.base import Ask
from segments.control import Release
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.failures import Failure, put_off
from segments.features import totals
from segments.features.base import to_micros
from segments.log_segment import decode_segment, encode_segment
from segments.outcome import Outcome
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import Profile
from segments.replay import Replay
from segments.timeline import timeline_of

T = 1_764_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DEFINITIONS = """
version: 1
properties: {price: number}
segments:
  - name: active
    when: {count: {event: any, within: 1h, gte: 3}}
  - name: engaged
    when: {session: {of: count, event: any, gte: 2}}
  - name: spender
    when: {lifetime: {of: sum, event: Order Completed, property: price, gte: 40}}
  - name: keen
    when: {score: {points: {Order Completed: 10, Page Viewed: 1}, half_life: 1h, gte: 12}}
  - name: quiet
    when: {recency: {event: any, not_within: 2h}}
"""
RECENT = "segments: [{name: recent, when: {recency: {event: any, within: 1h}}}]"
POISON = 13


@pytest.fixture
def bug_in_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "to_micros", lambda value: 1 // 0 if value == POISON else to_micros(value))


def bug_in_recency(monkeypatch: pytest.MonkeyPatch, raises: Callable[[Profile, int], bool]) -> None:
    """Have every `recency` that is compiled from now on fail for some profiles."""
    sound = recency._sliding

    def broken(feature: int, window: int) -> tuple[Ask, Ask]:
        def failing(ask: Ask) -> Ask:
            return lambda profile, now: ask(profile, now if not raises(profile, now) else 1 // 0)

        within, not_within = sound(feature, window)
        return failing(within), failing(not_within)

    monkeypatch.setattr(recency, "_sliding", broken)


def processor(definitions: str = DEFINITIONS, allowed_lateness: int = HOUR) -> Processor:
    return Processor(Engine(Plan(parse_definitions(definitions)), allowed_lateness=allowed_lateness))


def event(user: str, time: int, price: int | None = None, message: str | None = None) -> bytes:
    made: dict[str, object] = {"type": "track", "event": "Order Completed", "properties": {"price": price}}
    if price is None:
        made = {"type": "page"}
    return json.dumps(made | {"userId": user, "timestamp": time, "messageId": message}).encode()


def feed(made: Processor, *payloads: bytes) -> Outcome:
    return made.process(payloads, [None] * len(payloads))


def told(changes: list[Change]) -> list[tuple[str, str, str, int, int]]:
    return [(each.user_id, each.segment, each.action, each.at - T, each.seq) for each in changes]


def traffic(seed: int, events: int, shuffled: int) -> list[tuple[bytes, bool]]:
    """Return events of a few users, one in ten of them poisonous, overtaken by others up to so many places."""
    source, made, time = random.Random(seed), [], T
    for number in range(events):
        time += source.choice([0, 1, 5_000, 20 * MINUTE, HOUR])
        price = source.choice([None, None, None, 5, 30, POISON if source.random() < 0.4 else None])
        user = f"u{source.randrange(4)}"
        made.append((number + source.randrange(shuffled + 1), event(user, time, price, f"m{number}"), price == POISON))
    return [(payload, poison) for _, payload, poison in sorted(made, key=lambda each: each[0])]


def blobs(made: Processor) -> dict[str, bytes]:
    return {user: made.profiles.settled(user) for user in made.profiles.users()}


@pytest.mark.usefixtures("bug_in_an_update")
@pytest.mark.parametrize("lateness", [0, HOUR])
@pytest.mark.parametrize("seed", range(8))
def test_what_fails_leaves_nothing_behind(seed: int, lateness: int) -> None:
    with_poison, without = processor(allowed_lateness=lateness), processor(allowed_lateness=lateness)
    changes: list[Change] = []
    expected: list[Change] = []
    poisonous = rejected = 0
    for payload, poison in traffic(seed, 150, shuffled=6 if lateness else 0):
        outcome = feed(with_poison, payload)
        changes += outcome.changes
        assert outcome.failures == []
        rejected += [each.reason for _, each in outcome.rejected].count("failed")
        poisonous += poison and not outcome.late
        if not poison:
            expected += feed(without, payload).changes
    assert rejected == poisonous > 5
    assert told(changes) == told(expected)
    end = T + 40 * DAY
    assert told(with_poison.advance(end).changes) == told(without.advance(end).changes)
    assert blobs(with_poison) == blobs(without)


@pytest.mark.usefixtures("bug_in_an_update")
def test_the_dead_letter_says_whose_it_was_and_what_failed() -> None:
    outcome = feed(processor(), event("a", T), event("a", T + 1, POISON), event("b", T + 1))
    ((place, rejected),) = outcome.rejected
    assert (place, rejected.reason, rejected.about["user"], outcome.applied) == (1, "failed", "a", 2)
    assert "Order Completed" in rejected.about["definition"]
    assert "ZeroDivisionError" in rejected.detail
    assert "to_micros" in rejected.detail


@pytest.mark.usefixtures("bug_in_an_update")
def test_a_failed_event_that_is_sent_again_after_the_bug_is_mended_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = processor()
    bad = event("a", T + 1, POISON, "m1")
    assert len(feed(made, event("a", T), bad).rejected) == 1
    monkeypatch.undo()
    again = feed(made, bad)
    assert (again.applied, again.duplicates) == (1, 0)


@pytest.mark.parametrize("error", [RecursionError("too deep"), MemoryError(), KeyError("k"), AssertionError()])
def test_any_kind_of_error_is_isolated(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(_: Profile, now: int) -> bool:
        if now == T + 1:
            raise error
        return False

    bug_in_recency(monkeypatch, fails)
    outcome = feed(processor(RECENT), event("b", T), event("a", T + 1), event("b", T + 2))
    assert [(place, rejected.about["definition"]) for place, rejected in outcome.rejected] == [(1, "recent")]
    assert outcome.applied == 2


def test_an_error_while_an_event_is_read_is_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = processor()
    decoder = made.engine.plan.decoder
    sound = decoder.decode

    def decode(payload: bytes, written_at: int | None = None) -> object:
        return sound(payload, written_at) if b"odd" not in payload else 1 // 0

    monkeypatch.setattr(decoder, "decode", decode)
    outcome = feed(made, event("a", T), event("odd", T), event("b", T))
    assert ([place for place, _ in outcome.rejected], outcome.applied) == ([1], 2)


def quiet_fails(profile: Profile, now: int) -> bool:
    return now == T + 2 * HOUR and profile.newest == T


@pytest.mark.parametrize("ticks", [[], [T + 30 * MINUTE, T + 2 * HOUR], [T + 2 * HOUR + 5]])
def test_what_is_due_and_fails_is_put_off_whoever_asks_first(monkeypatch: pytest.MonkeyPatch, ticks: list[int]) -> None:
    bug_in_recency(monkeypatch, quiet_fails)
    made = processor()
    feed(made, event("a", T), event("a", T), event("a", T), event("b", T + 1))
    changes, failures = list[Change](), list[Failure]()
    for tick in ticks:
        outcome = made.advance(tick)
        changes, failures = changes + outcome.changes, failures + outcome.failures
    outcome = feed(made, event("a", T + 3 * HOUR))
    changes, failures = changes + outcome.changes, failures + outcome.failures
    assert outcome.rejected == []
    assert [(each.reason, each.user_id, each.at - T, each.definition) for each in failures] == [
        ("failed_due", "a", 2 * HOUR, "quiet")
    ]
    of_a = [each for each in told(changes) if each[0] == "a"]
    assert of_a == [("a", "active", "exited", HOUR, 3), ("a", "engaged", "exited", 3 * HOUR, 4)] or [
        each[1:4] for each in of_a
    ] == [("active", "exited", HOUR)]


def test_what_is_put_off_is_asked_again_later_and_never_spins(monkeypatch: pytest.MonkeyPatch) -> None:
    mended = False
    bug_in_recency(monkeypatch, lambda profile, now: not mended and now >= profile.newest + 2 * HOUR)
    made = processor()
    feed(made, event("a", T))
    failures = made.advance(T + 30 * DAY).failures
    assert [each.at - T for each in failures] == [2 * HOUR + days * DAY for days in (0, 1)] or len(failures) < 8
    mended = True
    entered = [each for each in made.advance(T + 90 * DAY).changes if each.segment == "quiet"]
    assert [each.action for each in entered] == ["entered"]


def test_a_late_event_that_fails_leaves_the_kept_events_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    made, other = processor(), processor()
    batch = [event("a", T + number * MINUTE, message=f"m{number}") for number in range(20)]
    for each in (made, other):
        feed(each, *batch)
    with monkeypatch.context() as patched:
        patched.setattr(made.timeline, "renew", lambda _: 1 // 0)
        assert [each.reason for _, each in feed(made, event("a", T + MINUTE + 5)).rejected] == ["failed"]
    for each in (made, other):
        feed(each, event("a", T + 2 * MINUTE + 5, 50))
    assert blobs(made) == blobs(other)
    assert made.profiles.recent.encode_all("a") == other.profiles.recent.encode_all("a")


def releases(*definitions: str) -> Processor:
    made = [Release(number, T + (number - 1) * DAY, text) for number, text in enumerate(definitions, 1)]
    bounds = lambda release: Engine(Plan(parse_definitions(release.definitions)), allowed_lateness=HOUR)  # noqa: E731
    return Processor(timeline_of(made, bounds))


FIRST = "segments: [{name: seen, when: {lifetime: {of: count, event: any, gte: 1}}}]"
SECOND = FIRST.replace("]", ", {name: quiet, when: {recency: {event: any, not_within: 2h}}}]")
THIRD = FIRST.replace("]", ", {name: twice, when: {lifetime: {of: count, event: any, gte: 2}}}]")


def test_who_cannot_follow_a_release_stays_with_the_one_before_until_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    bug_in_recency(monkeypatch, lambda profile, _: profile.seq == 1 and profile.newest == T + 1)
    made = releases(FIRST, SECOND, THIRD)
    feed(made, event("a", T), event("b", T + 1), event("c", T + 2))
    made.advance(T + DAY + 1)
    swept = made.sweep(100)
    assert (made.sweeping, swept.followed) == (0, 2)
    assert [(each.reason, each.user_id, each.definition) for each in swept.failures] == [
        ("failed_release", "b", "quiet")
    ]
    assert made.profiles.open("b").release == 1
    assert [each.reason for _, each in feed(made, event("b", T + DAY + 5)).rejected] == ["failed"]
    made.advance(T + 2 * DAY + 1)
    assert made.sweep(100).failures == []
    assert {user: made.profiles.open(user).release for user in "abc"} == dict.fromkeys("abc", 3)
    assert feed(made, event("b", T + 2 * DAY + 5)).applied == 1


def test_what_is_put_off_leaves_what_is_due_before_it() -> None:
    """A profile may be looked at sooner than anything is due: then nothing but the look fails."""
    engine = Engine(Plan(parse_definitions(RECENT)))
    profile = Profile(newest=T, clock=T, due=T + HOUR, members={7: (1, T, T + 2 * HOUR)})
    put_off(profile, T + HOUR, None, engine)
    assert (profile.due, profile.members) == (T + 2 * HOUR, {7: (1, T, T + 2 * HOUR)})
    put_off(profile, T + 2 * HOUR, 7, engine)
    assert profile.due == profile.members[7][2] == T + 2 * HOUR + DAY
    profile = Profile(newest=T, clock=T, due=T + HOUR, members={7: (1, T, T + 9 * DAY)})
    put_off(profile, T + HOUR, None, None)
    assert profile.due == T + HOUR + DAY, "what failed is asked again a day later"


def test_who_cannot_follow_a_release_leaves_at_the_right_instant_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bug_in_recency(monkeypatch, lambda _, now: now == T + 40 * MINUTE)
    gone = "{all: [{recency: {event: any, within: 1h}}, {lifetime: {of: count, event: Order Completed, lt: 1}}]}"
    first = (
        f"segments: [{{name: recent, when: {{recency: {{event: any, within: 90m}}}}}}, {{name: looks, when: {gone}}}]"
    )
    texts = (first, first.replace("looks", "looker"), first.replace("looks", "visitor"))
    starts = (T, T + 40 * MINUTE, T + 150 * MINUTE)
    made = [Release(number, at, text) for number, (at, text) in enumerate(zip(starts, texts, strict=True), 1)]
    bounds = lambda release: Engine(Plan(parse_definitions(release.definitions)), allowed_lateness=HOUR)  # noqa: E731
    run = Processor(timeline_of(made, bounds))
    feed(run, event("a", T), event("a", T + 30 * MINUTE, 5))
    assert [each.at - T for each in run.advance(T + HOUR).failures] == [HOUR], "looked at, and nothing is due"
    left = [each for each in run.advance(T + 160 * MINUTE).changes if each.segment == "recent"]
    assert [(each.action, each.at, each.cause.kind) for each in left] == [("exited", T + 2 * HOUR, "timer")]


def test_a_profile_that_cannot_be_read_is_left_as_it_is() -> None:
    made = processor()
    feed(made, event("a", T), event("b", T + 1), event("c", T + 2))
    (segment,) = made.profiles.take_changed(0)
    read = decode_segment(segment)
    spoilt = {"b": read.profiles["b"][:-3] + b"\xc1\xc1\xc1", "c": b"?" * len(read.profiles["c"])}
    stored = encode_segment(read._replace(profiles={**read.profiles, **spoilt}))
    later = processor()
    later.profiles.load(0, [stored])
    outcome = feed(later, event("a", T + 1), event("b", T + 5), event("b", T + 6), event("c", T + 7))
    assert [(place, each.reason) for place, each in outcome.rejected] == [(n, "corrupt_profile") for n in (1, 2, 3)]
    assert {each.user_id: each.content for each in outcome.failures} == {
        user: later.profiles.settled(user) for user in "bc"
    }
    assert len(outcome.failures) == 2
    assert {each.user_id for each in later.advance(T + 9 * DAY).changes} == {"a"}
    assert later.sweep(9).failures == []
    restarted = processor()
    restarted.profiles.load(0, list(later.profiles.all_of(0)))
    assert {user: restarted.profiles.settled(user) for user in "bc"} == {
        user: later.profiles.settled(user) for user in "bc"
    }


def test_a_log_that_cannot_be_read_is_an_error_that_says_so() -> None:
    with pytest.raises(
        ValueError, match=r"segment 0 .* of the profiles of shard 3 cannot be read: .* earlier checkpoint"
    ):
        processor().profiles.load(3, [b"?"])


def test_a_log_of_which_any_bit_is_another_one_is_an_error_or_says_the_same() -> None:
    made = processor()
    feed(made, *(event(user, T) for user in "abc"))
    (segment,) = made.profiles.take_changed(0)
    wanted = {user: made.profiles.settled(user) for user in "abc"}
    errors = set()
    for bit in range(8 * len(segment)):
        flipped = bytearray(segment)
        flipped[bit // 8] ^= 1 << bit % 8
        later = processor()
        try:
            later.profiles.load(3, [bytes(flipped)])
        except ValueError as error:
            errors.add(str(error))
        else:
            assert {user: later.profiles.settled(user) for user in later.profiles.users()} == wanted
    assert len(errors) > 4
    assert all("start from an earlier checkpoint" in error for error in errors)


def test_a_profile_that_cannot_be_written_goes_back_to_what_it_was() -> None:
    made = processor()
    feed(made, *(event("a", T + number) for number in range(3)), event("b", T))
    made.profiles.settle()
    feed(made, event("a", T + 2 * HOUR), event("b", T + 1))
    made.profiles.open("a").features[0] = object()
    seq = made.profiles.open("a").seq
    outcome = feed(made, event("c", T))
    made.profiles.settle()
    failures = outcome.failures + feed(made, event("c", T + 1)).failures
    assert [(each.reason, each.user_id) for each in failures] == [("failed_profile", "a")]
    assert (made.profiles.open("a").newest, made.profiles.open("a").seq) == (T + 2, seq)
    assert made.profiles.open("b").newest == T + 1


@pytest.mark.usefixtures("bug_in_an_update")
def test_a_replay_has_the_same_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    payloads = [payload for payload, _ in traffic(3, 200, shuffled=4)]
    run = Replay(parse_definitions(DEFINITIONS))
    replayed = sorted(told(list(run.run(payloads))), key=lambda each: (each[0], each[4]))
    monkeypatch.setattr(profiles_module, "_DECODED_KEPT", 1)
    made = processor()
    outcomes = [feed(made, payload) for payload in payloads]
    assert run.counts["rejected.failed"] == sum(len(each.rejected) for each in outcomes) > 5
    changes = told([change for each in [*outcomes, made.advance(run.newest or 0)] for change in each.changes])
    assert sorted(changes, key=lambda each: (each[0], each[4])) == replayed
