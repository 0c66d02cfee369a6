"""Every condition kind, asked of the whole history at one instant."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tests.oracle.calendar import is_period, opened
from tests.oracle.history import Event, History
from tests.oracle.sequences import matches
from tests.oracle.thresholds import Bounds, reaches
from tests.oracle.values import amount, compares, duration_ms, exact, fulfils, is_number, key, reach

KEPT_NUMBERS = 1_000
KEPT_VALUES = 32
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Arguments = dict[str, Any]


@dataclass
class Asked:
    """What a condition is asked of: the history, the instant, the segments the user is in, the file's defaults."""

    history: History
    now: int
    members: set[str] = field(default_factory=set)
    timezone: str = "UTC"
    week_starts: str = "monday"
    bounds: Bounds = ()

    def opens(self, within: str) -> int:
        """The first instant of a window at `now`."""
        if not is_period(within):
            return self.now - duration_ms(within) + 1
        return opened(within, self.week_starts, zone_of(self.history, self.timezone), self.now)


def holds(condition: dict[str, Any], asked: Asked) -> bool:
    """Whether a condition is true."""
    ((kind, arguments),) = condition.items()
    return KINDS[kind](arguments, asked)


def _windowed(arguments: Arguments, asked: Asked) -> list[Event]:
    start = asked.opens(arguments["within"])
    return [event for event in asked.history.select(arguments) if start <= event.t <= asked.now]


def _numbers(events: list[Event], path: str) -> list[Fraction]:
    chosen = [event for event in events if is_number(event.value(path))]
    newest = sorted(chosen, key=lambda event: event.t)[-KEPT_NUMBERS:]
    return [amount(event.value(path)) for event in newest]


def _aggregate(of: str, events: list[Event], arguments: Arguments) -> bool:
    if of == "count":
        return compares(len(events), arguments)
    if of == "distinct":
        values = [event.value(arguments["property"]) for event in events]
        return compares(len({key(value) for value in values if value is not None}), arguments)
    numbers = _numbers(events, arguments["property"])
    if of == "sum":
        return compares(sum(numbers, Fraction(0)), arguments)
    if not numbers:
        return False
    value = {"avg": sum(numbers) / len(numbers), "min": min(numbers), "max": max(numbers)}[of]
    return compares(value, arguments)


def _in_window(of: str) -> Callable[[Arguments, Asked], bool]:
    return lambda arguments, asked: _aggregate(of, _windowed(arguments, asked), arguments)


def _lifetime(arguments: Arguments, asked: Asked) -> bool:
    return _aggregate(arguments["of"], asked.history.select(arguments), arguments)


def _session(arguments: Arguments, asked: Asked) -> bool:
    if arguments["of"] == "duration":
        first, last = asked.history.session_first, asked.history.session_last
        return first is not None and last is not None and compares(last - first, arguments, duration_ms)
    chosen = [event for event in asked.history.in_newest_session() if event.matches(arguments)]
    return _aggregate(arguments["of"], chosen, arguments)


def _recency(arguments: Arguments, asked: Asked) -> bool:
    times = [event.t for event in asked.history.select(arguments)]
    if not times:
        return False
    x = min(times) if arguments.get("which") == "first" else max(times)
    if "within" in arguments:
        return x >= asked.opens(arguments["within"])
    return x < asked.opens(arguments["not_within"])


def decayed_points(arguments: Arguments, history: History) -> tuple[float, int | None]:
    """The decayed sum as of the newest scoring event's time, and that time (None: nothing scored)."""
    return history.once("points", arguments, lambda: _points_in_order(arguments, history))


def _points_in_order(arguments: Arguments, history: History) -> tuple[float, int | None]:
    half_life = duration_ms(arguments["half_life"])
    total, last = 0.0, None
    for event in history.events:
        points = arguments["points"].get(event.name)
        if points is None:
            continue
        if last is None or event.t >= last:
            total = (0.0 if last is None else total * 2.0 ** (-(event.t - last) / half_life)) + points
            last = event.t
        else:
            total += points * 2.0 ** (-(last - event.t) / half_life)
    return total, last


def _all_points(arguments: Arguments, history: History) -> Fraction:
    return sum((exact(arguments["points"].get(event.name, 0)) for event in history.events), Fraction(0))


