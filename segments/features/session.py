"""The newest session of a user and values counted inside it."""

from collections.abc import Iterable

from segments.definitions.selecting import Selector
from segments.events import ANY_EVENT, Event
from segments.features.base import SUM_LIMIT, Input, States, to_micros
from segments.fields import getter
from segments.selectors import EventSelector

SESSION_KEY = "session"
SESSION_ID = 0  # in all plans, whether sessions are kept or not


class SessionSpan:
    """State: `[number, start (ms), last (ms)]` of the newest session. An update says whether a session started."""

    def __init__(self, gap: int) -> None:
        self._gap = gap

    @property
    def key(self) -> str:
        return SESSION_KEY

    def widen(self, other: "SessionSpan") -> None:
        """Nothing: there is one gap for all."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        gap = self._gap

        def update(states: States, event: Event, time: int) -> bool:
            session = states.get(feature_id)
            if session is None:
                states[feature_id] = [1, time, time]
                return True
            if time >= session[2] + gap:
                session[0] += 1
                session[1] = session[2] = time
                return True
            session[2] = time
            return False

        yield Input(EventSelector(Selector(event=[ANY_EVENT])), update)


class SessionTotal:
    """State: `[number of the session, count, sum (millionths)]` of selected events in the newest session."""

    def __init__(self, selector: EventSelector, path: str | None) -> None:
        self._selector = selector
        self._path = path

    @property
    def key(self) -> str:
        return f"session total|{self._selector.text}|{self._path or ''}"

    def widen(self, other: "SessionTotal") -> None:
        """Nothing: a total has no bound."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, read = self._selector.matches_routed, getter(self._path) if self._path else None

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            number = states[SESSION_ID][0]
            amount = to_micros(read(event.properties)) if read else 0
            if amount is None:
                return
            total = states.get(feature_id)
            if total is None or total[0] != number:
                states[feature_id] = [number, 1, amount]
            else:
                total[1] += 1
                total[2] = max(-SUM_LIMIT, min(SUM_LIMIT, total[2] + amount))

        yield Input(self._selector, update)
