"""The preview for a terminal: a table, a line of blocks for each version, samples with their reasons."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.cli.inputs import instant_text, reason_text
from segments.preview.plot import sparkline
from segments.preview.report import History, Moves, Preview, SegmentPreview

_SPARK_WIDTH = 60
_OVERLAPS_SHOWN = 5


def print_preview(preview: Preview, title: str, console: Console) -> None:
    """Print everything that people want to see before a release."""
    console.print(title, style="bold", soft_wrap=True)
    if not preview.segments:
        console.print("No segment differs: a release moves nobody, and nothing was replayed.")
        return
    span = f"{instant_text(preview.first)} to {instant_text(preview.last)} UTC"
    console.print(
        f"{_events(preview.events)} of {preview.users:,} users, {span}", markup=False, highlight=False, soft_wrap=True
    )
    if preview.events_before is not None:
        text = "The old version reads events differently (session, timezone or types): "
        console.print(text + _events(preview.events_before), soft_wrap=True)
    console.print(_summary(preview))
    for each in preview.segments:
        console.print(*_segment(each), sep="\n", soft_wrap=True)
    if preview.unchanged:
        console.print(f"\nUnchanged: {', '.join(preview.unchanged)}", soft_wrap=True)


def _events(counts: dict[str, int]) -> str:
    others = [f"{counts[name]:,} {name}" for name in ("duplicates", "late", "rejected") if counts.get(name)]
    return "; ".join([f"{counts.get('applied', 0):,} events applied", *others])


def _summary(preview: Preview) -> Table:
    table = Table()
    for name in ("Segment", ""):
        table.add_column(name, no_wrap=True)
    for name in ("Before", "After", "Enter", "Leave", "Changes a day"):
        table.add_column(name, justify="right")
    for each in preview.segments:
        status = each.status if each.through is None else f"through {each.through}"
        versions = (each.before, each.after)
        counts = [f"{version.members:,}" if version else "-" for version in versions]
        churn = " → ".join(f"{version.changes_per_day:,.1f}" for version in versions if version)
        enters, leaves = Text(f"+{each.enters.users:,}", "green"), Text(f"-{each.leaves.users:,}", "red")
        table.add_row(each.segment, status, *counts, enters, leaves, churn)
    return table


def _segment(each: SegmentPreview) -> Iterable[Text]:
    yield Text(f"\n{each.segment}", "bold")
    highest = max(version.peak for version in (each.before, each.after) if version)
    for name, history in (("before", each.before), ("after", each.after)):
        if history is not None:
            yield _course(name, history, highest)
    yield from _moves("enter", each.enters)
    yield from _moves("leave", each.leaves)
    if each.overlaps:
        yield Text("  overlap: members shared, Jaccard, share of this segment's")
    for other in each.overlaps[:_OVERLAPS_SHOWN]:
        yield Text(f"    {other.segment:<30} {other.shared:>10,}  {other.jaccard:.3f}  {other.share:>6.1%}")
    if len(each.overlaps) > _OVERLAPS_SHOWN:
        yield Text(f"    and {len(each.overlaps) - _OVERLAPS_SHOWN} more, see --format json")


def _course(name: str, history: History, highest: int) -> Text:
    line = sparkline(history.members_over_time, _SPARK_WIDTH, highest)
    return Text(f"  {name:<6} {line} peak {history.peak:,}, mean {history.mean:,.1f}")


def _moves(word: str, moves: Moves) -> Iterable[Text]:
    if not moves.users:
        return
    yield Text(f"  {moves.users:,} would {word}" + (", for example" if moves.sample else ""))
    for user in moves.sample:
        change = "never in it" if user.at is None else f"{instant_text(user.at)} by {user.cause}"
        yield Text(f"    {user.user_id} ({change})")
        for reason in user.because:
            yield Text(f"      {reason_text(reason)}")
