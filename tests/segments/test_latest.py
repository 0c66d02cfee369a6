"""The newest value of each trait stands; what tells nothing changes nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

from segments.features.latest import Latest, update_latest

TOLD: list[tuple[dict[str, Any], dict[int, Any], list[int] | None]] = [
    ({"a": 1, "b": "x"}, {0: 1, 1: "x"}, [0, 1]),
    ({"a": 2}, {0: 2, 1: "x"}, [0]),
    ({}, {0: 2, 1: "x"}, None),
    ({"b": ["y", "z"]}, {0: 2, 1: ["y", "z"]}, [1]),
    ({"b": ["y", "z"], "a": 2}, {0: 2, 1: ["y", "z"]}, None),
    ({"a": True}, {0: True, 1: ["y", "z"]}, [0]),
    ({"a": 1.0}, {0: 1.0, 1: ["y", "z"]}, [0]),  # equal in Python, another value in JSON
    ({"b": "x" * 300}, {0: 1.0, 1: "x" * 256}, [1]),
    ({"b": "x" * 400}, {0: 1.0, 1: "x" * 256}, None),  # what is kept of it is the same
]


def test_a_value_stands_until_another_is_told() -> None:
    update = update_latest("traits", [(0, Latest("traits", "a")), (1, Latest("traits", "b"))])
    states: dict[int, Any] = {}
    for told, expected, moved in TOLD:
        event: Any = SimpleNamespace(traits=SimpleNamespace(**{"a": None, "b": None} | told))  # all that is read of it
        assert update(states, event, 0) == moved
        assert states == expected
        assert all(type(states[place]) is type(value) for place, value in expected.items())


def test_one_text_is_one_object_in_all_profiles() -> None:
    update = update_latest("traits", [(0, Latest("traits", "a")), (1, Latest("traits", "b"))])
    profiles: list[dict[int, Any]] = [{}, {}]
    for states in profiles:
        event: Any = SimpleNamespace(traits=SimpleNamespace(a="".join(["desk", "top"]), b=["desktop"]))
        assert update(states, event, 0) == [0, 1]
    assert profiles[0][0] is profiles[1][0]


def test_a_text_that_is_no_more_among_those_shared_stands_as_before() -> None:
    update = update_latest("traits", [(0, Latest("traits", "a")), (1, Latest("traits", "b"))])

    def told(states: dict[int, Any], a: str) -> list[int] | None:
        event: Any = SimpleNamespace(traits=SimpleNamespace(a=a, b="x"))
        moved: list[int] | None = update(states, event, 0)
        return moved

    states: dict[int, Any] = {}
    assert told(states, "first") == [0, 1]
    assert [told({}, str(number)) for number in range(10_000)] == [[0, 1]] * 10_000
    assert told(states, "first") is None
    assert told(states, "second") == [0]
    assert states == {0: "second", 1: "x"}


@pytest.mark.parametrize("source", ["traits", "context"])
def test_an_event_without_the_source_is_not_read(source: Any) -> None:
    empty = object()
    update = update_latest(source, [(0, Latest(source, "a"))], empty)
    event: Any = SimpleNamespace(**{source: empty})
    assert update({}, event, 0) is None
