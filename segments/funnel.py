"""Counted funnels: how many users, or values of a property, came how far through ordered steps, and how fast."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from segments.definitions.model import Condition, Context, Definitions, Segment, Trait
from segments.definitions.model import Sequence as Steps
from segments.definitions.paths import parts
from segments.definitions.selecting import Selector
from segments.events import ANY_EVENT, Event, EventDecoder, Plausibility, RejectedEvent
from segments.features.base import join_value
from segments.fields import Getter, getter
from segments.plan import Plan
from segments.selectors import EventSelector

_BY = "funnel_breakdown"
_UNKNOWN = "unknown"

encode_funnel = msgspec.json.Encoder(order="deterministic").encode


class Attempt(msgspec.Struct, frozen=True):
    """The match of one user, or of one value of `per`, that came furthest: the times (ms) of the steps it reached.

    Of several that came as far it is the one that got there first, with the latest start; `by` is what was known of
    the user at its first step.
    """

    times: tuple[int, ...]
    by: str | None


class StepReport(msgspec.Struct, frozen=True):
    """One step: `units` that reached it (users, or values of `per`), the share of those before and of the first step.

    The times are those from the step before, in ms; None for the first step and where nobody came.
    """

    step: str
    users: int
    units: int
    lost: int
    of_previous: float | None
    of_first: float | None
    median_ms: int | None
    p90_ms: int | None


class FunnelReport(msgspec.Struct, frozen=True):
    """A counted funnel; `breakdown` has for each value of `by` the units that reached each step."""

    within_ms: int
    per: str | None
    by: str | None
    first: int
    last: int
    users: int
    events: dict[str, int]
    steps: list[StepReport]
    breakdown: dict[str, list[int]]


class FunnelQuestion(msgspec.Struct, frozen=True):
    """Definitions whose only use is the sequence to count, and the trait or context path to break it down by."""

    definitions: Definitions
    plausibility: Plausibility
    by: str | None = None

    @property
    def sequence(self) -> Steps:
        """Return the steps to count."""
        return sequences(self.definitions.segments[0])[0]


class FunnelTally(msgspec.Struct):
    """The sum over users: those who reached each step, the same for units and by value, and the times between steps."""

    users: int
    reached_users: list[int]
    reached_units: list[int]
    gaps: list[array[int]]
    breakdown: dict[str, list[int]]
    counts: Counter[str]

    def add(self, other: FunnelTally) -> None:
        """Add another part's users."""
        self.users += other.users
        self.reached_users = [a + b for a, b in zip(self.reached_users, other.reached_users, strict=True)]
        self.reached_units = [a + b for a, b in zip(self.reached_units, other.reached_units, strict=True)]
        for mine, theirs in zip(self.gaps, other.gaps, strict=True):
            mine.extend(theirs)
        for value, reached in other.breakdown.items():
            known = self.breakdown.get(value, [0] * len(reached))
            self.breakdown[value] = [a + b for a, b in zip(known, reached, strict=True)]
        self.counts.update(other.counts)


def sequences(segment: Segment) -> list[Steps]:
    """Return the `sequence` conditions of a segment's `when`, in order."""
    found = []
    waiting: list[Condition] = [segment.when]
    while waiting:
        kind, arguments = waiting.pop(0).kind()
        if kind == "sequence":
            found.append(arguments)
        elif kind == "not":
            waiting.insert(0, arguments)
        elif kind in ("all", "any"):
            waiting[:0] = arguments
    return found


def funnel_question(
    definitions: Definitions, sequence: Steps, plausibility: Plausibility, by: str | None = None
) -> FunnelQuestion:
    """Return what to count: `by` is `trait:NAME` or `context:PATH`; raises ValueError when it is neither.

    Types of properties are those of `definitions`.
    """
    segments = [Segment(name="funnel", when=Condition(sequence=sequence))]
    if by is not None:
        source, _, path = by.partition(":")
        if source not in ("trait", "context") or not path:
            raise ValueError(f"'{by}': write trait:NAME or context:PATH, for example context:device.type")
        test: Any = {"trait": {"name": path}} if source == "trait" else {"context": {"path": path}}
        test[source]["exists"] = True
        segments.append(Segment(name=_BY, when=Condition.model_validate(test)))
    return FunnelQuestion(definitions.model_copy(update={"segments": segments}), plausibility, by)


