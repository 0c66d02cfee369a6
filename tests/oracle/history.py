"""All applied events of one user, kept whole: nothing is summed up or forgotten."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.oracle.values import fulfils, key, reach

CALL_NAMES = {"page": "Page Viewed", "screen": "Screen Viewed", "identify": "Identify", "alias": "Alias"}
SESSION_STARTED = "Session Started"
REMEMBERED_MESSAGES = 64
T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """One applied event; `made` marks those the engine makes itself."""

    t: int
    name: str
    raw: dict[str, Any]
    made: bool = False
    verdicts: dict[int, bool] = field(default_factory=dict, compare=False)
    keys: dict[str, Any] = field(default_factory=dict, compare=False)

    def value(self, path: str) -> Any:
        """The property at a path, None where missing."""
        return reach(self.raw.get("properties") or {}, path)

    def key(self, path: str) -> Any:
        """What the property at a path is compared by (remembered: a sequence compares each event with all others)."""
        if path not in self.keys:
            self.keys[path] = key(self.value(path))
        return self.keys[path]

    def matches(self, selector: Any) -> bool:
        """Whether a selector picks this event (remembered by the selector's identity: definitions outlive a run)."""
        if id(selector) not in self.verdicts:
            self.verdicts[id(selector)] = self._matches(selector)
        return self.verdicts[id(selector)]

    def _matches(self, selector: Any) -> bool:
        wanted: dict[str, Any] = {"event": selector} if isinstance(selector, str | list) else selector
        names = wanted.get("event", "any")
        names = names if isinstance(names, list) else [names]
        named = self.name in names or ("any" in names and not self.made)
        return named and all(fulfils(self.value(path), test) for path, test in (wanted.get("where") or {}).items())


@dataclass
class History:
    """The applied events of one user in order of arrival, and the bounds of the newest session."""

    gap: int
    allowed_lateness: int
    events: list[Event] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    session_first: int | None = None
    session_last: int | None = None
    answers: dict[Hashable, Any] = field(default_factory=dict)

    def accepts(self, t: int, raw: dict[str, Any]) -> bool:
        """False for an event that is too late or a duplicate of one of the last that were accepted."""
        if t < self.newest() - self.allowed_lateness:
            return False
        message = raw.get("messageId")
        if message and message in self.messages[-REMEMBERED_MESSAGES:]:
            return False
        self.messages += [message] if message else []
        return True

    def newest(self) -> int:
        """The newest event's time."""
        return max((event.t for event in self.events), default=0)

    def emptied(self) -> "History":
        """The same without events; what was accepted is still known."""
        return History(self.gap, self.allowed_lateness, messages=self.messages)

    def apply(self, t: int, raw: dict[str, Any]) -> None:
        """Add an event, after it `Session Started` where a session begins."""
        self.answers.clear()
        name = CALL_NAMES.get(raw["type"]) or raw["event"]
        self.events.append(Event(t, name, raw))
        if self.session_last is None or t >= self.session_last + self.gap:
            self.session_first = t
            self.events.append(Event(t, SESSION_STARTED, {}, made=True))
        self.session_last = t

    def once(self, question: str, arguments: Any, answer: Callable[[], T]) -> T:
        """The answer to what depends on the events alone: worked out once, forgotten at the next event."""
        name = (question, id(arguments))
        if name not in self.answers:
            self.answers[name] = answer()
        known: T = self.answers[name]
        return known

    def select(self, selector: Any) -> list[Event]:
        """Selected events in order of arrival."""
        return self.once("select", selector, lambda: [event for event in self.events if event.matches(selector)])

    def in_time_order(self) -> list[Event]:
        """All events by time; those of one instant in order of arrival."""
        return self.once("order", None, lambda: sorted(self.events, key=lambda event: event.t))

    def in_newest_session(self) -> list[Event]:
        """Events of the newest session."""
        if self.session_first is None:
            return []
        return [event for event in self.events if event.t >= self.session_first]
