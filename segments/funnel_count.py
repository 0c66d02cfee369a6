"""How far users came through ordered steps: every user's events by time, matches step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from segments.definitions.model import Context, Trait
from segments.definitions.paths import parts
from segments.events import Event, EventDecoder, RejectedEvent
from segments.features.base import join_value
from segments.fields import Getter, getter
from segments.funnel import Attempt, FunnelQuestion, FunnelTally, empty_funnel
from segments.plan import Plan
from segments.steps import Matches, Steps
from segments.user_clock import UserClock

_UNKNOWN = "unknown"


def count_funnel(question: FunnelQuestion, users: Iterable[Sequence[tuple[bytes, int]]]) -> FunnelTally:
    """Return how far users came, each with all events by time (those of several users may be mixed)."""
    return _Counting(question).of(users)


class _Reached(NamedTuple):
    """A step that was reached at a time (ms), and what was known of the user then."""

    time: int
    known: str | None


class _Counting:
    def __init__(self, question: FunnelQuestion) -> None:
        sequence, settings = question.sequence, question.definitions
        self._decoder: EventDecoder = Plan(question.definitions, question.plausibility).decoder
        self._steps = Steps(sequence)
        self._clock = UserClock(sequence.within, settings.timezone, settings.week_starts)
        self._per = getter(sequence.per) if sequence.per else None
        self._known = _known_reader(question)
        self._until = question.until
        self._tally = empty_funnel(question)

    def of(self, users: Iterable[Sequence[tuple[bytes, int]]]) -> FunnelTally:
        counts, decode = self._tally.counts, self._decoder.decode
        for timed in users:
            events: dict[str, dict[Any, Event]] = {}
            for place, (payload, written) in enumerate(timed):
                try:
                    event = decode(payload, written)
                except RejectedEvent as rejected:
                    counts["rejected"] += 1
                    counts[f"rejected.{rejected.reason}"] += 1
                    continue
                own = events.setdefault(event.user_id, {})
                key = place if event.message_id is None else event.message_id
                counts["duplicates" if key in own else "applied"] += 1
                own.setdefault(key, event)
            for own in events.values():
                self._count(list(own.values()))
        return self._tally

    def _count(self, events: list[Event]) -> None:
        tally = self._tally
        tally.users += 1
        furthest = 0
        for attempt in self._attempts(events):
            depth = len(attempt.times)
            furthest = max(furthest, depth)
            tally.undecided += attempt.undecided
            for step in range(depth):
                tally.reached_units[step] += 1
            for gap, (start, end) in zip(tally.gaps, zip(attempt.times, attempt.times[1:], strict=False), strict=False):
                gap.append(end - start)
            if attempt.by is not None:
                reached = tally.breakdown.setdefault(attempt.by, [0] * len(self._steps.texts))
                for step in range(depth):
                    reached[step] += 1
        for step in range(furthest):
            tally.reached_users[step] += 1

    def _attempts(self, events: list[Event]) -> Iterable[Attempt]:
        """Return the furthest attempt of each value of `per` (of the user, without it) that made the first step."""
        runs: dict[Any, Matches[_Reached]] = {}
        best: dict[Any, tuple[_Reached, ...]] = {}
        known: str | None = None
        opens = self._clock.new_user()
        for event in events:
            self._clock.hear(event)
            if self._known is not None:
                known = self._known(event) or known or _UNKNOWN
            served, broken = self._steps.served(event), self._steps.broken(event)
            value = "" if self._per is None else join_value(self._per(event.properties))
            if value is None:
                for run in runs.values() if broken else ():
                    run.take(_Reached(event.time, known), 0, broken)
            elif served or broken:
                run = runs.setdefault(value, Matches(self._steps, opens, soonest=True))
                for match in run.take(_Reached(event.time, known), served, broken):
                    if value not in best or len(match) > len(best[value]):
                        best[value] = match
        return [self._attempt(match, runs[value]) for value, match in best.items()]

    def _attempt(self, match: tuple[_Reached, ...], run: Matches[_Reached]) -> Attempt:
        """Return what became of a match; where one waited long enough, the one that did so first."""
        waiting = [each for each in run.ripening if self._clock.reaches(each[0].time, run.ripe_at(each))]
        ripe = next((each for each in waiting if run.ripe_at(each) <= self._until), None)
        if ripe is None:
            return Attempt(tuple(each.time for each in match), match[0].known, undecided=bool(waiting))
        return Attempt((*(each.time for each in ripe), run.ripe_at(ripe)), ripe[0].known)


def _known_reader(question: FunnelQuestion) -> Any:
    """Return a function from an event to what it says about the user; None when nothing is asked."""
    part = next((each for each in parts(question.definitions) if isinstance(each, Trait | Context)), None)
    if question.by is None or part is None:
        return None
    read: Getter = getter(part.name if isinstance(part, Trait) else part.path)

    def known(event: Event) -> str | None:
        value = read(event.traits if isinstance(part, Trait) else event.context)
        return None if value is None else str(value)

    return known
