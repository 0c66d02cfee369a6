"""Bounds of the population for a preview, which looks at users one by one: found before, over all events by time."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from segments.control import Thresholds
from segments.definitions.model import Definitions
from segments.events import Plausibility
from segments.plan import Plan
from segments.preview.versions import restricted
from segments.replay import Replay


def comparing(side: Definitions) -> Definitions | None:
    """Return the segments that compare with the population, None where there are none.

    >>> from segments.definitions import parse_definitions
    >>> comparing(parse_definitions("segments: [{name: a, when: {recency: {event: any, within: 1h}}}]")) is None
    True
    """
    names = [rule.name for rule in Plan(side).following]
    return restricted(side, names) if names else None


def bounds_of(
    definitions: Definitions,
    events: Iterable[tuple[bytes, int | None]],
    *,
    allowed_lateness: int,
    plausibility: Plausibility,
) -> list[Thresholds]:
    """Return the bounds that a replay of all users' events, in order of time and with record times, finds."""
    run = Replay(definitions, allowed_lateness=allowed_lateness, plausibility=plausibility)
    for _ in run.run(events):
        pass
    return run.found


def in_one(parts: Iterable[list[Thresholds]]) -> list[Thresholds]:
    """Return bounds of several replays as one history, by time."""
    found = sorted((record for part in parts for record in part), key=lambda record: record.effective_at)
    return [replace(record, version=version) for version, record in enumerate(found, 1)]
