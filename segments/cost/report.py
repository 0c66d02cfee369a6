"""What `segments cost` says, as programs read it."""

from __future__ import annotations

from typing import Any

import msgspec


class SegmentCost(msgspec.Struct, frozen=True):
    """One segment: bytes of state a user, work an event. What it shares with others counts in equal parts for each.

    `alone` figures count shared features in full; `bytes_bound` is what the definition guarantees, shared ones in full.
    """

    segment: str
    bytes_mean: float
    bytes_p99: float
    bytes_alone_mean: float
    bytes_alone_max: int
    bytes_bound: int
    shared_with: list[str]
    updates_per_event: float
    asks_per_event: float
    us_per_event: float
    us_alone: float


class CostReport(msgspec.Struct, frozen=True):
    """All segments of a file, measured on recorded data; the segments' parts and the base add up to the whole."""

    file: str
    events: int
    users: int
    timed_events: int
    profile_bytes_mean: float
    base_bytes_mean: float
    us_per_event: float
    base_us_per_event: float
    segments: list[SegmentCost]


def cost_schema() -> dict[str, Any]:
    """Return the JSON Schema of what `segments cost --format json` prints.

    >>> cost_schema()["$ref"]
    '#/$defs/CostReport'
    """
    return msgspec.json.schema(CostReport)
