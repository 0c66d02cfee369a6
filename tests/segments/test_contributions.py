"""The events that count in a condition: they alone give its value, each is needed for it, and no other one moves it."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segments.conditions import COMBINING, KINDS
from segments.conditions.base import Fact
from segments.conditions.contributions import CONTRIBUTIONS, Contribution, newest_session
from segments.engine import Engine
from segments.events import SESSION_STARTED, Event
from segments.explain import WholePlan, in_order
from segments.profile import Profile
from tests import strategies
from tests.oracle import conditions as oracle
from tests.oracle.history import History
from tests.oracle.oracle import User
from tests.oracle.records import records
from tests.segments.support import examples, parsed
from tests.strategies import LEAVES, Timeline
from tests.vocabulary import PERIODS

Said = tuple[Any, bool]
DAY = 86_400_000
EPSILON = 1e-4  # of a score, which is rounded to six digits


def test_every_kind_says_which_events_count() -> None:
    assert CONTRIBUTIONS.keys() == KINDS.keys() - COMBINING


class Asked:
    """One condition, asked about one user's events."""

    def __init__(self, condition: dict[str, Any], file: dict[str, Any]) -> None:
        segments = [{"name": "alpha", "when": condition}]
        self._plan = WholePlan(parsed(file | {"segments": segments}))
        (rule,) = self._plan.rules
        (self.fact,) = rule.facts

    def events(self, timeline: Timeline) -> list[Event]:
        """The events that the engine applies, by time."""
        engine, profile = Engine(self._plan), Profile()
        decode = self._plan.decoder.decode
        events = [decode(payload, written) for payload, written in records(timeline.events)]
        return sorted((e for e in events if engine.apply(profile, e, []) == "applied"), key=lambda event: event.time)

    def contributions(self, events: Sequence[Event], now: int) -> list[Contribution]:
        assert self.fact.contributing is not None
        return self.fact.contributing(self._profile(events), self.history(events), now)

    def history(self, events: Sequence[Event]) -> list[Event]:
        return in_order(self._plan, events)

    def said(self, events: Sequence[Event], now: int) -> Said:
        """Value and verdict after these events, given by time."""
        profile = self._profile(events)
        Engine(self._plan).advance("u1", profile, now, [])
        return said(self.fact, profile, now)

    def _profile(self, events: Sequence[Event]) -> Profile:
        engine, profile = Engine(self._plan), Profile()
        for event in events:
            assert engine.apply(profile, event, []) == "applied"
        return profile


def said(fact: Fact, profile: Profile, now: int) -> Said:
    return fact.value(profile, now), fact.ask(profile, now)[0]


def same(one: Said, other: Said) -> bool:
    if isinstance(one[0], float) and isinstance(other[0], float):
        return one[0] == pytest.approx(other[0], abs=EPSILON)
    return one == other


def without(events: Sequence[Event], gone: Event) -> list[Event]:
    return [event for event in events if event is not gone]


def real(events: Sequence[Event], found: Sequence[Contribution]) -> list[Event]:
    """The events from outside; a session's start stands for the event that began it."""
    ids = {each.event.message_id for each in found}
    return [event for event in events if event.message_id in ids]


def is_given_by_events(condition: dict[str, Any]) -> bool:
    """Leave out what is moved by events that do not count in it."""
    of_the_zone = "this_" in str(condition) or "since_" in str(condition)  # the event that told the zone moves it
    of_breaks = "'not':" in str(condition.get("sequence"))  # what breaks a match moves it and does not count in it
    of_starts = SESSION_STARTED in str(condition)  # removing an event can merge or split all later sessions
    return not (of_the_zone or of_breaks or of_starts)


@st.composite
def asked(draw: st.DrawFn, kind: str) -> Asked:
    condition = draw(strategies.conditions_of(kind).filter(is_given_by_events))
    return Asked(condition, draw(strategies.file_of([])))


@pytest.mark.parametrize("kind", sorted(LEAVES.keys() - {"session"}))
def test_they_alone_give_the_value_and_no_other_moves_it(kind: str) -> None:
    """The three are asked of one example: drawing it takes longer than asking."""
    one_alone = kind in ("absence", "local_time")  # of several none may be needed

    @examples(80, 2_000, shrunk=True)
    @given(asked(kind), strategies.timelines())
    def given_by(condition: Asked, timeline: Timeline) -> None:
        events, now = condition.events(timeline), timeline.until
        counting = real(events, condition.contributions(events, now))
        alone, before = condition.said(counting, now), condition.said(events, now)
        assert same(alone, before)
        for each in () if one_alone else needed(condition, counting):
            assert condition.said(without(counting, each), now) != alone
        for each in events:
            if all(each is not other for other in counting):
                assert same(condition.said(without(events, each), now), before)

    given_by()


def needed(condition: Asked, counting: list[Event]) -> list[Event]:
    """Among several, an amount that is the average does not move it."""
    return counting[:1] if condition.fact.text.startswith("avg") else counting


@examples(80, 2_000, shrunk=True)
@given(asked("absence"), strategies.timelines())
def test_each_that_opens_a_value_is_enough_for_an_absence(condition: Asked, timeline: Timeline) -> None:
    events, now = condition.events(timeline), timeline.until
    counting = real(events, condition.contributions(events, now))
    holds = condition.said(events, now)[1]
    assert any(condition.said([each], now)[1] for each in counting) is holds


@examples(80, 2_000, shrunk=True)
@given(asked("session"), strategies.timelines())
def test_a_session_is_moved_by_what_counts_and_not_by_earlier_sessions(condition: Asked, timeline: Timeline) -> None:
    """Events of the session that do not count may hold it together: they are neither."""
    events, now = condition.events(timeline), timeline.until
    assume(len({event.time for event in events}) == len(events))  # of two ends at one instant neither is needed
    inside = {event.message_id for event in newest_session(condition.history(events))}
    counting = real(events, condition.contributions(events, now))
    before = condition.said(events, now)
    for each in events:
        if len(inside) == len(events) and any(each is other for other in counting):
            assert condition.said(without(events, each), now) != before
        elif each.message_id not in inside:
            assert condition.said(without(events, each), now) == before


@pytest.mark.parametrize("kind", ["count", "distinct", "max", "sum"])
def test_of_a_period_those_count_that_lie_in_it(kind: str) -> None:
    @examples(40, 1_000, shrunk=True)
    @given(strategies.conditions_of(kind), st.sampled_from(PERIODS), strategies.timelines(), st.data())
    def inside(condition: dict[str, Any], period: str, timeline: Timeline, data: st.DataObject) -> None:
        file = data.draw(strategies.file_of([]))
        calendar = Asked({kind: condition[kind] | {"within": period}}, file)
        ever = Asked({kind: condition[kind] | {"within": "3650d"}}, file)
        events, now = calendar.events(timeline), timeline.until
        opens = oracle.Asked(history(timeline, file), now, set(), **settings(file)).opens(period)
        found = [each.event.message_id for each in calendar.contributions(events, now)]
        newest = [event for event in events if event.time >= opens]
        assert found == [each.event.message_id for each in ever.contributions(newest, now)]

    inside()


def settings(file: dict[str, Any]) -> dict[str, Any]:
    return {name: file[name] for name in ("timezone", "week_starts") if name in file}


def history(timeline: Timeline, file: dict[str, Any]) -> History:
    user = User(file | {"segments": []}, DAY, [])
    list(user.run(timeline.events, None))
    return user.history
