"""When cycles are found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from udfs import memory
from udfs.markers import Markers
from udfs.memory import Collector


class Node:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def on_demand() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def lost(node: Node) -> weakref.ref[Node]:
    """Return what says whether a node that nobody else refers to was freed."""
    return weakref.ref(node)


def test_cycles_that_are_new_are_found_at_once_and_old_ones_at_a_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ALL_EVERY", 3)
    collector = Collector(Markers())
    new, old = Node(), Node()
    of_new, of_old = weakref.ref(new), weakref.ref(old)
    del new
    collector.marked()
    assert of_new() is None
    assert of_old() is old
    del old
    collector.marked()
    assert of_old() is not None, "objects that were there before are not looked at each time"
    collector.marked()
    assert of_old() is None


def test_between_two_markers_there_is_one_look_and_none_at_the_next_one() -> None:
    now = [100.0]
    markers = Markers(lambda: now[0])
    collector = Collector(markers)

    def mark() -> None:
        collector.marked()
        markers.came()

    collector.look_when_due()
    mark()
    now[0] += 10
    first = lost(Node())
    collector.look_when_due()
    assert first() is not None, "it is not known when the next marker comes"
    mark()
    assert first() is None
    second = lost(Node())
    now[0] += 3.9
    collector.look_when_due()
    assert second() is not None, "what waited for the checkpoint comes first"
    now[0] += 0.2
    collector.look_when_due()
    assert second() is None
    third = lost(Node())
    now[0] += 5
    collector.look_when_due()
    mark()
    assert third() is not None, "events wait for a marker"
    now[0] += 1
    mark()
    assert third() is None, "nobody looked since the last one"
