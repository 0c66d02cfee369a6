"""What every compiled condition answers: is it true now, and until when does that hold if nothing happens."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from segments.conditions.effects import Effects
from segments.features.base import Feature
from segments.population.bounds import History
from segments.profile import NEVER, Profile

if TYPE_CHECKING:
    from segments.conditions.contributions import Contributing
    from segments.conditions.threshold import PopulationThreshold
    from segments.models.scoring import Scoring

Answer = tuple[bool, int]  # holds now, and the first instant (ms) at which that may change by itself
Ask = Callable[[Profile, int], Answer]
YES: Answer = (True, NEVER)
NO: Answer = (False, NEVER)

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
}
SYMBOL = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "="}


Wanted = tuple[int, str | None]  # a feature's id and its value; None: no state
Value = Callable[[Profile, int], Any]
Bound = Callable[[int], str]  # what a value is compared with at an instant (ms), where that moves


class Fact(NamedTuple):
    """A condition that has a value: how people read it, what it is compared with, what it is for a profile.

    `contributing` finds the events that count in it, `features` are the ids of those that it reads: `compile_condition`
    fills both in.
    """

    text: str
    expected: str
    value: Value
    ask: Ask
    is_score: bool = False
    contributing: Contributing | None = None
    features: tuple[int, ...] = ()
    bound: Bound | None = None


class Check:
    """A compiled condition. `ask` may name an instant that is too early (it is asked again then), never too late.

    `needs` are features without a state of each of which it is false for ever: it need not be asked then. `wants` are
    features with the value of each without which that is so, too. What is `untimed` is never false until an instant;
    what is `steady` names, while it is false, an instant that only events at its own places move.
    """

    __slots__ = ("ask", "effects", "facts", "needs", "steady", "untimed", "wants")

    def __init__(
        self,
        ask: Ask,
        effects: Effects,
        facts: tuple[Fact, ...],
        needs: tuple[int, ...] = (),
        wants: tuple[Wanted, ...] = (),
        *,
        untimed: bool = False,
        steady: bool = False,
    ) -> None:
        self.ask = ask
        self.effects = effects
        self.facts = facts
        self.needs = needs
        self.wants = wants
        self.untimed = untimed
        self.steady = steady


class Builder(Protocol):
    """What a condition may ask of the plan that it is compiled into."""

    timezone: str
    week_starts: str

    def feature(self, feature: Feature) -> int:
        """Register a feature, or widen the one with the same key; returns its id."""
        ...

    def session(self) -> int:
        """Have sessions kept; returns the id of the session feature."""
        ...

    def bounds(self, threshold: PopulationThreshold) -> History:
        """Register a threshold that follows the population; returns its bounds."""
        ...

    def scoring(self, name: str, version: int | None) -> Scoring | None:
        """Have users scored by a model; returns what does that, None while no such version is in force."""
        ...

    def number(self, path: str) -> None:
        """Declare that a property is read as a number, unless the definitions declare it otherwise."""
        ...

    def segment_id(self, name: str) -> int:
        """Return the id of a segment that this condition asks about."""
        ...

    def member_at(self, segment_id: int, profile: Profile, now: int) -> Answer:
        """Say whether the user is in a segment at `now`, which may lie in the future."""
        ...


def needed_by(ask: Ask, feature: int) -> tuple[int, ...]:
    """Return the feature if the condition, which reads it, is false for a user who has no state of it."""
    return (feature,) if ask(Profile(), 0) == NO else ()


def first_false(holds: Callable[[int], bool], guess: int) -> int:
    """Return the first whole number from which `holds` is false, near `guess`; it must change once, from true to false.

    >>> first_false(lambda x: x < 7, 3)
    7
    """
    while holds(guess):
        guess += 1
    while not holds(guess - 1):
        guess -= 1
    return guess


def decay_time(ratio: float, half_life: int) -> int:
    """Return about how long (ms) it takes to halve from `ratio` times a bound down to the bound."""
    return math.ceil(half_life * math.log2(ratio))


def number_text(value: float) -> str:
    """Return a bound as people write it.

    >>> number_text(3.0), number_text(0.25), number_text(1234567)
    ('3', '0.25', '1234567')
    """
    return f"{value:.15g}"


def iterate_facts(checks: list[Check]) -> Iterator[Fact]:
    """Return the facts of several checks in order, each once."""
    seen = set()
    for check in checks:
        for fact in check.facts:
            if (fact.text, fact.expected) not in seen:
                seen.add((fact.text, fact.expected))
                yield fact
