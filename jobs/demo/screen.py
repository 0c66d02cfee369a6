"""What the demo shows: a live picture in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jobs.demo.tally import Tally

_REFRESH_S = 0.25
_LINE_EVERY_S = 3.0
_BAR = 12


class Screen:
    """Shows steps as they are done, and in between the tally: a picture in a terminal, else a line every 3 seconds."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._started = time.monotonic()
        self._live: Live | None = None
        self._shown = 0.0

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Say what is being done, and when it is done how long it took."""
        begin = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(text):
                yield
        else:
            self.console.print(f"... {text}", markup=False)
            yield
        self.say(f"{text}: done in {time.monotonic() - begin:.1f} s")

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show what `update` is given until the end of the block."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def due(self) -> bool:
        """Say whether it is time to call `update` again."""
        pause = _REFRESH_S if self._live is not None else _LINE_EVERY_S
        return time.monotonic() - self._shown >= pause

    def update(self, tally: Tally, doing: str) -> None:
        """Show the tally."""
        self._shown = time.monotonic()
        if self._live is not None:
            self._live.update(_picture(tally, doing), refresh=True)
            return
        self.say(f"{self._shown - self._started:5.0f} s  {doing}: {_counts(tally)}")
        if tally.recent:
            self.say(f"         {tally.recent[-1]}")

    def summary(self, tally: Tally) -> None:
        """Print the table of segments at the end."""
        table = Table("Segment", title="Segments at the end", title_justify="left")
        for name in ("Users inside", "Entered", "Left"):
            table.add_column(name, justify="right")
        for segment in tally.segments:
            numbers = (tally.size(segment), tally.entered[segment], tally.exited[segment])
            table.add_row(segment, *(f"{number:,}" for number in numbers))
        self.console.print(table)


def _counts(tally: Tally) -> str:
    progress = tally.progress
    parts = [f"sent {progress.sent:,} ({progress.events_per_s:,.0f}/s)"]
    if tally.processed is not None:
        parts.append(f"processed {tally.processed:,}")
    parts += [
        f"changes {tally.changes:,}",
        f"dead letters {tally.dead_letters:,}",
        f"late {tally.late:,}",
        f"latency {tally.latency.text()}",
        f"event time {tally.event_time()}",
    ]
    return ", ".join(parts)


def _picture(tally: Tally, doing: str) -> Group:
    heading = Text(doing, "bold cyan")
    return Group(heading, Text(_counts(tally)), _sizes(tally), *(_told(line) for line in tally.recent))


def _told(line: str) -> Text:
    colour = "green" if " entered " in line else "red"
    return Text(line, colour, no_wrap=True, overflow="ellipsis")


def _sizes(tally: Tally) -> Table:
    """Return the segments in two columns: name, users inside, and a bar against the largest."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    largest = max(1, *map(tally.size, tally.segments))
    half = (len(tally.segments) + 1) // 2
    cells = [_cells(tally, segment, largest) for segment in tally.segments] + [("", "", Text(""))] * half
    for left, right in zip(cells[:half], cells[half : 2 * half], strict=True):
        table.add_row(*left, *right)
    return table


def _cells(tally: Tally, segment: str, largest: int) -> tuple[str, str, Text]:
    size = tally.size(segment)
    return segment, f"{size:,}", Text("█" * round(_BAR * size / largest), "cyan")
