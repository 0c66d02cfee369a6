"""From an event to what it updates and which rules it can move: looked up, never searched for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from segments.conditions.base import UNKNOWN
from segments.events import ANY_EVENT, SESSION_STARTED, Event
from segments.features.base import Input, Update
from segments.fields import Getter, getter
from segments.rules import Rule

_ROUTES_KEPT = 100_000

Judged = tuple[tuple[Rule, int], ...]  # rules in dependency order, each with how the event can move it


class Watcher(NamedTuple):
    """An update that says whether it changed anything, and the rules to judge only if it did."""

    update: Update
    rules: tuple[Rule, ...]


class Route(NamedTuple):
    """What one kind of event does."""

    updates: tuple[Update, ...]
    watchers: tuple[Watcher, ...]
    judged: Judged


class _Place(NamedTuple):
    feature_id: int
    input: Input


class _EventIndex:
    """All inputs for one event name, those with a required text found by that text."""

    def __init__(self) -> None:
        self.base: list[_Place] = []
        self.by_text: dict[str, dict[str, list[_Place]]] = {}
        self.readers: list[tuple[str, Getter]] = []
        self.routes: dict[tuple[object, ...], Route] = {}

    def places(self) -> list[_Place]:
        """Return all inputs."""
        return self.base + [place for texts in self.by_text.values() for found in texts.values() for place in found]

    def add(self, place: _Place) -> None:
        discriminator = place.input.selector.discriminator
        if discriminator is None:
            self.base.append(place)
            return
        path, text = discriminator
        if path not in self.by_text:
            self.by_text[path] = {}
            self.readers.append((path, getter(path)))
        self.by_text[path].setdefault(text, []).append(place)


class Router:
    """Routes of all events; a route is built when its kind of event is first seen."""

    def __init__(self, inputs: Iterable[tuple[int, Input]], rules: tuple[Rule, ...]) -> None:
        self._rules_of: dict[tuple[int, str], list[tuple[Rule, int]]] = {}
        for rule in rules:
            for place, effect in rule.effects.items():
                self._rules_of.setdefault(place, []).append((rule, effect))
        self._indexes: dict[str, _EventIndex] = {}
        self._any = _EventIndex()
        places = [_Place(feature_id, each) for feature_id, each in inputs]
        for place in places:
            for name in place.input.selector.names:
                (self._any if name == ANY_EVENT else self._indexes.setdefault(name, _EventIndex())).add(place)
        for name, index in self._indexes.items():
            if name != SESSION_STARTED:
                for place in self._any.places():
                    index.add(place)
        self.session_started = self._build(self._indexes.get(SESSION_STARTED, _EventIndex()).base)

    def route(self, event: Event) -> Route:
        """Return the route of an event: by its name, and by the texts that some selectors require."""
        index = self._indexes.get(event.name, self._any)
        key: tuple[object, ...] = ()
        if index.readers:
            properties = event.properties
            values = []
            for path, read in index.readers:
                value = read(properties)
                values.append(value if type(value) is str and value in index.by_text[path] else None)
            key = tuple(values)
        route = index.routes.get(key)
        return route if route is not None else self._new_route(index, key)

    def _new_route(self, index: _EventIndex, key: tuple[object, ...]) -> Route:
        places = list(index.base)
        for (path, _), value in zip(index.readers, key, strict=bool(key)):
            places += index.by_text[path].get(str(value), []) if value is not None else []
        if len(index.routes) >= _ROUTES_KEPT:
            index.routes.clear()
        route = index.routes[key] = self._build(places)
        return route

    def _build(self, places: Iterable[_Place]) -> Route:
        updates: list[Update] = []
        watchers: list[Watcher] = []
        effects: dict[int, tuple[Rule, int]] = {}
        for place in places:
            rules = self._rules_of.get((place.feature_id, place.input.role), [])
            if place.input.watched:
                watchers.append(Watcher(place.input.update, tuple(rule for rule, _ in rules)))
                continue
            updates.append(place.input.update)
            for rule, effect in rules:
                known = effects.get(rule.index)
                merged = effect if known is None or known[1] == effect else UNKNOWN
                effects[rule.index] = (rule, merged)
        return Route(tuple(updates), tuple(watchers), tuple(effects[index] for index in sorted(effects)))


def merge_judged(judged: Judged, more: Iterable[tuple[Rule, int]]) -> Judged:
    """Return both in dependency order, each rule once; a rule in both may be moved either way."""
    merged = {rule.index: (rule, effect) for rule, effect in judged}
    for rule, effect in more:
        known = merged.get(rule.index)
        merged[rule.index] = (rule, effect if known is None or known[1] == effect else UNKNOWN)
    return tuple(merged[index] for index in sorted(merged))
