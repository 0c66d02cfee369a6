"""S201 to S203 and S306: segments that equal others, lie inside others, or are not exclusive as their tags promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from segments.definitions.model import Condition, Segment
from segments.definitions.references import references, with_references
from segments.events import ANY_EVENT
from segments.lint.findings import Finding
from segments.lint.places import conditions_of, leaf
from segments.lint.reasoning import satisfiable
from segments.lint.selecting import selectors_of
from segments.lint.subject import Subject


def relations(subject: Subject) -> Iterator[Finding]:
    """Find segments whose members are, by their conditions alone, all members of another one."""
    touched = {segment.name: touches(subject, segment, index) for index, segment in subject.segments}
    for (_, one), (index, other) in combinations(subject.segments, 2):
        if not touched[one.name] & touched[other.name]:
            continue
        narrower, wider = inside(subject, one, other), inside(subject, other, one)
        if narrower and wider:
            message = f"it has the same members as '{one.name}', by its conditions alone"
            yield subject.about("S201", index, message, f"keep one of them, or write it as segment: {one.name}")
        elif narrower:
            yield from _subsumed(subject, one, other, touched[other.name])
        elif wider:
            yield from _subsumed(subject, other, one, touched[one.name])
    yield from _lonely_tags(subject)


def inside(subject: Subject, narrow: Segment, wide: Segment) -> bool:
    """Say whether every member of `narrow` must be one of `wide`; a segment without members is in none."""
    formulas = subject.formulas
    member = formulas.member(narrow.name)
    return not satisfiable(member, formulas.member(wide.name, holds=False)) and satisfiable(member)


def _subsumed(subject: Subject, narrow: Segment, wide: Segment, wide_touches: set[str]) -> Iterator[Finding]:
    index = subject.definitions.segments.index(narrow)
    shared = shared_exclusive_tag(subject, narrow, wide)
    if shared is not None:
        message = f"every member is in '{wide.name}' too, and tag {shared} is exclusive"
        yield subject.about("S203", index, message, f"add {{not: {{segment: {narrow.name}}}}} to '{wide.name}'")
    elif not refers(subject, narrow, wide) and wide_touches != {ANY_EVENT}:
        message = f"every member is in '{wide.name}' too, by their conditions alone"
        yield subject.about("S202", index, message, f"give it parent: {wide.name}, or accept it in lint.ignore")


def refers(subject: Subject, one: Segment, other: Segment) -> bool:
    """Say whether a segment depends on another, directly or not."""
    return other.name in with_references([one.name], {each.name: each for _, each in subject.segments})


def shared_exclusive_tag(subject: Subject, one: Segment, other: Segment) -> str | None:
    """Return the exclusive tag that two segments share, None when there is none."""
    exclusive = set(subject.options.exclusive_tags) & set(one.tags) & set(other.tags)
    return min(exclusive, default=None)


def touches(subject: Subject, segment: Segment, index: int) -> set[str]:
    """Return what a segment is about: event names, traits, places in the context; two without a common one differ."""
    found: set[str] = set()
    for condition, path in conditions_of(segment, index):
        found |= _touches(condition, path)
    by_name = {each.name: (place, each) for place, each in subject.segments}
    for name in references(segment):
        place, each = by_name[name]
        found |= touches(subject, each, place)
    return found


def _touches(condition: Condition, path: tuple[str | int, ...]) -> set[str]:
    kind, spec, _ = leaf(condition, path)
    if kind == "score":
        return set(spec.points)
    if kind in ("trait", "context"):
        return {f"{kind} {spec.name if kind == 'trait' else spec.path}"}
    if kind in ("local_time", "session"):
        return {kind, *(spec.event or () if kind == "session" else ())}
    return {name for selector, _ in selectors_of(condition, path) for name in selector.event}


def _lonely_tags(subject: Subject) -> Iterator[Finding]:
    uses = Counter(tag for _, segment in subject.segments for tag in set(segment.tags))
    for place, tag in enumerate(subject.options.exclusive_tags):
        if uses[tag] < 2:
            message = f"tag '{tag}' is exclusive, and {uses[tag] or 'no'} segment has it"
            advice = "give it to the segments that exclude each other, or drop it"
            yield subject.finding("S306", ("lint", "exclusive_tags", place), message, advice)
