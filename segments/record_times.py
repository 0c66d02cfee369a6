"""When the records of a file were written: the running maximum of plausible event times."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

_DAY = 86_400_000


class _Timed(msgspec.Struct, gc=False):
    timestamp: int | float | str | None = None


_decode = msgspec.json.Decoder(_Timed).decode


def event_time(payload: bytes) -> int | None:
    """Return an event's time in ms, None when it has none that can be read.

    >>> event_time(b'{"timestamp": "2026-11-22T10:00:00Z"}'), event_time(b"x")
    (1795341600000, None)
    """
    try:
        value = _decode(payload).timestamp
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000
        return None if value is None else round(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError):
        return None


def with_record_times(events: Iterable[bytes], max_ahead: int = _DAY) -> Iterator[tuple[bytes, int | None]]:
    """Return each event with the time (ms) its record counts as written; None before the first readable time.

    A jump of more than `max_ahead` is a gap in the file when the next timed event is there too, else a wrong timestamp.
    The player writes Kafka records with these times, so a replay of the file judges timestamps as the job did.

    >>> [at for _, at in with_record_times([b'{"timestamp": 5}', b'{"timestamp": 999999999999}', b'{"timestamp": 6}'])]
    [5, 5, 6]
    """
    newest: int | None = None
    held: list[tuple[bytes, int | None]] = []  # a jump, and untimed events after it, until the next timed event judges
    for payload in events:
        time = event_time(payload)
        if held:
            if time is None:
                held.append((payload, None))
                continue
            jump = held[0][1]
            if newest is None or (jump is not None and time > newest + max_ahead):
                newest = jump
            yield from ((waiting, newest) for waiting, _ in held)
            held = []
        if time is not None and newest is not None and time > newest + max_ahead:
            held = [(payload, time)]
            continue
        if time is not None:
            newest = time if newest is None else max(newest, time)
        yield payload, newest
    yield from ((waiting, newest) for waiting, _ in held)
