"""What a release changes, as lines for people."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from jobs.cli.inputs import instant_text
from segments.control import Release
from segments.definitions import parse_definitions
from segments.models.released import ModelVersion
from segments.models.releasing import challengers, champions
from segments.release_diff import SegmentDiff, release_diff


def show(before: Release | None, planned: Release) -> None:
    """Print which segments differ: live ones, or those of the shadow against the live ones."""
    base = before.definitions if before is not None else None
    changed = release_diff(
        base, planned.shadow if planned.action == "shadow" and planned.shadow else planned.definitions
    )
    for each in changed:
        typer.echo(diff_line(each))
    moved = model_lines(before.models if before is not None else (), planned.models)
    for line in moved:
        typer.echo(line)
    if not changed and not moved:
        typer.echo("no live segment differs")


def scheduled(before: Release | None, planned: Release, now: int) -> str | None:
    """Return what is said of a release that waits for the one before it, which is still to come at `now` (ms).

    >>> first, second = (Release(number, 1795341600000, "") for number in (2, 3))
    >>> scheduled(first, second, 1795341500000)
    'release 2 is still to come, at 2026-11-22 10:00:00 UTC: this one takes its place then, and cannot come before it'
    """
    if before is None or not planned.effective_at == before.effective_at > now:
        return None
    instant = instant_text(before.effective_at)
    return (
        f"release {before.number} is still to come, at {instant} UTC: this one takes its place then, "
        "and cannot come before it"
    )


def kept_already(before: Release | None, planned: Release) -> list[str]:
    """Return the segments that now say `backfill: replay` and did not before; those that lack nothing are told so.

    >>> text = "segments: [{name: a, backfill: replay, when: {count: {event: any, within: 1h, gte: 1}}}]"
    >>> kept_already(Release(1, 0, text.replace("replay", "from_now")), Release(2, 5, text))
    ['a']
    """
    old, new = (_replaying(each.definitions) if each is not None else {} for each in (before, planned))
    return [name for name, replays in new.items() if replays and old.get(name) is False]


def _replaying(text: str) -> dict[str, bool]:
    definitions = parse_definitions(text)
    return {each.name: (each.backfill or definitions.backfill) == "replay" for each in definitions.segments}


def model_lines(before: Sequence[ModelVersion], after: Sequence[ModelVersion]) -> list[str]:
    """Return which versions of models differ, a line each.

    >>> first, second = (ModelVersion("churn", number, "classify", {}, "", "") for number in (1, 2))
    >>> model_lines([first], [second]), model_lines([first], [])
    (['model     churn: 1 -> 2'], ['model     churn: 1 -> none'])
    """
    lines = []
    for kind, of in (("model", champions), ("challenger", challengers)):
        old, new = of(before), of(after)
        for name in dict.fromkeys([*old, *new]):
            one, other = old.get(name), new.get(name)
            if one != other:
                was, becomes = (str(each.version) if each is not None else "none" for each in (one, other))
                change = f"{was} -> {becomes}" if was != becomes else f"{was}, scored at other times"
                lines.append(f"{kind:<9} {name}: {change}")
    return lines


def diff_line(diff: SegmentDiff) -> str:
    """Return one segment's difference as a line.

    >>> diff_line(SegmentDiff("loyal", "changed", "buyer", []))
    'changed   loyal (through buyer)'
    """
    through = f" (through {diff.through})" if diff.through else ""
    return f"{diff.kind:<9} {diff.segment}{through}"
