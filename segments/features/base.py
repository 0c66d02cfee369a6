"""What every feature is: one aggregate of a user's events, updated in place, shared by all conditions that read it."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from segments.events import Event
from segments.selectors import EventSelector

States = dict[int, Any]  # feature id -> that feature's state, plain values only
Update = Callable[[States, Event, int], Any]
MICROS = 1_000_000
SUM_LIMIT = 9 * 10**18  # running sums stay inside 64 bits
_LARGEST = 10**12  # amounts beyond +-1e12 are cut to it, so that every sum of micro-units fits in 64 bits


class Input(NamedTuple):
    """One way events reach a feature: a selector, the update to call, and the role that names it."""

    selector: EventSelector
    update: Update | None  # None: what moves the feature is updated elsewhere, this says which rules that can move
    role: str = ""
    watched: bool = False  # the update returns the ids of features it moved in a way that is rare, or None
    always_judged: bool = True  # whether the rules are judged for each such event, or only when the update says so


class Feature(Protocol):
    """One aggregate; two features with the same `key` are the same."""

    @property
    def key(self) -> str:
        """What identifies the aggregate, for ever: it is found again in stored profiles by it."""
        ...

    def widen(self, other: Any) -> None:
        """Keep as much as `other`, a feature with the same key, also needs."""
        ...

    def inputs(self, feature_id: int) -> Iterable[Input]:
        """Return how events reach the state under `feature_id`."""
        ...


def stable_id(key: str) -> int:
    """Return what a feature or segment is found again by in stored profiles, a checksum.

    >>> stable_id("count|Product Viewed")
    1684078594
    """
    return zlib.crc32(key.encode())


def to_micros(value: Any) -> int | None:
    """Return an amount as whole millionths, None when it is no number.

    >>> to_micros(0.1), to_micros("1")
    (100000, None)
    """
    if type(value) is int:
        return max(-_LARGEST, min(_LARGEST, value)) * MICROS
    if type(value) is not float:
        return None
    return round(max(-_LARGEST, min(_LARGEST, value)) * MICROS)


def join_value(value: Any) -> Any:
    r"""Return a value by which events are joined or told apart: a number or a text, None for anything else.

    True and 1 stay different, as in JSON.

    >>> join_value(1), join_value(True), join_value([1])
    (1, '\x00True', None)
    """
    if type(value) is bool:
        return f"\0{value}"
    return storable(value) if isinstance(value, str | int | float) else None


def storable(value: Any) -> Any:
    """Return a value as it may be kept in a profile: scalars, cut texts, short lists; True for anything else.

    >>> storable("x" * 300) == "x" * 256, storable({"a": 1})
    (True, True)
    """
    if type(value) is str:
        return value[:256]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return max(-(1 << 63), min((1 << 63) - 1, value))
    if isinstance(value, list):
        return [storable(item) if not isinstance(item, list) else True for item in value[:64]]
    return True
