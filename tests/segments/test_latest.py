"""The newest value of each trait wins, whatever order the events come in."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from segments.features.latest import Latest, latest_value, update_latest

PATHS = ("a", "b")
TOLD: list[tuple[int, dict[str, Any]]] = [
    (10, {"a": 1, "b": "x"}),
    (20, {"a": 2}),
    (30, {"b": ["y", "z"]}),
    (40, {"a": True}),
]


@pytest.mark.parametrize("order", list(itertools.permutations(TOLD)))
def test_any_order_of_events_ends_in_the_newest_values(order: list[tuple[int, dict[str, Any]]]) -> None:
    update = update_latest("traits", [(place, Latest("traits", path)) for place, path in enumerate(PATHS)], 9)
    states: dict[int, Any] = {}
    expected: dict[str, tuple[int, Any]] = {}
    for time, told in order:
        moved = update(states, SimpleNamespace(traits=SimpleNamespace(**{"a": None, "b": None} | told)), time)  # type: ignore[arg-type]  # no more of an event is read
        before = {path: expected.get(path, (0, None))[1] for path in PATHS}
        for path, value in told.items():
            if time >= expected.get(path, (0, None))[0]:
                expected[path] = (time, value)
        now = {path: expected.get(path, (0, None))[1] for path in PATHS}
        assert {path: latest_value(states.get(place)) for place, path in enumerate(PATHS)} == now
        assert (moved or []) == [place for place, path in enumerate(PATHS) if before[path] is not now[path]]
