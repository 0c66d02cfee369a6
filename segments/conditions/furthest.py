"""The match of a sequence that got furthest: which events serve its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segments.events import Event
from segments.features.base import join_value
from segments.fields import Getter
from segments.steps import Matches, Steps

Match = tuple[Event, ...]  # the events that serve the first steps, in order


def furthest_match(steps: Steps, read: Getter | None, opens: int, events: Sequence[Event], now: int) -> Match:
    """Return the match with most steps that began at `opens` (ms) or later; of several the newest begun.

    A match after which nothing came for long enough by `now` goes before one that still waits, and one that broke is
    none. `read` gives the property that joins the steps, None when there is none; events are given by time.
    """
    matches: dict[Any, Matches[Event]] = {}
    for event in events:
        served, broken = steps.served(event), steps.broken(event)
        value = "" if read is None else join_value(read(event.properties))
        if value is None:
            for each in matches.values() if broken else ():
                each.take(event, 0, broken)
        elif served or broken:
            matches.setdefault(value, Matches(steps, lambda _: 0)).take(event, served, broken)
    found = [
        (len(match) + (len(match) == steps.count and each.ripe_at(match) <= now), match[0].time, match)
        for each in matches.values()
        for match in [*each.best, *each.ripening]
        if match and match[0].time >= opens
    ]
    return max(found, key=lambda each: each[:2], default=(0, 0, ()))[2]
