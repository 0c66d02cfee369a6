"""Aggregates over all events ever seen, and points: numbers that only events change."""

from collections.abc import Iterable
from typing import Any

from segments.definitions.selecting import Selector
from segments.events import Event
from segments.features.base import MICROS, SUM_LIMIT, Input, States, to_micros
from segments.fields import getter
from segments.selectors import EventSelector


class EventCount:
    """State: the number of selected events."""

    def __init__(self, selector: EventSelector) -> None:
        self._selector = selector

    @property
    def key(self) -> str:
        return f"number|{self._selector.text}"

    def widen(self, other: "EventCount") -> None:
        """Nothing: a number has no bound."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches = self._selector.matches_routed

        def update(states: States, event: Event, time: int) -> None:
            if matches is None or matches(event):
                states[feature_id] = states.get(feature_id, 0) + 1

        yield Input(self._selector, update)


class Total:
    """State: `[number of events, sum, smallest, largest]`, amounts in millionths."""

    def __init__(self, selector: EventSelector, path: str) -> None:
        self._selector = selector
        self._path = path

    @property
    def key(self) -> str:
        return f"total|{self._selector.text}|{self._path}"

    def widen(self, other: "Total") -> None:
        """Nothing: a total has no bound."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, read = self._selector.matches_routed, getter(self._path)

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            amount = to_micros(read(event.properties))
            if amount is None:
                return
            total = states.get(feature_id)
            if total is None:
                states[feature_id] = [1, amount, amount, amount]
                return
            total[0] += 1
            total[1] = max(-SUM_LIMIT, min(SUM_LIMIT, total[1] + amount))
            total[2] = min(total[2], amount)
            total[3] = max(total[3], amount)

        yield Input(self._selector, update)


class Points:
    """State: `[points, time (ms) they are true at]`; with `half_life` (ms) they halve, without it they only add up."""

    def __init__(self, points: dict[str, float], half_life: int | None) -> None:
        self._points = points
        self._half_life = half_life

    @property
    def key(self) -> str:
        listed = ",".join(f"{name}={points:.15g}" for name, points in sorted(self._points.items()))
        return f"points|{listed}|{self._half_life or ''}"

    def widen(self, other: "Points") -> None:
        """Nothing: the points and the half-life are the key."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        add = _decaying(feature_id, self._half_life) if self._half_life else _plain(feature_id)
        for name, points in self._points.items():
            yield Input(EventSelector(Selector(event=[name])), add(points))


def _plain(feature_id: int) -> Any:
    def adding(points: float) -> Any:
        micros = round(points * MICROS)

        def update(states: States, event: Event, time: int) -> None:
            score = states.get(feature_id)
            if score is None:
                states[feature_id] = [micros, time]
            else:
                score[0] = max(-SUM_LIMIT, min(SUM_LIMIT, score[0] + micros))
                score[1] = time

        return update

    return adding


def _decaying(feature_id: int, half_life: int) -> Any:
    def adding(points: float) -> Any:
        def update(states: States, event: Event, time: int) -> None:
            score = states.get(feature_id)
            if score is None:
                states[feature_id] = [points, time]
                return
            value, last = score
            score[0] = value * 2.0 ** ((last - time) / half_life) + points
            score[1] = time

        return update

    return adding


def total_value(total: list[int] | None, of: str) -> float | None:
    """Return the sum, avg, min or max of a Total's state in its own unit, None where there is none.

    >>> total_value([2, 5_000_000, 1_000_000, 4_000_000], "avg")
    2.5
    """
    if total is None:
        return 0.0 if of == "sum" else None
    if of == "avg":
        return total[1] / total[0] / MICROS
    return total[{"sum": 1, "min": 2, "max": 3}[of]] / MICROS
