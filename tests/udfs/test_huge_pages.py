"""Which memory is moved to huge pages, and when that is left alone."""

from __future__ import annotations

import errno
import mmap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from udfs import huge_pages
from udfs.huge_pages import Region, keep_on_huge_pages, move, move_all, regions_of, system_collapse

PAGE = 2 * 1024 * 1024
SYSTEM = Path("/sys/kernel/mm/transparent_hugepage/enabled")


class Kernel:
    """Notes what it is asked to move; each call takes so long on the clock."""

    def __init__(self, error: int = 0, takes: float = 0.0) -> None:
        self.asked: list[int] = []
        self.now = 0.0
        self._error = error
        self._takes = takes

    def collapse(self, start: int, size: int) -> int:
        assert size == PAGE
        self.asked.append(start)
        self.now += self._takes
        return self._error

    def move(self, *regions: Region) -> bool:
        return move(regions, PAGE, self.collapse, lambda: self.now)


def test_whole_pages_inside_of_a_region_are_moved() -> None:
    kernel = Kernel()
    assert kernel.move(Region(PAGE - 4096, 4 * PAGE - 4096, 3 * PAGE, 0))
    assert kernel.asked == [PAGE, 2 * PAGE]


@pytest.mark.parametrize(
    "region",
    [
        Region(0, 8 * PAGE, 8 * PAGE, 8 * PAGE - 4096),
        Region(0, 8 * PAGE, 5 * PAGE, 0),
        Region(4096, PAGE, PAGE - 4096, 0),
    ],
    ids=["on huge pages", "mostly unused", "small"],
)
def test_other_memory_is_left_alone(region: Region) -> None:
    kernel = Kernel()
    assert kernel.move(region)
    assert kernel.asked == []


def test_it_goes_on_another_time_after_a_tenth_of_a_second() -> None:
    kernel = Kernel(takes=0.03)
    assert kernel.move(Region(0, 100 * PAGE, 100 * PAGE, 0))
    assert len(kernel.asked) == 4


@pytest.mark.parametrize(("error", "goes_on"), [(errno.EINVAL, False), (errno.EAGAIN, True), (errno.ENOMEM, True)])
def test_a_linux_that_cannot_is_told_from_one_that_has_no_memory_just_now(error: int, *, goes_on: bool) -> None:
    assert Kernel(error).move(Region(0, 4 * PAGE, 4 * PAGE, 0)) is goes_on


@pytest.mark.parametrize("setting", ["always madvise [never]", None], ids=["never", "no Linux"])
def test_there_is_no_thread_where_huge_pages_are_not_wanted(tmp_path: Path, setting: str | None) -> None:
    running = {thread.name for thread in threading.enumerate()}
    if "huge-pages" in running:
        pytest.skip("this process has the thread already")
    if setting is not None:
        (tmp_path / "enabled").write_text(setting)
        (tmp_path / "hpage_pmd_size").write_text(f"{PAGE}")
    assert keep_on_huge_pages(tmp_path) is None


def test_there_is_one_thread_in_a_process(tmp_path: Path) -> None:
    (tmp_path / "enabled").write_text("always [madvise] never")
    (tmp_path / "hpage_pmd_size").write_text(f"{PAGE}")
    first, second = keep_on_huge_pages(tmp_path), keep_on_huge_pages(tmp_path)
    assert first is second
    assert first is not None
    assert first.daemon


@pytest.fixture
def memory() -> Iterator[mmap.mmap]:
    with mmap.mmap(-1, 16 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(bytes(16 * PAGE))
        yield memory


def own_regions() -> list[Region]:
    with Path("/proc/self/smaps").open() as lines:
        return list(regions_of(lines))


@pytest.mark.usefixtures("memory")
def test_linux_moves_what_it_is_asked_to() -> None:
    if not SYSTEM.exists() or "[never]" in SYSTEM.read_text():
        pytest.skip("huge pages are not to be used on this machine")
    collapse, moved = system_collapse(), list[int]()

    def noting(start: int, size: int) -> int:
        error = collapse(start, size)
        if error == 0:
            moved.append(start)
        return error

    before = own_regions()
    move(before, PAGE, noting, lambda: 0.0)
    if not moved:
        pytest.skip("this Linux is older than 6.1, or no huge page is free")
    assert sum(region.huge for region in own_regions()) > sum(region.huge for region in before)


def test_for_a_measurement_all_is_moved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(takes=0.03)
    monkeypatch.setattr(huge_pages, "_page_size", lambda _: PAGE)
    monkeypatch.setattr(huge_pages, "_own_regions", lambda: [Region(0, 100 * PAGE, 100 * PAGE, 0)])
    monkeypatch.setattr(huge_pages, "system_collapse", lambda: kernel.collapse)
    move_all()
    assert len(kernel.asked) == 100
