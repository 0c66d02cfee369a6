"""Which users changed since their shard was asked for them last."""

from __future__ import annotations

from array import array
from collections.abc import Sequence


class Changed:
    """Users by number and shard; `marks` says by number whether a user counts as changed.

    >>> changed = Changed()
    >>> changed.add()
    >>> changed.mark(0, shard=7)
    >>> list(changed.take(7)), list(changed.take(7))
    ([0], [])
    """

    def __init__(self) -> None:
        self.marks = bytearray()
        self._of_shard: dict[int, array[int]] = {}

    def add(self) -> None:
        """Make room for the next number."""
        self.marks.append(False)

    def mark(self, number: int, shard: int) -> None:
        """Note that a user of a shard changed."""
        if not self.marks[number]:
            self.marks[number] = True
            self._of_shard.setdefault(shard, array("I")).append(number)

    def of(self, shard: int) -> Sequence[int]:
        """Return those of a shard who changed."""
        return self._of_shard.get(shard, ())

    def take(self, shard: int) -> Sequence[int]:
        """Return those of a shard who changed; they no longer count as changed."""
        taken = self._of_shard.pop(shard, array("I"))
        for number in taken:
            self.marks[number] = False
        return taken
