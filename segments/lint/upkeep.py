"""S301 to S305: who owns a segment, what it is for, properties nobody reads, event names that look misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from segments.definitions.paths import property_paths
from segments.definitions.yaml_source import Path
from segments.lint.findings import Finding
from segments.lint.places import conditions_of, leaf
from segments.lint.selecting import selectors_of
from segments.lint.subject import Subject

_ALIKE = 0.9  # similarity of two names from which one is taken for a misspelt other


def upkeep(subject: Subject) -> Iterator[Finding]:
    """Find what is missing, never read, or written in two ways."""
    for index, segment in subject.segments:
        if not (segment.owner or "").strip():
            yield subject.about("S301", index, "it has no owner", "add owner: the team that answers for it")
        if not (segment.description or "").strip():
            yield subject.about(
                "S302", index, "it has no description", "add description: who is in it, in one sentence"
            )
    yield from _unread(subject)
    yield from _alike(subject)


def _unread(subject: Subject) -> Iterator[Finding]:
    read = {path.partition(".")[0] for path in property_paths(subject.definitions)}
    for name in subject.definitions.properties:
        if name not in read:
            message = f"property '{name}' is declared, and no condition reads it; it is still parsed and checked"
            yield subject.finding(
                "S303", ("properties", name), message, "drop it, or accept it as a check of the events"
            )


def _alike(subject: Subject) -> Iterator[Finding]:
    places = event_names(subject)
    names = list(places)
    for place, name in enumerate(names):
        for other in names[:place]:
            same = name.casefold().split() == other.casefold().split()
            if same or difflib.SequenceMatcher(None, name, other).ratio() >= _ALIKE:
                message = f"'{name}' looks like '{other}' of line {subject.line_of(places[other])}"
                yield subject.finding("S305", places[name], message, "write both alike, unless they are two events")


def event_names(subject: Subject) -> dict[str, Path]:
    """Return the event names that conditions select or give points to, each with its first place."""
    found: dict[str, Path] = {}
    for index, segment in subject.segments:
        for condition, path in conditions_of(segment, index):
            for selector, where in selectors_of(condition, path):
                for name in selector.event:
                    found.setdefault(name, where)
            kind, spec, place = leaf(condition, path)
            if kind == "score":
                for name in spec.points:
                    found.setdefault(name, (*place, "points", name))
        if segment.confidence is not None:
            for name in segment.confidence.refreshed_by.event:
                found.setdefault(name, ("segments", index, "confidence"))
    return found
