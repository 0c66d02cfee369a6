"""Memory in pages of 2 MiB: much of a step waits for memory, and part of that for the tables that say where it lies.

Python's allocator takes memory by the MiB and never asks for huge pages, and Linux by itself would need minutes.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)
_SYSTEM = Path("/sys/kernel/mm/transparent_hugepage")
_REGIONS = Path("/proc/self/smaps")
_COLLAPSE = 25  # MADV_COLLAPSE, since Linux 6.1
_IN_USE = 0.75  # of a region at least: else it would take memory that nobody asked for, as of the stacks of threads
_EVERY_S = 5.0
_LONGEST_S = 0.1  # of CPU, each time
_NAME = "huge-pages"

Collapse = Callable[[int, int], int]


class Region(NamedTuple):
    """A stretch of this process's memory; all in bytes, `resident` and `huge` are how much of it is, and is so."""

    start: int
    end: int
    resident: int
    huge: int


def keep_on_huge_pages(system: Path = _SYSTEM) -> threading.Thread | None:
    """Start a thread that moves this process's large memory to huge pages, a little every 5 s, as long as it grows.

    There is one in a process. None is returned where Linux is not to use them (`transparent_hugepage/enabled` is
    `never`), or where this is no Linux.
    """
    for thread in threading.enumerate():
        if thread.name == _NAME:
            return thread
    page = _page_size(system)
    if page is None:
        return None
    thread = threading.Thread(target=_keep, args=(page,), name=_NAME, daemon=True)
    thread.start()
    return thread


def move_all() -> None:
    """Move all of this process's large memory now: what the thread comes to within minutes, for measurements."""
    page = _page_size(_SYSTEM)
    if page is not None:
        move(_own_regions(), page, system_collapse(), lambda: 0.0)


def move(regions: Iterable[Region], page: int, collapse: Collapse, clock: Callable[[], float]) -> bool:
    """Move what is not on huge pages of `page` bytes yet; returns False when this Linux refuses each time.

    It ends after 0.1 s, and goes on the next time.
    """
    until, refused, moved = clock() + _LONGEST_S, 0, 0
    for region in regions:
        if region.resident - region.huge < page or region.resident < _IN_USE * (region.end - region.start):
            continue
        first = -(-region.start // page) * page
        for start in range(first, region.end - page + 1, page):
            error = collapse(start, page)
            moved += error == 0
            refused += error == errno.EINVAL
            if clock() > until:
                return moved > 0 or not refused
    return moved > 0 or not refused


def regions_of(lines: Iterable[str]) -> Iterator[Region]:
    """Yield the regions of `/proc/self/smaps` that are of no file, and are no stack.

    >>> lines = ["7f00-7f80 rw-p 00000000 00:00 0 ", "Rss:     64 kB", "AnonHugePages:     0 kB", "VmFlags: rd wr "]
    >>> list(regions_of([*lines, "8000-9000 rw-p 00000000 00:00 0    [stack]", *lines[1:]]))
    [Region(start=32512, end=32640, resident=65536, huge=0)]
    """
    start, end, resident, is_ours = 0, 0, 0, False
    for line in lines:
        first, *rest = line.split()
        if first == "Rss:":
            resident = int(rest[0]) * 1024
        elif first == "AnonHugePages:" and is_ours:
            yield Region(start, end, resident, int(rest[0]) * 1024)
        elif not first.endswith(":"):
            start, end = (int(each, 16) for each in first.split("-"))
            is_ours = rest[0] == "rw-p" and rest[3] == "0" and rest[4:] in ([], ["[heap]"])


def _keep(page: int) -> None:
    collapse, stopped = system_collapse(), threading.Event()  # which is never set: the thread ends with the process
    while not stopped.wait(_EVERY_S):
        if not move(_own_regions(), page, collapse, time.thread_time):
            _log.info("this Linux does not move memory to huge pages (6.1 does): a step takes up to a tenth longer")
            return


def _own_regions() -> list[Region]:
    with _REGIONS.open() as lines:
        return list(regions_of(lines))


def _page_size(system: Path) -> int | None:
    try:
        if "[never]" in (system / "enabled").read_text():
            return None
        return int((system / "hpage_pmd_size").read_text())
    except (OSError, ValueError):
        return None


def system_collapse() -> Collapse:
    """Return a call that moves a range to huge pages and returns 0 or an error's number; it lets other threads run."""
    library = ctypes.CDLL(None, use_errno=True)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def collapse(start: int, size: int) -> int:
        return ctypes.get_errno() if library.madvise(start, size, _COLLAPSE) else 0

    return collapse
