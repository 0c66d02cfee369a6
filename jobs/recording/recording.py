"""A file of events, indexed once, whose users are then handled by several processes that share nothing."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from multiprocessing import get_context
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

from jobs.recording.index import Index, Lines, empty_index, index_block
from jobs.recording.users import Timed, by_user
from segments.events import Plausibility
from segments.mapping import read_events
from segments.record_times import misdated

Users = Iterator[list[Timed]]
Advance = Callable[[int], None]
S = TypeVar("S")
R = TypeVar("R")

_BLOCK = 16 << 20
_PARTITION = 64 << 20  # bytes of events that one task holds in memory
_SMALL = 4 << 20  # bytes below which starting processes takes longer than the work


def default_workers() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class NoEvents(ValueError):
    """The recording holds no event that can be read."""


class Recording:
    """Indexed events, made by `Recording.open` and gone after that context.

    `span` has the first and last instant (ms), None where no event is; `rejected` counts the unreadable ones by reason.
    """

    def __init__(self, name: str, path: Path, pool: Executor | None, index: Index, max_age: int) -> None:
        self._name = name
        self._path = path
        self._pool = pool
        self._partitions = index.partitions
        self._misdated: dict[int, int] = {}
        self.span: tuple[int, int] | None = None
        if index.times:
            found, self.span = misdated(index.times, max_age)
            self._misdated = {index.offsets[place]: written for place, written in found.items()}
        self.rejected = index.rejected
        self.events = len(index.times)

    @staticmethod
    @contextmanager
    def open(
        path: Path,
        mapping: str | None,
        *,
        plausibility: Plausibility,
        workers: int,
        bar: Callable[[str, int], Advance],
        skipped: Counter[str] | None = None,
    ) -> Iterator[Recording]:
        """Index a file; what is no plain NDJSON is written to a temporary file first.

        `bar` begins a progress bar of a name and a size. Raises MappingError, DefinitionErrors, OSError.
        """
        with _as_lines(path, mapping, skipped) as lines, _pool(workers, lines) as pool:
            progress = bar("read", lines.stat().st_size)
            index = _index(lines, pool, plausibility, workers, progress)
            yield Recording(str(path), lines, pool, index, plausibility.max_age)

    def bounds(self) -> tuple[int, int]:
        """Return the first and last instant (ms); raises NoEvents when there is none."""
        if self.span is None:
            raise NoEvents(f"{self._name}: no event could be read ({dict(self.rejected)})")
        return self.span

    def rejected_counts(self) -> Counter[str]:
        """Return the unreadable events as reports count them: all as `rejected`, and by `rejected.REASON`."""
        by_reason = {f"rejected.{reason}": count for reason, count in self.rejected.items()}
        return Counter({"rejected": self.rejected.total(), **by_reason})

    def each(self, work: Callable[[S, Users], R], spec: S, progress: Advance) -> Iterator[R]:
        """Yield `work(spec, users)` for each partition, in no order; `progress` is told the events done.

        `work` is a function of a module; it gets all users of the partition, each with all events by time.
        """
        tasks = [lines for lines in self._partitions if lines]
        if self._pool is None:
            for lines in tasks:
                yield _partition(self._path, work, spec, lines, self._misdated)
                progress(len(lines))
            return
        running: dict[Future[R], int] = {
            self._pool.submit(_partition, self._path, work, spec, lines, self._misdated): len(lines) for lines in tasks
        }
        for done in as_completed(running):
            yield done.result()
            progress(running[done])

    def of_user(self, crc: int) -> list[list[Timed]]:
        """Return the events of the users whose id has this crc32, by time."""
        lines = self._partitions[crc % len(self._partitions)]
        wanted = Lines()
        for place, each in enumerate(lines.crcs):
            if each == crc:
                wanted.crcs.append(crc)
                wanted.times.append(lines.times[place])
                wanted.offsets.append(lines.offsets[place])
        return list(by_user(_opened(self._path), wanted, self._misdated))


def _index(path: Path, pool: Executor | None, plausibility: Plausibility, workers: int, progress: Advance) -> Index:
    size = path.stat().st_size
    partitions = max(1 if pool is None else 2 * workers, -(-size // _PARTITION))
    starts = range(0, size, _BLOCK)
    arguments = [(path, start, min(start + _BLOCK, size), partitions, plausibility) for start in starts]
    blocks: Iterable[Index]
    if pool is None:
        blocks = (index_block(*each) for each in arguments)
    else:
        blocks = pool.map(index_block, *zip(*arguments, strict=True))
    found = empty_index(partitions)
    for (_, start, end, _, _), block in zip(arguments, blocks, strict=True):
        found.extend(block)
        progress(end - start)
    return found


def _partition(path: Path, work: Callable[[S, Users], R], spec: S, lines: Lines, written: dict[int, int]) -> R:
    return work(spec, by_user(_opened(path), lines, written))


_open_files: dict[Path, mmap] = {}


def _opened(path: Path) -> mmap:
    """Return the file's content; a process maps it once, so that its pages stay mapped from task to task."""
    data = _open_files.get(path)
    if data is None:
        with path.open("rb") as file:
            data = _open_files[path] = mmap(file.fileno(), 0, access=ACCESS_READ)
    return data


@contextmanager
def _pool(workers: int, path: Path) -> Iterator[Executor | None]:
    """Give a pool of processes, None where one process is as fast."""
    if workers == 1 or path.stat().st_size < _SMALL:
        yield None
        return
    # spawn: a forked child would inherit the locks of the progress bar's thread
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _as_lines(path: Path, mapping: str | None, skipped: Counter[str] | None) -> Iterator[Path]:
    """Give a plain NDJSON file with the events of any file."""
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file", str(path))
    events: Any = read_events(path, mapping, skipped)
    if mapping is None and not path.name.lower().endswith(".gz"):
        yield path
        return
    with NamedTemporaryFile(prefix="segments-", suffix=".ndjson") as copy:
        for event in events:
            copy.write(event + b"\n")
        copy.flush()
        yield Path(copy.name)
