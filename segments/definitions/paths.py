"""What of an event the definitions read: only that is parsed, and only that can end up in a profile."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from segments.calendar import Period
from segments.definitions import model


def property_paths(definitions: BaseModel) -> set[str]:
    """Return the property paths that conditions read.

    >>> from segments.definitions import parse_definitions
    >>> property_paths(parse_definitions('''
    ... segments: [{name: a, when: {sum: {event: Order, property: total, where: {shop.id: 1}, within: 1d, gt: 1}}}]
    ... ''')) == {"shop.id", "total"}
    True
    """
    found: set[str] = set()
    for part in parts(definitions):
        found.update(getattr(part, "where", None) or ())
        found.update(path for name in ("property", "per") if (path := getattr(part, name, None)))
    return found


def context_paths(definitions: BaseModel) -> set[str]:
    """Return the context paths that conditions read."""
    found: set[str] = set()
    for part in parts(definitions):
        if isinstance(part, model.Context):
            found.add(part.path)
        if asks_local_time(part):
            found.add("timezone")
    return found


def asks_local_time(part: BaseModel) -> bool:
    """Say whether one part of a condition, without those inside it, depends on the user's time zone."""
    windows = (getattr(part, name, None) for name in ("within", "not_within"))
    return isinstance(part, model.LocalTime) or any(isinstance(each, Period) for each in windows)


def trait_paths(definitions: BaseModel) -> set[str]:
    """Return the traits that conditions read."""
    return {part.name for part in parts(definitions) if isinstance(part, model.Trait)}


def parts(value: Any) -> Iterator[BaseModel]:
    """Return every model inside a definitions model, itself included."""
    if isinstance(value, BaseModel):
        yield value
        for name in value.model_fields_set:
            yield from parts(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            yield from parts(item)
