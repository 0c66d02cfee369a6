"""The lines of a partition, put together by user and in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mmap import mmap

from jobs.recording.index import Lines

Timed = tuple[bytes, int]  # an event, and the time (ms) its record counts as written


def by_user(data: mmap | bytes, lines: Lines, misdated: Mapping[int, int]) -> Iterator[list[Timed]]:
    """Yield all events of a user, ordered by time, equal times as in the file; rarely of two users whose crc32 is one.

    The file is read from front to back. `misdated` has the record times of the lines, by offset, whose event lies
    implausibly far from them; all others count as written when they happened.
    """
    users: dict[int, list[tuple[int, bytes, int]]] = {}
    find, size = data.find, len(data)
    for crc, time, offset in zip(lines.crcs, lines.times, lines.offsets, strict=True):
        end = find(b"\n", offset)
        line = data[offset : end if end >= 0 else size]
        event = (time, line, misdated.get(offset, time) if misdated else time)
        known = users.get(crc)
        if known is None:
            users[crc] = [event]
        else:
            known.append(event)
    for events in users.values():
        if len(events) > 1:
            events.sort(key=_time)
        yield [(line, written) for _, line, written in events]


def _time(event: tuple[int, bytes, int]) -> int:
    return event[0]
