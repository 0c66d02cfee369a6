"""Counted funnels: how many users, or values of a property, came how far through ordered steps, and how fast."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from segments.calendar import window_text
from segments.definitions.model import Condition, Definitions, Segment
from segments.definitions.steps import Sequence as Written
from segments.events import Plausibility
from segments.profile import NEVER
from segments.steps import Steps

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
    undecided: bool = False


class StepReport(msgspec.Struct, frozen=True):
    """One step: `units` that reached it (users, or values of `per`), the share of those before and of the first step.

    The times are those from the step before, in ms; None for the first step and where nobody came. `undecided` got as
    far as the step before, and the recording ends before it is known whether something comes that must not.
    """

    step: str
    users: int
    units: int
    lost: int
    undecided: int
    of_previous: float | None
    of_first: float | None
    median_ms: int | None
    p90_ms: int | None


class FunnelReport(msgspec.Struct, frozen=True):
    """A counted funnel; `breakdown` has for each value of `by` the units that reached each step.

    `within_ms` is None where the window is a period of the calendar.
    """

    within_ms: int | None
    within: str
    per: str | None
    by: str | None
    first: int
    last: int
    users: int
    events: dict[str, int]
    steps: list[StepReport]
    breakdown: dict[str, list[int]]


class FunnelQuestion(msgspec.Struct, frozen=True):
    """Definitions whose only use is the sequence to count, and the trait or context path to break it down by.

    `until` is the last instant (ms) of which the events are known.
    """

    definitions: Definitions
    plausibility: Plausibility
    by: str | None = None
    until: int = NEVER

    @property
    def sequence(self) -> Written:
        """Return the steps to count."""
        return sequences(self.definitions.segments[0])[0]


class FunnelTally(msgspec.Struct):
    """The sum over users: those who reached each step, the same for units and by value, and the times between steps."""

    users: int
    reached_users: list[int]
    reached_units: list[int]
    undecided: int
    gaps: list[array[int]]
    breakdown: dict[str, list[int]]
    counts: Counter[str]

    def add(self, other: FunnelTally) -> None:
        """Add another part's users."""
        self.users += other.users
        self.reached_users = [a + b for a, b in zip(self.reached_users, other.reached_users, strict=True)]
        self.reached_units = [a + b for a, b in zip(self.reached_units, other.reached_units, strict=True)]
        self.undecided += other.undecided
        for mine, theirs in zip(self.gaps, other.gaps, strict=True):
            mine.extend(theirs)
        for value, reached in other.breakdown.items():
            known = self.breakdown.get(value, [0] * len(reached))
            self.breakdown[value] = [a + b for a, b in zip(known, reached, strict=True)]
        self.counts.update(other.counts)


def sequences(segment: Segment) -> list[Written]:
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
    definitions: Definitions, sequence: Written, plausibility: Plausibility, by: str | None = None
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
    steps = len(Steps(question.sequence).texts)
    gaps = [array("q") for _ in range(steps - 1)]
    return FunnelTally(0, [0] * steps, [0] * steps, 0, gaps, {}, Counter())


def funnel_report(question: FunnelQuestion, tally: FunnelTally, span: tuple[int, int]) -> FunnelReport:
    """Return the report; `span` has the first and the last instant (ms) of the recording."""
    sequence = question.sequence
    steps = [_step(tally, number, text) for number, text in enumerate(Steps(sequence).texts)]
    largest = sorted(tally.breakdown.items(), key=lambda each: (-each[1][0], each[0]))
    return FunnelReport(
        sequence.within if isinstance(sequence.within, int) else None,
        window_text(sequence.within),
        sequence.per,
        question.by,
        *span,
        tally.users,
        dict(tally.counts),
        steps,
        dict(largest),
    )


def _step(tally: FunnelTally, number: int, text: str) -> StepReport:
    units = tally.reached_units[number]
    first = tally.reached_units[0]
    before = tally.reached_units[number - 1] if number else first
    undecided = tally.undecided if number + 1 == len(tally.reached_units) else 0
    gaps = sorted(tally.gaps[number - 1]) if number else []
    return StepReport(
        step=text,
        users=tally.reached_users[number],
        units=units,
        lost=before - units - undecided,
        undecided=undecided,
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