def empty_funnel(question: FunnelQuestion) -> FunnelTally:
    """Return the tally of no users."""
    steps = len(question.sequence.steps)
    gaps = [array("q") for _ in range(steps - 1)]
    return FunnelTally(0, [0] * steps, [0] * steps, gaps, {}, Counter())


def count_funnel(question: FunnelQuestion, users: Iterable[Sequence[tuple[bytes, int]]]) -> FunnelTally:
    """Return how far users came, each with all events by time (those of several users may be mixed)."""
    return _Counting(question).of(users)


class _Counting:
    def __init__(self, question: FunnelQuestion) -> None:
        sequence = question.sequence
        self._decoder: EventDecoder = Plan(question.definitions, question.plausibility).decoder
        self._steps = [EventSelector(step) for step in sequence.steps]
        self._window = sequence.within
        self._per = getter(sequence.per) if sequence.per else None
        self._known = _known_reader(question)
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
            for step in range(depth):
                tally.reached_units[step] += 1
            for gap, (start, end) in zip(tally.gaps, zip(attempt.times, attempt.times[1:], strict=False), strict=False):
                gap.append(end - start)
            if attempt.by is not None:
                reached = tally.breakdown.setdefault(attempt.by, [0] * len(self._steps))
                for step in range(depth):
                    reached[step] += 1
        for step in range(furthest):
            tally.reached_users[step] += 1

    def _attempts(self, events: list[Event]) -> Iterable[Attempt]:
        """Return the furthest attempt of each value of `per` (of the user, without it) that made the first step."""
        runs: dict[Any, list[Attempt | None]] = {}
        best: dict[Any, Attempt] = {}
        known: str | None = None
        for event in events:
            if self._known is not None:
                known = self._known(event) or known or _UNKNOWN
            served = self._served(event)
            value = "" if self._per is None else join_value(self._per(event.properties))
            if not served or value is None:
                continue
            newest = runs.setdefault(value, [None] * len(self._steps))
            for step in reversed(served):  # later steps first, so that one event serves one step of a match
                attempt = self._extended(newest, step, event.time, known)
                if attempt is None:
                    continue
                before = newest[step]
                if before is None or attempt.times[0] > before.times[0]:
                    newest[step] = attempt
                if value not in best or len(attempt.times) > len(best[value].times):
                    best[value] = attempt
        return best.values()

    def _extended(self, newest: list[Attempt | None], step: int, time: int, known: str | None) -> Attempt | None:
        if step == 0:
            return Attempt((time,), known)
        before = newest[step - 1]
        if before is None or time - before.times[0] >= self._window:
            return None
        return Attempt((*before.times, time), before.by)

    def _served(self, event: Event) -> list[int]:
        return [
            place
            for place, step in enumerate(self._steps)
            if (event.name in step.names or ANY_EVENT in step.names) and (step.matches is None or step.matches(event))
        ]


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


def funnel_report(question: FunnelQuestion, tally: FunnelTally, span: tuple[int, int]) -> FunnelReport:
    """Return the report; `span` has the first and the last instant (ms) of the recording."""
    sequence = question.sequence
    steps = [_step(tally, number, selector) for number, selector in enumerate(sequence.steps)]
    largest = sorted(tally.breakdown.items(), key=lambda each: (-each[1][0], each[0]))
    return FunnelReport(
        sequence.within, sequence.per, question.by, *span, tally.users, dict(tally.counts), steps, dict(largest)
    )


def _step(tally: FunnelTally, number: int, selector: Selector) -> StepReport:
    units = tally.reached_units[number]
    first = tally.reached_units[0]
    before = tally.reached_units[number - 1] if number else first
    gaps = sorted(tally.gaps[number - 1]) if number else []
    return StepReport(
        step=EventSelector(selector).text,
        users=tally.reached_users[number],
        units=units,
        lost=before - units,
        of_previous=round(units / before, 6) if before else None,
        of_first=round(units / first, 6) if first else None,
        median_ms=quantile(gaps, 0.5),
        p90_ms=quantile(gaps, 0.9),
    )


def quantile(ordered: Sequence[int], share: float) -> int | None:
    """Return the smallest value that at least `share` of all values do not exceed, None for no values.

    >>> quantile([10, 20, 30, 40], 0.5), quantile([10, 20, 30, 40], 0.9)
    (20, 40)
    """
    if not ordered:
        return None
    rank = -(-len(ordered) * round(share * 100) // 100)
    return ordered[max(1, rank) - 1]
