"""Recorded events for commands that work on all of them, with a bar on stderr where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jobs.cli.errors import BadInput
from segments.mapping import ordered

_EVERY = 1_000


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


def counted(events: Sequence[bytes], what: str) -> Iterator[bytes]:
    """Pass events on, showing how many are done."""
    if not sys.stderr.isatty():
        yield from events
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=len(events))
        for count, event in enumerate(events, 1):
            if count % _EVERY == 0:
                progress.update(task, completed=count)
            yield event
