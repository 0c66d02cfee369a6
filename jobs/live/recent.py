"""The newest records of the memberships topic, several of a user: one that moves is compared with what it was."""

from __future__ import annotations

from collections import deque

import msgspec

_MOST = 100_000


class _Head(msgspec.Struct, gc=False):
    seq: int


_head = msgspec.json.Decoder(_Head).decode
_NOWHERE = 0


class Recent:
    """Records in their order, oldest forgotten first; of a user there are numbers, and tombstones, which have none."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._order: deque[str] = deque()
        self._records: dict[str, deque[tuple[int, bytes]]] = {}

    def __contains__(self, user: str) -> bool:
        return user in self._records

    def add(self, user: str, value: bytes | None) -> None:
        """Take in a record; None is a tombstone. A value that is none of ours is left out."""
        try:
            entry = (_NOWHERE, b"") if value is None else (_head(value).seq, value)
        except msgspec.DecodeError:
            return
        self._records.setdefault(user, deque()).append(entry)
        self._order.append(user)
        if len(self._order) > self._most:
            oldest = self._order.popleft()
            records = self._records[oldest]
            records.popleft()
            if not records:
                del self._records[oldest]

    def reached(self, user: str) -> int:
        """Return the least number that the newest record can have; 0 where none is known.

        >>> recent = Recent()
        >>> for value in (b'{"seq": 3}', None):
        ...     recent.add("u1", value)
        >>> recent.reached("u1")
        4
        """
        gone = 0
        for number, _ in reversed(self._records.get(user, ())):
            if number != _NOWHERE:
                return number + gone
            gone = 1
        return 0

    def at(self, user: str, seq: int) -> bytes | None:
        """Return the newest record of a change's number.

        >>> recent = Recent()
        >>> recent.add("u1", b'{"seq": 3}')
        >>> recent.at("u1", 3), recent.at("u1", 2)
        (b'{"seq": 3}', None)
        """
        found = (value for number, value in reversed(self._records.get(user, ())) if number == seq and seq != _NOWHERE)
        return next(found, None)

    def was_nowhere(self, user: str, seq: int) -> bool:
        """Say whether a tombstone stands where the record of that number would be.

        >>> recent = Recent()
        >>> for value in (b'{"seq": 3}', None, b'{"seq": 5}'):
        ...     recent.add("u1", value)
        >>> recent.was_nowhere("u1", 4), recent.was_nowhere("u1", 6)
        (True, False)
        """
        before, gone = None, False
        for number, _ in self._records.get(user, ()):
            if number == _NOWHERE:
                gone = before is not None and before < seq
            elif gone and number > seq:
                return True
            else:
                before, gone = number, False
        return gone
