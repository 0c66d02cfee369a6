"""What the demo plays: ten weeks of a simulated online shop, or the beginning of a real file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from benchmarks.simulator import simulate
from segments.mapping import ordered
from segments.record_times import stamped

START_MS = 1_740_960_000_000  # Monday 2025-03-03, a week before New York's clocks go forward
DAYS = 70.0  # long enough for customers to lapse and churn
SEED = 7
_GUESTS = 6
_GUEST_EVERY = 1_000
_VISITS_UNTIL_KNOWN = 5


def shop_traffic(users: int, events: int) -> Iterator[bytes]:
    """Yield exactly `events` events of the simulated shop, with late, repeated and broken ones among them."""
    guests = events // _GUEST_EVERY
    shop = simulate(users, events - guests, SEED, START_MS, days=DAYS, broken_rate=0.002)
    return islice(with_guests(shop), events)


def file_traffic(path: Path, mapping: str | None, events: int) -> Iterator[bytes]:
    """Yield the first `events` events of a file by event time; raises MappingError, OSError."""
    return islice(ordered(path, mapping=mapping), events)


def with_guests(events: Iterable[bytes]) -> Iterator[bytes]:
    """Add visits from the shop's kiosks, which tell neither country nor plan until the guest signs up."""
    visits = 0
    for count, event in enumerate(stamped(events), 1):
        yield event.payload
        if count % (_GUEST_EVERY - 1) == 0:
            yield _visit(visits, event.timestamp or START_MS)
            visits += 1


def _visit(number: int, time: int) -> bytes:
    guest, visit = number % _GUESTS, number // _GUESTS
    event = {
        "type": "page",
        "messageId": f"kiosk-{number}",
        "anonymousId": f"kiosk-guest-{guest}",
        "timestamp": time,
        "properties": {"name": "Kiosk"},
    }
    if visit == _VISITS_UNTIL_KNOWN:
        event |= {"type": "identify", "traits": {"plan": "free"}}
    return msgspec.json.encode(event)
