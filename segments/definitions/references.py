"""Which segments refer to which, and an order in which each comes after those it needs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from segments.definitions.model import Condition, Segment


def references(segment: Segment) -> list[str]:
    """Return the names of the segments that this one depends on: its parent, and those its conditions ask about."""
    conditions = [segment.when] + ([segment.exit_when] if segment.exit_when else [])
    asked = [name for condition in conditions for name in _names(condition)]
    return [segment.parent, *asked] if segment.parent else asked


def with_references(names: Iterable[str], segments: Mapping[str, Segment]) -> set[str]:
    """Return the names with those of all segments that these refer to, directly or not."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references(segments[name])
    return found


def _names(condition: Condition) -> Iterator[str]:
    kind, arguments = condition.kind()
    if kind == "segment":
        yield arguments
    elif kind == "not":
        yield from _names(arguments)
    elif kind in ("all", "any"):
        for inner in arguments:
            yield from _names(inner)


def order_segments(needs: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return the names so that each follows what it needs, and a cycle (empty when there is none).

    >>> order_segments({"b": ["a"], "a": []})
    (['a', 'b'], [])
    >>> order_segments({"a": ["b"], "b": ["a"]})
    ([], ['a', 'b', 'a'])
    """
    ordered: dict[str, None] = {}
    for start in needs:
        trail: list[str] = [start]
        while trail:
            name = trail[-1]
            waiting = [need for need in needs[name] if need in needs and need not in ordered]
            if name in ordered or not waiting:
                ordered[name] = None
                trail.pop()
            elif waiting[0] in trail:
                return [], [*trail[trail.index(waiting[0]) :], waiting[0]]
            else:
                trail.append(waiting[0])
    return list(ordered), []
