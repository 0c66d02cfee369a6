"""What a bar shows of work whose size becomes known as it goes on."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.progress import Progress

from jobs.cli.bars import Bars, _Rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bar_follows_a_total_that_grows_and_says_how_fast() -> None:
    clock, out = Clock(), StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    with Progress(_Rate(), console=console, auto_refresh=False, get_time=clock) as progress:
        show = Bars(progress).of_total("users")
        for second in range(5):
            clock.now = float(second)
            show(second * 1_000, 10_000 + second)
        (task,) = progress.tasks
        assert (task.completed, task.total) == (4_000, 10_004)
        progress.refresh()
    assert "1,000/s" in out.getvalue()


def test_without_a_terminal_nothing_is_shown() -> None:
    Bars(None).of_total("users")(1, 2)
    Bars(None).add("users", 2)(1)
