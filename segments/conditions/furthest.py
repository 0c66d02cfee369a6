"""The match of a sequence that got furthest: which events serve its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segments.events import Event
from segments.features.base import join_value
from segments.fields import Getter
from segments.selectors import EventSelector

Match = tuple[Event, ...]  # the events that serve the first steps, in order


def furthest_match(
    steps: Sequence[EventSelector], read: Getter | None, window: int, events: Sequence[Event], now: int
) -> Match:
    """Return the match with most steps whose first lies in the window (ms) before `now`; of several the newest begun.

    `read` gives the property that joins the steps, None when there is none; events are given by time.
    """
    matches: dict[Any, list[Match]] = {}
    for event in events:
        value = "" if read is None else join_value(read(event.properties))
        served = [index for index, step in enumerate(steps) if step.selects(event)]
        if value is not None and served:
            _serve(matches.setdefault(value, [()] * len(steps)), event, served, window)
    found = [each for value in matches.values() for each in value if each and now < each[0].time + window]
    return max(found, key=lambda each: (len(each), each[0].time), default=())


def _serve(best: list[Match], event: Event, served: Sequence[int], window: int) -> None:
    """Let an event serve its steps; `best` holds for each step the match that got so far and began last."""
    for index in reversed(served):  # later steps first, so that one event serves one step of a match
        before = best[index - 1] if index else ()
        begun = event.time if not index else before[0].time if before else None
        if begun is not None and event.time - begun < window and (not best[index] or begun >= best[index][0].time):
            best[index] = (*before, event)
