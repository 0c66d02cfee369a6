"""Which events a feature takes: names and tests on properties, compiled once."""

from collections.abc import Callable
from typing import Any

from segments.definitions.model import Predicate, Selector
from segments.events import Event
from segments.fields import Getter, getter

Test = Callable[[Any], bool]
_NUMBERS = (int, float)


def _comparable(value: Any, bound: Any) -> bool:
    return (type(value) in _NUMBERS and type(bound) in _NUMBERS) or (type(value) is str and type(bound) is str)


def _same(value: Any, bound: Any) -> bool:
    """Equality that keeps booleans apart from numbers, as JSON does."""
    return bool(value == bound) and (type(value) is bool) == (type(bound) is bool)


def _contains(value: Any, item: Any) -> bool:
    if type(value) is str:
        return type(item) is str and item in value
    return isinstance(value, list) and any(_same(inner, item) for inner in value)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, bound: value is not None and _same(value, bound),
    "ne": lambda value, bound: value is None or not _same(value, bound),
    "in": lambda value, bounds: value is not None and any(_same(value, bound) for bound in bounds),
    "not_in": lambda value, bounds: value is None or not any(_same(value, bound) for bound in bounds),
    "gt": lambda value, bound: _comparable(value, bound) and value > bound,
    "gte": lambda value, bound: _comparable(value, bound) and value >= bound,
    "lt": lambda value, bound: _comparable(value, bound) and value < bound,
    "lte": lambda value, bound: _comparable(value, bound) and value <= bound,
    "exists": lambda value, wanted: (value is not None) is wanted,
    "contains": _contains,
}


def compile_predicate(predicate: Predicate) -> Test:
    """Return a function that says whether a value (None: missing) passes all tests.

    >>> compile_predicate(Predicate(gte=3))(4), compile_predicate(Predicate(ne="x"))(None)
    (True, True)
    """
    tests = [(OPERATORS[name], bound) for name, bound in predicate.operators().items()]
    if len(tests) == 1:
        operator, bound = tests[0]
        return lambda value: operator(value, bound)
    return lambda value: all(operator(value, bound) for operator, bound in tests)


def describe_predicate(name: str, predicate: Predicate) -> str:
    """Return the predicate as people read it.

    >>> describe_predicate("price", Predicate(gte=3))
    'price gte 3'
    """
    return " and ".join(f"{name} {operator} {bound}" for operator, bound in predicate.operators().items())


class EventSelector:
    """A compiled selector: `names` routes events here, `matches` decides on their properties."""

    __slots__ = ("_tests", "discriminator", "matches", "names", "paths", "text")

    def __init__(self, selector: Selector) -> None:
        self.names = tuple(selector.event)
        self.paths = tuple(selector.where)
        self._tests: list[tuple[Getter, Test]] = [
            (getter(path), compile_predicate(predicate)) for path, predicate in selector.where.items()
        ]
        self.text = _describe(selector)
        self.discriminator = _discriminator(selector)
        self.matches: Callable[[Event], bool] | None = self._all_tests if self._tests else None

    def _all_tests(self, event: Event) -> bool:
        properties = event.properties
        return all(test(read(properties)) for read, test in self._tests)


def _describe(selector: Selector) -> str:
    names = " | ".join(selector.event)
    where = ", ".join(describe_predicate(path, predicate) for path, predicate in selector.where.items())
    return f"{names} where {where}" if where else names


def _discriminator(selector: Selector) -> tuple[str, str] | None:
    """The first property that must equal one text: events are routed by it, so that other values cost nothing."""
    for path, predicate in selector.where.items():
        if type(predicate.eq) is str:
            return path, predicate.eq
    return None
