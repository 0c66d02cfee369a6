"""Recorded events for commands that work on all of them, with a bar on stderr where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jobs.cli.errors import BadInput
from segments.mapping import ordered

_STEPS = 200
T = TypeVar("T")


def sorted_events(files: Sequence[Path], mapping: str | None) -> list[bytes]:
    """Return the events of all files by time; raises MappingError, OSError, BadInput when there are none."""
    for path in files:
        if not path.exists():
            raise FileNotFoundError(2, "there is no such file", str(path))
    status = Console(stderr=True).status(f"reading {', '.join(path.name for path in files)}")
    with status:
        events = list(ordered(*files, mapping=mapping))
    if not events:
        raise BadInput(f"{', '.join(map(str, files))}: no event can be read")
    return events


def counted(items: Sequence[T], what: str) -> Iterator[T]:
    """Pass items on, showing how many are done."""
    if not sys.stderr.isatty():
        yield from items
        return
    every = max(1, len(items) // _STEPS)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=len(items))
        for count, item in enumerate(items, 1):
            if count % every == 0:
                progress.update(task, completed=count)
            yield item
