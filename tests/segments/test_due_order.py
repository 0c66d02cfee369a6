"""The order in which users fall due, where event time jumps over many pages at once."""

from __future__ import annotations

from segments.due_order import DueOrder

PAGES, A_PAGE, PAGE_MS = 1_000, 3, 65_536
START = 1_772_409_600_000


class Counted(int):
    """An instant that counts how often it is compared."""

    comparisons = 0

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return int.__eq__(self, other) is True

    def __lt__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int.__lt__(self, other)


def test_a_jump_over_many_pages_costs_each_user_a_few_comparisons() -> None:
    users = [f"u{number:05}" for number in range(PAGES * A_PAGE)]
    dues = [Counted(START + number * PAGE_MS // A_PAGE) for number in range(len(users))]
    order = DueOrder(users, dues.__getitem__)
    for number, due in enumerate(dues):
        order.add()
        order.schedule(number, due)
    Counted.comparisons = 0
    found = list(order.take(START + PAGES * PAGE_MS))
    assert [number for _, number in found] == list(range(len(users)))
    assert Counted.comparisons < 60 * len(users)
    assert len(order) == 0
