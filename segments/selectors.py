"""Which events a feature takes: names and tests on properties, compiled once."""

from collections.abc import Callable
from typing import Any

from segments.definitions.selecting import Predicate, Selector
from segments.events import ANY_EVENT, SESSION_STARTED, Event
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
    tests = [_test(name, bound) for name, bound in predicate.operators().items()]
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _test(name: str, bound: Any) -> Test:
    """Return one test; the two most frequent ones without a detour."""
    if name == "eq" and type(bound) is str:
        return lambda value: bool(value == bound)
    if name == "exists":
        return lambda value: (value is not None) is bound
    operator = OPERATORS[name]
    return lambda value: operator(value, bound)


def describe_predicate(name: str, predicate: Predicate) -> str:
    """Return the predicate as people read it.

    >>> describe_predicate("price", Predicate(gte=3))
    'price gte 3'
    """
    return " and ".join(f"{name} {operator} {bound}" for operator, bound in predicate.operators().items())


class EventSelector:
    """A compiled selector: `names` and `discriminator` route events here, `matches` decides on their properties.

    `matches_routed` is for events that came by the discriminator; both are None when there is nothing to test.
    """

    __slots__ = ("discriminator", "matches", "matches_routed", "names", "text")

    def __init__(self, selector: Selector) -> None:
        self.names = tuple(selector.event)
        self.text = _describe(selector)
        self.discriminator = _discriminator(selector)
        tests = {path: (getter(path), compile_predicate(predicate)) for path, predicate in selector.where.items()}
        self.matches = _all_of(list(tests.values()))
        if self.discriminator is not None and len(selector.where[self.discriminator[0]].operators()) == 1:
            del tests[self.discriminator[0]]
        self.matches_routed = _all_of(list(tests.values()))

    def selects(self, event: Event) -> bool:
        """Say whether an event, of any name, is selected; `any` is what comes from outside."""
        named = event.name in self.names or (ANY_EVENT in self.names and event.name != SESSION_STARTED)
        return named and (self.matches is None or self.matches(event))


def _all_of(tests: list[tuple[Getter, Test]]) -> Callable[[Event], bool] | None:
    if not tests:
        return None
    if len(tests) == 1:
        read, test = tests[0]
        return lambda event: test(read(event.properties))
    return lambda event: all(test(read(event.properties)) for read, test in tests)


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
