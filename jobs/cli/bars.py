"""A bar on stderr for work whose size is known, where stderr is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int], None]
T = TypeVar("T")
_STEPS = 200


class _Rate(ProgressColumn):
    """How much is done in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text, empty until there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Bars:
    """Bars one below the other; each has a name and a size."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def add(self, name: str, size: int) -> Advance:
        """Begin a bar and return what to call with each part that is done."""
        progress = self._progress
        if progress is None:
            return lambda _: None
        task = progress.add_task(name, total=size)
        return lambda done: progress.advance(task, done)

    def of_total(self, name: str) -> Callable[[int, int], None]:
        """Return what to call with how much is done and how much there is; the first call begins the bar."""
        progress, begun = self._progress, list[Task]()

        def show(done: int, total: int) -> None:
            if progress is not None:
                if not begun:
                    number = progress.add_task(name, total=total)
                    begun.extend(task for task in progress.tasks if task.id == number)
                begun[0].total = total  # `update` would forget the rate so far
                progress.update(begun[0].id, completed=done)

        return show


@contextmanager
def bars() -> Iterator[Bars]:
    """Give bars that are gone when the work is done."""
    if not sys.stderr.isatty():
        yield Bars(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    times = (_Rate(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)


def counted(items: Sequence[T], what: str) -> Iterator[T]:
    """Pass items on, showing how many are done."""
    every = max(1, len(items) // _STEPS)
    with bars() as shown:
        advance = shown.add(what, len(items))
        for count, item in enumerate(items, 1):
            yield item
            if count % every == 0:
                advance(every)