def _score(arguments: Arguments, asked: Asked) -> bool:
    if "half_life" not in arguments:
        return compares(
            asked.history.once("total", arguments, lambda: _all_points(arguments, asked.history)), arguments
        )
    total, last = decayed_points(arguments, asked.history)
    if last is not None:
        total *= 2.0 ** (-(asked.now - last) / duration_ms(arguments["half_life"]))
    return compares(total, arguments, float)


def _absence(arguments: Arguments, asked: Asked) -> bool:
    within = duration_ms(arguments["within"])
    lasts = duration_ms(arguments["lasts"]) if "lasts" in arguments else None
    return any(
        a + within <= asked.now and (lasts is None or asked.now < a + within + lasts)
        for a in asked.history.once("open", arguments, lambda: _open_since(arguments, asked.history))
    )


def _open_since(arguments: Arguments, history: History) -> list[int]:
    opened: dict[Any, int] = {}
    still_open: set[Any] = set()
    path = arguments.get("per")
    for event in history.in_time_order():
        value = key(event.value(path)) if path else "all"
        missing = value == key(None)
        if event.matches(arguments["of"]):
            still_open = set() if missing else still_open - {value}
        if event.matches(arguments["after"]) and not missing:
            opened[value] = event.t
            still_open.add(value)
    newest = sorted(opened.items(), key=lambda item: item[1])[-KEPT_VALUES:]
    return [a for value, a in newest if value in still_open]


def _sequence(arguments: Arguments, asked: Asked) -> bool:
    found = asked.history.once("matches", arguments, lambda: matches(arguments, asked.history))
    opens = asked.opens(arguments["within"])
    return any(counts_from <= asked.now and opens <= start for start, counts_from in found)


def _trait(arguments: Arguments, asked: Asked) -> bool:
    value = asked.history.once("trait", arguments, lambda: _newest_trait(arguments["name"], asked.history))
    return fulfils(value, _operator(arguments))


def _newest_trait(path: str, history: History) -> Any:
    for event in reversed(history.in_time_order()):
        for traits in (event.raw.get("traits"), reach(event.raw, "context.traits")):
            value = reach(traits, path)
            if value is not None:
                return value
    return None


def _context(arguments: Arguments, asked: Asked) -> bool:
    value = asked.history.once("context", arguments, lambda: _newest_context(arguments["path"], asked.history))
    return fulfils(value, _operator(arguments))


def _newest_context(path: str, history: History) -> Any:
    for event in reversed(history.in_time_order()):
        value = reach(event.raw.get("context") or {}, path)
        if value is not None:
            return value
    return None


def _operator(arguments: Arguments) -> Arguments:
    return {name: wanted for name, wanted in arguments.items() if name not in ("name", "path")}


def zone_of(history: History, default: str) -> ZoneInfo:
    """The zone of the newest name, the file's where there is none or it names no zone."""
    return history.once("zone", None, lambda: _newest_zone(history)) or ZoneInfo(default)


def _newest_zone(history: History) -> ZoneInfo | None:
    name = _newest_context("timezone", history)
    if not isinstance(name, str):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def on_the_clock(arguments: Arguments, zone: ZoneInfo, now: int) -> bool:
    """Whether an instant lies in the hours and days on a zone's clock."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now)).astimezone(zone)
    if "days" in arguments and DAYS[local.weekday()] not in arguments["days"]:
        return False
    if "hours" not in arguments:
        return True
    start, end = arguments["hours"].split("-")
    clock = f"{local.hour:02}:{local.minute:02}"
    return bool(start <= clock < end if start <= end else clock >= start or clock < end)


def _local_time(arguments: Arguments, asked: Asked) -> bool:
    return on_the_clock(arguments, zone_of(asked.history, asked.timezone), asked.now)


KINDS: dict[str, Callable[[Any, Asked], bool]] = {
    **{of: _in_window(of) for of in ("count", "sum", "avg", "min", "max", "distinct")},
    "recency": _recency,
    "lifetime": _lifetime,
    "score": _score,
    "session": _session,
    "absence": _absence,
    "sequence": _sequence,
    "trait": _trait,
    "context": _context,
    "local_time": _local_time,
    "threshold": lambda arguments, asked: reaches(arguments, asked.history, asked.now, asked.opens, asked.bounds),
    "all": lambda parts, asked: all(holds(part, asked) for part in parts),
    "any": lambda parts, asked: any(holds(part, asked) for part in parts),
    "not": lambda part, asked: not holds(part, asked),
    "segment": lambda name, asked: name in asked.members,
}
