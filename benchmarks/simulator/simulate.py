"""The simulated shop's traffic as its ingest sees it: ordered by time, but for what networks and clients do to it."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator.broken import BROKEN, Draft, oversized_event
from benchmarks.simulator.sessions import SessionWriter
from benchmarks.simulator.shop import PLACES
from benchmarks.simulator.shoppers import draw_population
from benchmarks.simulator.wire import Clock

_HOUR_MS = 3_600_000
_SESSIONS_A_BLOCK = 1_024
_DUPLICATE_WITHIN_MS = 30_000
_LEFT_FOR_GOOD = 0.003
"""How likely a churned user comes after all, against a user who has not churned."""
_BY_LOCAL_HOUR = np.array(
    [0.2, 0.1, 0.05, 0.05, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 0.75, 0.65, 0.65, 0.7, 0.75, 0.85, 0.95,
     1.0, 0.95, 0.7, 0.4]
)  # fmt: skip
_UTC_HOURS = np.array([place.utc_hours for place in PLACES])


@dataclass(frozen=True, slots=True)
class Disturbances:
    """What share of the records arrives late, very late, twice or broken."""

    late_rate: float
    very_late_rate: float
    duplicate_rate: float
    broken_rate: float
    out_of_order_max_ms: int

    def __post_init__(self) -> None:
        rates = (self.late_rate, self.very_late_rate, self.duplicate_rate, self.broken_rate)
        if min(rates) < 0 or sum(rates) >= 1:
            raise ValueError("rates must be at least 0 and less than 1 in sum")
        if self.out_of_order_max_ms < 1:
            raise ValueError("out_of_order_max_ms must be at least 1")


def simulate(  # noqa: PLR0913 - the rates are keywords that read well where it is called
    users: int,
    events: int,
    seed: int,
    start_ms: int,
    *,
    late_rate: float = 0.01,
    duplicate_rate: float = 0.005,
    broken_rate: float = 0.001,
    very_late_rate: float = 0.001,
    out_of_order_max_ms: int = 4_000,
    days: float | None = None,
    oversized: int = 0,
) -> Iterator[bytes]:
    """Yield exactly `events` records in the order of their arrival; the same arguments give the same bytes.

    Late records are delayed by up to `out_of_order_max_ms`, so newer ones overtake them where traffic is dense; very
    late ones are one hour to a day older than their user's newest event; duplicates are the same bytes again within
    30 s; broken ones go round all kinds of `BROKEN`. `days` squeezes or stretches the traffic to about that much event
    time (None: shoppers' natural pace, about 4 events a user and day). `oversized` records of 5 MiB are spread evenly
    among the rest. Raises ValueError when an argument makes no sense.
    """
    if users < 1 or events < 0 or not 0 <= oversized <= events // 2 or (days is not None and days <= 0):
        raise ValueError("users and days must be positive, events at least 0, oversized at most half of events")
    disturbances = Disturbances(late_rate, very_late_rate, duplicate_rate, broken_rate, out_of_order_max_ms)
    return islice(_Traffic(users, events, seed, start_ms, days, disturbances, oversized).arrivals(), events)


class _Traffic:
    """Sessions begun in a block of time, disturbed, and put in order with what is left over from earlier blocks."""

    def __init__(
        self, users: int, events: int, seed: int, start_ms: int, days: float | None, disturbances: Disturbances,
        oversized: int,
    ) -> None:  # fmt: skip
        self._rng = np.random.default_rng(seed)
        self._people = draw_population(users, start_ms, max(events, 1), days, self._rng)
        self._writer = SessionWriter(self._people, seed)
        self._clock = Clock()
        self._disturbances = disturbances
        self._now = float(start_ms)
        self._weights = np.cumsum(self._people.sessions_a_ms)
        self._busy_until: dict[int, int] = {}
        self._pending: list[tuple[int, int, bytes]] = []
        self._made = 0
        self._broken = 0
        self._oversized_every = events // (oversized + 1) if oversized else 0
        self._oversized_left = oversized

    def arrivals(self) -> Iterator[bytes]:
        """Yield records without end."""
        count = 0
        while True:
            for user, start in self._sessions():
                self._disturb(user, self._writer.write(user, start))
            until = int(self._now)
            self._pending.sort()
            ready = bisect_left(self._pending, (until,))
            for arrival, _, record in self._pending[:ready]:
                count += 1
                if self._oversized_left and count % self._oversized_every == 0:
                    self._oversized_left -= 1
                    yield oversized_event(self._draft(0, arrival))
                yield record
            del self._pending[:ready]

    def _sessions(self) -> Iterator[tuple[int, int]]:
        """Yield the users who come in the next block of time and when; nobody comes while still in a session."""
        total = self._weights[-1] / _BY_LOCAL_HOUR.mean()
        starts = self._now + np.cumsum(self._rng.exponential(1 / total, _SESSIONS_A_BLOCK))
        users = np.searchsorted(self._weights, self._rng.random(_SESSIONS_A_BLOCK) * self._weights[-1], side="right")
        users = np.minimum(users, len(self._weights) - 1)
        self._now = float(starts[-1])
        comes = self._rng.random(_SESSIONS_A_BLOCK) < self._willingness(users, starts)
        busy = self._busy_until
        for user, start in zip(users[comes].tolist(), starts[comes].astype(np.int64).tolist(), strict=True):
            if busy.get(user, 0) < start:
                yield user, start

    def _willingness(self, users: NDArray[np.int64], starts: NDArray[np.float64]) -> NDArray[np.float64]:
        hours = (starts / _HOUR_MS + _UTC_HOURS[self._people.place[users]]).astype(np.int64) % 24
        stays = np.where(starts < self._people.leaves_at[users], 1.0, _LEFT_FOR_GOOD)
        return np.asarray(_BY_LOCAL_HOUR[hours] * stays)

    def _disturb(self, user: int, session: list[tuple[int, bytes]]) -> None:
        self._busy_until[user] = session[-1][0]
        rates = self._disturbances
        plain = 1 - rates.very_late_rate - rates.duplicate_rate - rates.broken_rate
        limits = np.cumsum([rates.late_rate, rates.very_late_rate, rates.duplicate_rate, rates.broken_rate]) / plain
        draws = self._rng.random(len(session))
        happens = np.searchsorted(limits, draws, side="right").tolist()
        for (time, record), what in zip(session, happens, strict=True):
            if what == _NOTHING:
                self._arrive(time, record)
            else:
                self._happen(what, user, time, record)

    def _happen(self, what: int, user: int, time: int, record: bytes) -> None:
        rng = self._rng
        if what == _LATE:
            self._arrive(time + int(rng.integers(1, self._disturbances.out_of_order_max_ms + 1)), record)
            return
        self._arrive(time, record)
        if what == _VERY_LATE:
            age = int(rng.integers(_HOUR_MS + 60_000, 24 * _HOUR_MS))
            self._arrive(time + 1, self._writer.old_event(user, time - age))
        elif what == _TWICE:
            self._arrive(time + int(rng.integers(1, _DUPLICATE_WITHIN_MS)), record)
        else:
            build = _BUILDERS[self._broken % len(_BUILDERS)]
            self._arrive(time + 1, build(self._draft(user, time)))
            self._broken += 1

    def _draft(self, user: int, time: int) -> Draft:
        message = self._writer.next_message()
        variant = int(self._rng.integers(0, 1 << 30))
        return Draft(self._clock, time, user, self._writer.context(user, 0), message, variant)

    def _arrive(self, at: int, record: bytes) -> None:
        self._made += 1
        self._pending.append((at, self._made, record))


_LATE, _VERY_LATE, _TWICE, _BROKEN, _NOTHING = range(5)
_BUILDERS = tuple(BROKEN.values())
