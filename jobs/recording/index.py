"""Which line of a file holds which user's event of which instant: found in blocks, with one light parse a line."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segments.events import EventDecoder, Plausibility, RejectedEvent
from segments.profiles import user_checksum


class Lines:
    """Lines of the users of one partition, in the file's order: crc32 of the user, event time (ms), offset in bytes."""

    __slots__ = ("crcs", "offsets", "times")

    def __init__(self) -> None:
        self.crcs = array("I")
        self.times = array("q")
        self.offsets = array("Q")

    def __len__(self) -> int:
        return len(self.times)

    def extend(self, more: Lines) -> None:
        """Take in lines that come later in the file."""
        self.crcs.extend(more.crcs)
        self.times.extend(more.times)
        self.offsets.extend(more.offsets)


@dataclass
class Index:
    """A file's lines by partition, and all times (ms) and offsets in the order of the file."""

    partitions: list[Lines]
    times: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    rejected: Counter[str] = field(default_factory=Counter)

    def extend(self, more: Index) -> None:
        """Take in the index of the next block."""
        for mine, theirs in zip(self.partitions, more.partitions, strict=True):
            mine.extend(theirs)
        self.times.extend(more.times)
        self.offsets.extend(more.offsets)
        self.rejected.update(more.rejected)


def empty_index(partitions: int) -> Index:
    """Return an index of nothing."""
    return Index([Lines() for _ in range(partitions)])


def index_block(path: Path, start: int, end: int, partitions: int, plausibility: Plausibility) -> Index:
    """Return the index of the lines that begin from `start` (bytes) up to and without `end`; raises OSError."""
    found = empty_index(partitions)
    decode = EventDecoder(plausibility=plausibility).decode
    note_time, note_offset = found.times.append, found.offsets.append
    adds = [(each.crcs.append, each.times.append, each.offsets.append) for each in found.partitions]
    for offset, line in lines_of(path, start, end):
        try:
            event = decode(line)
        except RejectedEvent as rejected:
            found.rejected[rejected.reason] += 1
            continue
        crc, time = user_checksum(event.user_id), event.time
        add_crc, add_time, add_offset = adds[crc % partitions]
        add_crc(crc)
        add_time(time)
        add_offset(offset)
        note_time(time)
        note_offset(offset)
    return found


def lines_of(path: Path, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield offset and content of the lines that begin in a range of bytes; empty ones are left out."""
    with path.open("rb") as file:
        if start:
            file.seek(start - 1)
            file.readline()
        offset = file.tell()
        data = file.read(max(0, end - offset))
        if data and not data.endswith(b"\n"):
            data += file.readline()
    for line in data.split(b"\n"):
        content = line.removesuffix(b"\r")
        if content:
            yield offset, content
        offset += len(line) + 1
