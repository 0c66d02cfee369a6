"""What recency, frequency and monetary value are made of: first and last purchase, days with one, amounts."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from segments.events import Event
from segments.features.base import SUM_LIMIT, Input, States, to_micros
from segments.fields import getter
from segments.selectors import EventSelector

_DAY_MS = 86_400_000


class Purchases:
    """State: `[first (ms), last (ms), days, newest day, amount on the first day, amount in all]`, in millionths.

    A day is one of the calendar in `zone`; several events of one day are one purchase. Without `path` amounts are 0.
    """

    def __init__(self, selector: EventSelector, path: str | None, zone: str) -> None:
        self._selector = selector
        self._path = path
        self._zone = zone

    @property
    def key(self) -> str:
        return f"purchases|{self._selector.text}|{self._path or ''}|{self._zone}"

    def widen(self, other: "Purchases") -> None:
        """Nothing: totals have no bound."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, read = self._selector.matches_routed, getter(self._path) if self._path else None
        zone = None if self._zone == "UTC" else ZoneInfo(self._zone)

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            day = time // _DAY_MS if zone is None else datetime.fromtimestamp(time / 1_000, zone).toordinal()
            amount = (to_micros(read(event.properties)) or 0) if read else 0
            state = states.get(feature_id)
            if state is None:
                states[feature_id] = [time, time, 1, day, amount, amount]
                return
            state[1] = time
            if day != state[3]:
                state[2] += 1
                state[3] = day
            state[5] = max(-SUM_LIMIT, min(SUM_LIMIT, state[5] + amount))
            if state[2] == 1:
                state[4] = state[5]

        yield Input(self._selector, update)
