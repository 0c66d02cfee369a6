"""An explanation as people read it."""

from __future__ import annotations

import sys
from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.cli.inputs import instant_text, reason_text
from segments.changes import Reason
from segments.explanation import Condition, CountedEvent, Explanation, LastChange, NotCounted, Standing

_WIDTH = 140  # where the output is no terminal


def print_explanation(found: Explanation) -> None:
    """Print the segments, those that the user is in first, and the events that were not counted."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, markup=False, highlight=False)
    release = f", release {found.release}" if found.release > 1 else ""
    console.print(f"User {found.user_id} at {instant_text(found.at)} UTC, after {found.events:,} events{release}")
    console.print(_table(found.segments))
    _print_not_counted(console, found)


def _print_not_counted(console: Console, found: Explanation) -> None:
    if not found.not_counted:
        return
    listed = ", ".join(f"{n:,} {reason}" for reason, n in sorted(Counter(e.reason for e in found.not_counted).items()))
    before = f", and {found.not_counted_more:,} before them" if found.not_counted_more else ""
    console.print(f"Events of this user that were not counted: {listed}{before}")
    for each in found.not_counted:
        console.print(f"  {_event(each)}: {each.reason}: {each.detail}")


def _table(standings: list[Standing]) -> Table:
    table = Table(show_lines=True)
    table.add_column("Segment", no_wrap=True)
    table.add_column("")
    table.add_column("Why: + holds, - does not", ratio=1)
    for standing in sorted(standings, key=lambda each: not each.inside):
        place = Text("in", "bold green") if standing.inside else Text("out", "dim")
        name = Text(standing.segment, "bold" if standing.inside else "")
        table.add_row(name, place, Text("\n".join(_lines(standing))))
    return table


def _lines(standing: Standing) -> list[str]:
    lines = [line for each in standing.conditions for line in _condition(each)]
    if standing.exit_conditions:
        lines += ["leaves when:", *(line for each in standing.exit_conditions for line in _condition(each))]
    if standing.model_version is not None and standing.score is not None:
        lines.append(f"scored {standing.score:g} by {standing.model_version}")
    if standing.confidence < 1:
        lines.append(f"confidence {standing.confidence:g}")
    if standing.warming:
        lines.append("warming: what it reads is being filled in; nobody enters or leaves")
    if standing.last_change is not None:
        lines.append(_last(standing.last_change))
    if standing.next_change_at is not None:
        change = "leaves" if standing.inside else "enters"
        lines.append(f"{change} at {instant_text(standing.next_change_at)} if nothing happens")
    return lines


def _condition(condition: Condition) -> list[str]:
    lines = [reason_text(Reason(condition.condition, condition.expected, condition.value, condition.holds))]
    lines += [f"    {_event(each)}{_adds(each)}" for each in reversed(condition.events)]
    if condition.more:
        lines.append(f"    and {condition.more:,} more before")
    return lines


def _event(event: CountedEvent | NotCounted) -> str:
    return f"{instant_text(event.at)}  {event.event}  {event.message_id or '(no message id)'}"


def _adds(event: CountedEvent) -> str:
    return "" if event.adds is None else f"  {event.adds:g}" if isinstance(event.adds, float) else f"  {event.adds}"


def _last(change: LastChange) -> str:
    cause = change.cause
    by = f"{change.event or 'event'} {cause.message_id or ''}".rstrip() if cause.kind == "event" else cause.kind
    return f"{change.action} at {instant_text(change.at)} by {by}"
