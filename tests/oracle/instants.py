"""Every instant at which something could change by itself, named generously: a superfluous one only costs time."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.calendar import boundaries, is_period
from tests.oracle.conditions import decayed_points, on_the_clock, zone_of
from tests.oracle.history import History
from tests.oracle.values import compares, duration_ms

DURATION_NAMES = frozenset({"within", "not_within", "lasts", "min_dwell"})
MINUTE, HOUR = 60_000, 3_600_000
FAR = 200 * 365 * 24 * HOUR


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """All mappings inside a definition."""
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from walk(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from walk(inner)


def is_duration(value: Any) -> bool:
    """Whether what stands under a duration's name is one: a text, and no period of the calendar."""
    return isinstance(value, str) and not is_period(value)


def durations(definitions: Any) -> set[int]:
    """All durations a definition names, and `within + lasts`."""
    found: set[int] = set()
    for node in walk(definitions):
        named = {name: duration_ms(node[name]) for name in DURATION_NAMES & node.keys() if is_duration(node[name])}
        found.update(named.values())
        if "lasts" in named:
            found.add(named["within"] + named["lasts"])
    return found


def candidates(definitions: Any, history: History, after: int, until: int) -> set[int]:
    """Instants in `after < s <= until` that follow from the events applied so far."""
    lengths = durations(definitions)
    found = {event.t + length for event in history.events for length in lengths}
    for node in walk(definitions):
        if isinstance(node.get("score"), dict) and "half_life" in node["score"]:
            found.update(_score_crossing(node["score"], history, after))
        if isinstance(node.get("confidence"), dict):
            found.update(_confidence_end(node["confidence"], history))
        zone = zone_of(history, definitions.get("timezone", "UTC"))
        if isinstance(node.get("local_time"), dict):
            found.update(_local_boundaries(node["local_time"], zone, after, until))
        for name in ("within", "not_within"):
            if isinstance(node.get(name), str) and is_period(node[name]):
                starts = definitions.get("week_starts", "monday")
                found.update(boundaries(node[name], starts, zone, after, until))
    return {instant for instant in found if after < instant <= until}


def _score_crossing(arguments: dict[str, Any], history: History, after: int) -> Iterator[int]:
    total, last = decayed_points(arguments, history)
    half_life = duration_ms(arguments["half_life"])
    if last is not None:
        yield first_false(
            lambda now: compares(total * 2.0 ** (-(now - last) / half_life), arguments, float), max(after, last)
        )


def confidence_below(confidence: dict[str, Any], history: History, now: int) -> bool:
    """Whether the decayed confidence is below its limit."""
    newest = _newest_refresh(confidence, history)
    if newest is None:
        return False
    faded: float = 2.0 ** (-(now - newest) / duration_ms(confidence["half_life"]))
    return bool(faded < confidence["leave_below"])


def _newest_refresh(confidence: dict[str, Any], history: History) -> int | None:
    return max((event.t for event in history.select(confidence.get("refreshed_by", "any"))), default=None)


def _confidence_end(confidence: dict[str, Any], history: History) -> Iterator[int]:
    newest = _newest_refresh(confidence, history)
    if newest is not None:
        yield first_false(lambda now: not confidence_below(confidence, history, now), newest)


def first_false(test: Any, start: int) -> int:
    """The first instant from `start` on at which a test that turns false once is false (FAR ms on at most)."""
    low, high = start, start + FAR
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if test(middle) else (low, middle)
    return low


def _local_boundaries(arguments: dict[str, Any], zone: ZoneInfo, after: int, until: int) -> Iterator[int]:
    minutes = {int(end[3:5]) for end in arguments.get("hours", "00:00-00:00").split("-")} | {0}
    shifted = {(minute + offset) % 60 for minute in minutes for offset in (0, 15, 30, 45)}
    for hour in range(after // HOUR * HOUR, until + 1, HOUR):
        for instant in (hour + minute * MINUTE for minute in shifted):
            if on_the_clock(arguments, zone, instant) != on_the_clock(arguments, zone, instant - 1):
                yield instant
