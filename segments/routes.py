"""From an event to what it updates and which rules it can move: looked up, never searched for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from segments.conditions.base import Ask, Wanted
from segments.conditions.effects import UNKNOWN, Effect, either
from segments.events import ANY_EVENT, SESSION_STARTED, Event
from segments.features.base import Input, Update
from segments.fields import Getter, getter
from segments.rules import Rule

_ROUTES_KEPT = 100_000

_MERGED_KEPT = 1_000

# Rules in dependency order: id of the segment, how the event can move it, a feature without whose state nobody enters,
# one without whose value nobody does, its plain condition if that is all, the rule.
Judged = tuple[tuple[int, Effect, int | None, Wanted | None, Ask | None, Rule], ...]
Pairs = Sequence[tuple[Rule, Effect]]
Place = tuple[int, Input]  # a feature's id and one of its inputs; they are updated in the order of registration


class Route:
    """What one kind of event does, for a new user, at the start of a session, and else."""

    __slots__ = (
        "_merged",
        "_moved_by",
        "judged",
        "judged_at_session_start",
        "judged_for_new_user",
        "updates",
        "watchers",
    )

    def __init__(
        self,
        updates: Sequence[Update],
        watchers: Sequence[Update],
        judged: Judged,
        at_session_start: Pairs,
        new: Pairs,
        moved_by: Callable[[Iterable[int]], Pairs],
    ) -> None:
        self.updates = tuple(updates)
        self.watchers = tuple(watchers)  # updates that return the ids of the features they changed, or None
        self.judged = judged
        self.judged_at_session_start = merge_judged(judged, at_session_start)
        self.judged_for_new_user = merge_judged(self.judged_at_session_start, new)
        self._moved_by = moved_by
        self._merged: dict[tuple[int, ...], Judged] = {}

    def judged_when_moved(self, moved: Iterable[int], *, is_new: bool, starts_session: bool) -> Judged:
        """Return the rules to judge when the event also moved these watched features."""
        key = (2 if is_new else starts_session, *moved)
        merged = self._merged.get(key)
        if merged is None:
            if len(self._merged) >= _MERGED_KEPT:
                self._merged.clear()
            judged = (self.judged, self.judged_at_session_start, self.judged_for_new_user)[key[0]]
            merged = self._merged[key] = merge_judged(judged, self._moved_by(key[1:]))
        return merged


class _EventIndex:
    """All inputs for one event name, those with a required text found by that text."""

    def __init__(self) -> None:
        self.base: list[Place] = []
        self.by_text: dict[str, dict[str, list[Place]]] = {}
        self.readers: list[tuple[dict[str, list[Place]], Getter]] = []
        self.routes: dict[tuple[str | None, ...], Route] = {}

    def places(self) -> list[Place]:
        """Return all inputs."""
        return self.base + [place for texts in self.by_text.values() for found in texts.values() for place in found]

    def add(self, place: Place) -> None:
        discriminator = place[1].selector.discriminator
        if discriminator is None:
            self.base.append(place)
            return
        path, text = discriminator
        if path not in self.by_text:
            self.by_text[path] = {}
            self.readers.append((self.by_text[path], getter(path)))
        self.by_text[path].setdefault(text, []).append(place)


class Router:
    """Routes of all events; a route is built when its kind of event is first seen."""

    def __init__(
        self,
        inputs: Iterable[Place],
        watchers: Sequence[Update],
        rules: Sequence[Rule],
        interesting_from_the_start: Sequence[Rule],
    ) -> None:
        self._watchers = list(watchers)
        self._rules_of: dict[tuple[int, str], list[tuple[Rule, Effect]]] = {}
        for rule in rules:
            for place, effect in rule.effects.items():
                self._rules_of.setdefault(place, []).append((rule, effect))
        self._any = _EventIndex()
        registered = list(inputs)
        self._order = {id(each): number for number, (_, each) in enumerate(registered)}
        self._indexes = self._index(registered)
        self._at_session_start: Pairs = []
        self._for_new_user: Pairs = []
        self.session_started = self._build(self._indexes.get(SESSION_STARTED, _EventIndex()).base)
        self._at_session_start = [(rule, effect) for _, effect, *_, rule in self.session_started.judged]
        self._for_new_user = [(rule, UNKNOWN) for rule in interesting_from_the_start]

    def route(self, event: Event) -> Route:
        """Return the route of an event: by its name, and by the texts that some selectors require."""
        index = self._indexes.get(event.name, self._any)
        key: tuple[str | None, ...] = ()
        if index.readers:
            properties = event.properties
            values = []
            for texts, read in index.readers:
                value = read(properties)
                values.append(value if type(value) is str and value in texts else None)
            key = tuple(values)
        route = index.routes.get(key)
        return route if route is not None else self._new_route(index, key)

    def _moved_by(self, feature_ids: Iterable[int]) -> Pairs:
        """Return the rules that read features which moved; they may go either way."""
        return [(rule, UNKNOWN) for each in feature_ids for rule, _ in self._rules_of.get((each, ""), ())]

    def _index(self, inputs: Iterable[Place]) -> dict[str, _EventIndex]:
        indexes: dict[str, _EventIndex] = {}
        for place in inputs:
            names = place[1].selector.names
            for name in (ANY_EVENT,) if ANY_EVENT in names else names:
                (self._any if name == ANY_EVENT else indexes.setdefault(name, _EventIndex())).add(place)
            if ANY_EVENT in names and SESSION_STARTED in names:  # `any` does not select what the engine makes
                indexes.setdefault(SESSION_STARTED, _EventIndex()).add(place)
        for name, index in indexes.items():
            if name != SESSION_STARTED:
                for place in self._any.places():
                    index.add(place)
        return indexes

    def _new_route(self, index: _EventIndex, key: tuple[str | None, ...]) -> Route:
        places = list(index.base)
        for (texts, _), value in zip(index.readers, key, strict=False):
            places += texts[value] if value is not None else []
        if len(index.routes) >= _ROUTES_KEPT:
            index.routes.clear()
        route = index.routes[key] = self._build(places)
        return route

    def _build(self, places: Iterable[Place]) -> Route:
        updates: list[Update] = []
        watchers = list(self._watchers)
        judged: Judged = ()
        for feature_id, each in sorted(places, key=lambda place: self._order[id(place[1])]):
            if each.update is not None:
                (watchers if each.watched else updates).append(each.update)
            if not each.always_judged:
                continue
            judged = merge_judged(judged, self._rules_of.get((feature_id, each.role), []))
        return Route(updates, watchers, judged, self._at_session_start, self._for_new_user, self._moved_by)


def merge_judged(judged: Judged, more: Iterable[tuple[Rule, Effect]]) -> Judged:
    """Return both in dependency order, each rule once; a rule in both may be moved either way."""
    merged = {rule.index: (rule, effect) for _, effect, *_, rule in judged}
    for rule, effect in more:
        known = merged.get(rule.index)
        merged[rule.index] = (rule, effect if known is None else either(effect, known[1]))
    pairs = [merged[index] for index in sorted(merged)]
    return tuple((rule.segment_id, effect, rule.guard, rule.wanted, rule.plain, rule) for rule, effect in pairs)
