"""Every match of a sequence, found by trying all events for every step."""

from collections.abc import Iterator
from typing import Any

from tests.oracle.history import Event, History
from tests.oracle.values import duration_ms


def matches(arguments: dict[str, Any], history: History) -> set[tuple[int, int]]:
    """Of every complete match that nothing breaks: when it began, and from when on it counts."""
    search = Search(arguments, history.in_time_order())
    return {found for place in range(len(search.events)) for found in search.beginning_at(place)}


class Search:
    """All matches of one sequence in the events of one user, which are given in order."""

    def __init__(self, arguments: dict[str, Any], events: list[Event]) -> None:
        self.steps: list[Any] = arguments["steps"]
        self.path: str | None = arguments.get("per")
        self.events = events

    def beginning_at(self, place: int) -> Iterator[tuple[int, int]]:
        """The matches whose first event is the one at a place."""
        first = self.events[place]
        if first.matches(self.steps[0]) and (self.path is None or first.value(self.path) is not None):
            yield from self.going_on(first, place, 1, [])

    def going_on(self, first: Event, last: int, step: int, barred: list[Any]) -> Iterator[tuple[int, int]]:
        """The matches that go on with a step after the event at `last`, with nothing barred before it."""
        if step == len(self.steps):
            yield first.t, self.events[last].t
            return
        wanted = self.steps[step]
        if not isinstance(wanted, dict) or "not" not in wanted:
            for place in self.serving(wanted, first, last):
                if not self.broken(self.events[last + 1 : place], barred, first):
                    yield from self.going_on(first, place, step + 1, [])
        elif "within" not in wanted:
            yield from self.going_on(first, last, step + 1, [*barred, wanted["not"]])
        else:
            ends = self.events[last].t + duration_ms(wanted["within"])
            until_then = [event for event in self.events[last + 1 :] if event.t <= ends]
            if not self.broken(until_then, [wanted["not"]], first):
                yield first.t, ends

    def serving(self, wanted: Any, first: Event, last: int) -> Iterator[int]:
        """Places of later events that serve a step in time."""
        limit = duration_ms(wanted["within"]) if isinstance(wanted, dict) and "within" in wanted else None
        for place in range(last + 1, len(self.events)):
            event = self.events[place]
            in_time = limit is None or event.t - self.events[last].t <= limit
            if event.matches(wanted) and in_time and self.joined(event, first):
                yield place

    def broken(self, between: list[Event], barred: list[Any], first: Event) -> bool:
        """Whether something barred is among events: of the same value, or of none."""
        return any(
            event.matches(each) and (self.joined(event, first) or self.of_none(event))
            for event in between
            for each in barred
        )

    def joined(self, event: Event, first: Event) -> bool:
        """Whether two events have the same value of `per`."""
        return self.path is None or event.key(self.path) == first.key(self.path)

    def of_none(self, event: Event) -> bool:
        """Whether an event lacks the property of `per`."""
        return self.path is not None and event.value(self.path) is None
