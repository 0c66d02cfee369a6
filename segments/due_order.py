"""The order in which users fall due: a calendar with a page for each minute or so, the open pages exact."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from segments.profile import NEVER

_PAGE_BITS = 16  # a page holds the dues of 65,536 ms
_SLACK = 1_024


class DueOrder:
    """Users by number with the instants (ms) at which they fall due; `due_of` says what is true of a number now.

    A user has one entry that counts, never later than the due; whoever takes it schedules the user anew.

    >>> dues = {0: 1_764_000_000_500, 1: 1_764_000_000_100}
    >>> order = DueOrder(["u0", "u1"], dues.__getitem__)
    >>> for number, due in dues.items():
    ...     order.add()
    ...     order.schedule(number, due)
    >>> list(order.take(1_764_000_000_200))
    [(1764000000100, 1)]
    """

    def __init__(self, users: Sequence[str], due_of: Callable[[int], int]) -> None:
        self._users = users
        self._due_of = due_of
        self._counts = array("q")  # by number: the instant of the entry that counts, a page's first one; NEVER: none
        self._pages: dict[int, array[int]] = {}
        self._closed: list[int] = []  # the pages' numbers, as a heap
        self._open_until = 0  # pages up to this one are open: their entries lie in the exact order
        self._exact: list[tuple[int, str, int]] = []  # due, user and number, as a heap
        self._entries = 0

    def __len__(self) -> int:
        return self._entries

    def add(self) -> None:
        """Make room for the next number."""
        self._counts.append(NEVER)

    def schedule(self, number: int, due: int) -> None:
        """Have `take` return the number at `due` (ms), or before if it is scheduled before."""
        if due >= self._counts[number]:
            return
        page = due >> _PAGE_BITS
        if page <= self._open_until:
            self._counts[number] = due
            heappush(self._exact, (due, self._users[number], number))
        elif page << _PAGE_BITS < self._counts[number]:
            self._counts[number] = page << _PAGE_BITS
            numbers = self._pages.get(page)
            if numbers is None:
                numbers = self._pages[page] = array("I")
                heappush(self._closed, page)
            numbers.append(number)
        else:
            return
        self._entries += 1

    def take(self, until: int) -> Iterator[tuple[int, int]]:
        """Return when (ms) who is scheduled up to `until` (ms), by instant, then user; each must be scheduled anew.

        What is true of a number may have been put off since.
        """
        self._open_pages(until >> _PAGE_BITS)
        exact, counts = self._exact, self._counts
        while exact and exact[0][0] <= until:
            instant, _, number = heappop(exact)
            self._entries -= 1
            if counts[number] != instant:
                continue
            counts[number] = NEVER
            yield instant, number
        if self._entries > 2 * len(counts) + _SLACK:
            self._forget_outdated()

    def between(self, after: int, until: int, most: int) -> list[tuple[int, int]]:
        """Return who falls due after one instant (ms) and up to another, with when: at most so many, the first ones.

        >>> order = DueOrder(["u0", "u1", "u2"], {0: 9, 1: 5, 2: 7}.__getitem__)
        >>> for number, due in ((0, 9), (1, 5), (2, 7)):
        ...     order.add()
        ...     order.schedule(number, due)
        >>> order.between(5, 9, 1)
        [(7, 2)]
        """
        self._open_pages(until >> _PAGE_BITS)
        exact, counts, found = self._exact, self._counts, list[tuple[int, int]]()
        waiting = self._first_after(after)
        heapify(waiting)
        while waiting and len(found) < most:  # a heap's entry is never before the one that it hangs below
            instant, place = heappop(waiting)
            if instant > until:
                break
            number = exact[place][2]
            if counts[number] == instant:
                found.append((instant, number))
            for below in (2 * place + 1, 2 * place + 2):
                if below < len(exact):
                    heappush(waiting, (exact[below][0], below))
        return found

    def _first_after(self, instant: int) -> list[tuple[int, int]]:
        """Return the exact entries after an instant (ms) that hang below none after it, with their places."""
        exact, found, waiting = self._exact, list[tuple[int, int]](), [0]
        while waiting:
            place = waiting.pop()
            if place < len(exact):
                due = exact[place][0]
                if due > instant:
                    found.append((due, place))
                else:
                    waiting += (2 * place + 1, 2 * place + 2)
        return found

    def _open_pages(self, until: int) -> None:
        self._open_until = max(self._open_until, until)
        found = list[tuple[int, str, int]]()
        while self._closed and self._closed[0] <= self._open_until:
            page = heappop(self._closed)
            found += self._opened(self._pages.pop(page), page << _PAGE_BITS)
        if found:
            self._entries += len(found)
            self._exact += found
            self._exact.sort()  # once, for however many pages: a heap, too, and less work than one push for each

    def _opened(self, numbers: Sequence[int], start: int) -> Iterator[tuple[int, str, int]]:
        """Yield the exact entries of those whose entry counts in the page that begins at `start` (ms)."""
        counts, due_of, users = self._counts, self._due_of, self._users
        self._entries -= len(numbers)
        for number in numbers:
            if counts[number] == start:
                counts[number] = NEVER
                due = due_of(number)
                if due >> _PAGE_BITS <= self._open_until:
                    counts[number] = due
                    yield due, users[number], number
                else:
                    self.schedule(number, due)

    def _forget_outdated(self) -> None:
        """Write the order anew: it stays bounded for ever, however often users are scheduled."""
        self._pages.clear()
        self._closed.clear()
        self._exact.clear()
        self._entries = 0
        for number in range(len(self._counts)):
            self._counts[number] = NEVER
            self.schedule(number, self._due_of(number))
