"""What a release changes, segment by segment, in the words of its author."""

from __future__ import annotations

from difflib import unified_diff
from typing import Any, Literal

import msgspec
import yaml

from segments.definitions import parse_definitions
from segments.preview.versions import differences

Kind = Literal["added", "removed", "changed", "reworded"]
_WIDTH = 100


class SegmentDiff(msgspec.Struct, frozen=True):
    """How one segment differs; `through` names the segment or setting it depends on when only that differs.

    A `reworded` one moves nobody: its owner, description, tags, version, budget or what lint accepts differ. `lines`
    are those of a unified diff.
    """

    segment: str
    kind: Kind
    through: str | None
    lines: list[str]


def release_diff(before: str | None, after: str) -> list[SegmentDiff]:
    """Return what differs between two texts of definitions, in the new one's order, then what is gone.

    >>> old = "segments: [{name: a, owner: me, when: {recency: {event: any, within: 1h}}}]"
    >>> [(each.segment, each.kind) for each in release_diff(old, old.replace("owner: me", "owner: you"))]
    [('a', 'reworded')]
    >>> release_diff(old, old.replace("1h", "2h"))[0].lines[-2:]
    ['-  recency: {event: any, within: 1h}', '+  recency: {event: any, within: 2h}']
    """
    new, written = parse_definitions(after), _written(after)
    if before is None:
        return [SegmentDiff(segment.name, "added", None, _lines({}, written[segment.name])) for segment in new.segments]
    old, written_before = parse_definitions(before), _written(before)
    moving = {each.segment: each for each in differences(old, new)}
    found = []
    for name in [*written, *(name for name in written_before if name not in written)]:
        lines = _lines(written_before.get(name, {}), written.get(name, {}))
        if name in moving:
            found.append(SegmentDiff(name, moving[name].status, moving[name].through, lines))
        elif lines and _segment(old, name) != _segment(new, name):
            found.append(SegmentDiff(name, "reworded", None, lines))
    return found


def _segment(definitions: Any, name: str) -> Any:
    return next(segment for segment in definitions.segments if segment.name == name)


def _written(text: str) -> dict[str, dict[str, Any]]:
    return {segment["name"]: segment for segment in yaml.safe_load(text)["segments"]}


def _lines(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return list(unified_diff(_yaml(before), _yaml(after), lineterm="", n=1))[3:]


def _yaml(segment: dict[str, Any]) -> list[str]:
    """Return a segment's YAML, its innermost lists and mappings on one line each."""
    if not segment:
        return []
    written = yaml.safe_dump(segment, sort_keys=False, width=_WIDTH, default_flow_style=None, allow_unicode=True)
    return written.splitlines()
