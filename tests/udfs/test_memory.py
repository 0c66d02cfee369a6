"""When cycles are found."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from udfs import memory
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


def test_cycles_that_are_new_are_found_at_once_and_old_ones_at_a_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ALL_EVERY", 3)
    collector = Collector()
    new, old = Node(), Node()
    of_new, of_old = weakref.ref(new), weakref.ref(old)
    del new
    collector.look()
    assert of_new() is None
    assert of_old() is old
    del old
    collector.look()
    assert of_old() is not None, "objects that were there before are not looked at each time"
    collector.look()
    assert of_old() is None
