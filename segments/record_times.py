"""When the records of a file count as written: the running maximum of their plausible event times."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from statistics import median_low
from typing import NamedTuple

from segments.events import EventDecoder, RejectedEvent

_LOOK_AHEAD = 16
_HOUR_MS = 3_600_000
_TRUSTED_JUMP_MS = 12 * _HOUR_MS
_YEAR_MS = 365 * 24 * _HOUR_MS


class Stamped(NamedTuple):
    """A record to be: `key` is the user's id, None when unreadable; `timestamp` in ms, None while no time was read."""

    payload: bytes
    key: bytes | None
    timestamp: int | None


def stamped(events: Iterable[bytes]) -> Iterator[Stamped]:
    """Yield each event with its record's key and timestamp: the running maximum of the plausible event times.

    A time far ahead counts only when most of the next 16 events confirm it, so one broken clock does not make all that
    follows look years late, while a pause in the data passes.
    """
    parsed = _parsed(events)
    window = deque(islice(parsed, _LOOK_AHEAD))
    newest = _first_time([event_time for _, _, event_time in window if event_time is not None])
    while window:
        payload, key, event_time = window.popleft()
        following = next(parsed, None)
        if following is not None:
            window.append(following)
        if event_time is not None and (newest is None or event_time > newest):
            ahead = 0 if newest is None else event_time - newest
            if ahead <= _TRUSTED_JUMP_MS or _confirmed(event_time, ahead, window):
                newest = event_time
        yield Stamped(payload, key, newest)


def misdated(times: Sequence[int], max_age: int) -> tuple[dict[int, int], tuple[int, int]]:
    """Return the record times (ms) of the places whose event lies ahead of them or more than `max_age` ms behind.

    With them come the first and the last instant of all others. The record times are those of `stamped`; `times` are
    in the order of the file, and there is at least one.

    >>> misdated([1795341600000, 4000000000000, 1795341600007], 86_400_000)
    ({1: 1795341600000}, (1795341600000, 1795341600007))
    """
    newest = first = _first_time(times[:_LOOK_AHEAD]) or 0
    found: dict[int, int] = {}
    for place, time in enumerate(times):
        if time <= newest:
            if newest - time > max_age:
                found[place] = newest
            elif time < first:
                first = time
        elif time - newest <= _TRUSTED_JUMP_MS or _confirmed(time, time - newest, _following(times, place)):
            newest = time
        else:
            found[place] = newest
    return found, (first, newest)


def _following(times: Sequence[int], place: int) -> Iterator[tuple[bytes, None, int]]:
    return ((b"", None, time) for time in times[place + 1 : place + 1 + _LOOK_AHEAD])


def _first_time(times: Sequence[int]) -> int | None:
    """Return the earliest time that is not years away from the typical one; None when there is none at all."""
    if not times:
        return None
    typical = median_low(times)
    return min(at for at in times if abs(at - typical) <= _YEAR_MS)


def _confirmed(event_time: int, ahead: int, window: Iterable[tuple[bytes, bytes | None, int | None]]) -> bool:
    following = [later for _, _, later in window if later is not None]
    if not following:
        return ahead <= _YEAR_MS
    agreeing = sum(abs(later - event_time) <= _TRUSTED_JUMP_MS or later > event_time for later in following)
    return 2 * agreeing > len(following)


def _parsed(events: Iterable[bytes]) -> Iterator[tuple[bytes, bytes | None, int | None]]:
    decode = EventDecoder().decode
    for payload in events:
        try:
            event = decode(payload)
            yield payload, event.user_id.encode(), event.time
        except (RejectedEvent, UnicodeEncodeError):
            yield payload, None, None


def with_record_times(events: Iterable[bytes]) -> Iterator[tuple[bytes, int | None]]:
    """Return each event with the time (ms) its record counts as written; None before the first readable time.

    The player writes Kafka records with these times, so a replay of the file judges timestamps as the job did.

    >>> page = b'{"type": "page", "userId": "u", "timestamp": %d}'
    >>> [at for _, at in with_record_times([page % 1795341600000, page % 4000000000000, page % 1795341600001])]
    [1795341600000, 1795341600000, 1795341600001]
    """
    return ((record.payload, record.timestamp) for record in stamped(events))


def event_time(payload: bytes) -> int | None:
    """Return an event's time in ms, None when it is no event.

    >>> event_time(b'{"type": "page", "userId": "u", "timestamp": "2026-11-22T10:00:00Z"}'), event_time(b"x")
    (1795341600000, None)
    """
    return next(time for _, _, time in _parsed([payload]))
