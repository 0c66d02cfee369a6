"""Conditions with their places in the file, so that a finding can name its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from segments.definitions.model import Condition, Segment
from segments.definitions.yaml_source import Path


def conditions_of(segment: Segment, index: int) -> Iterator[tuple[Condition, Path]]:
    """Return all conditions of a segment, outer ones first, each with its place in the file."""
    for field in ("when", "exit_when"):
        condition = getattr(segment, field)
        if condition is not None:
            yield from nested(condition, ("segments", index, field))


def nested(condition: Condition, path: Path) -> Iterator[tuple[Condition, Path]]:
    """Return a condition and all inside it, each with its place in the file."""
    yield condition, path
    for inner, place in children(condition, path):
        yield from nested(inner, place)


def leaf(condition: Condition, path: Path) -> tuple[str, Any, Path]:
    """Return kind, arguments and place of what reads events: of a threshold the number that it compares."""
    kind, spec = condition.kind()
    if kind == "threshold":
        inner, arguments = spec.of.kind()
        return inner, arguments, (*path, kind, "of", inner)
    return kind, spec, (*path, kind)


def children(condition: Condition, path: Path) -> list[tuple[Condition, Path]]:
    """Return the conditions directly inside one."""
    kind, spec = condition.kind()
    if kind == "not":
        return [(spec, (*path, kind))]
    if kind in ("all", "any"):
        return [(each, (*path, kind, place)) for place, each in enumerate(spec)]
    return []
