"""What a reader of the segment topic must not pass over in silence; each says where it is and what to do."""

from __future__ import annotations


class Trouble(Exception):
    """Something is missing or cannot be read; a `on_trouble` that returns has the reader go on behind it."""


class Gap(Trouble):
    """Changes of a user are missing: `expected` is the number that should have come, `found` the one that did."""

    def __init__(self, place: Place, user_id: str, expected: int, found: int) -> None:
        super().__init__(
            f"{place}: user {user_id}: change {found} came where change {expected} was expected:"
            f" {found - expected} are missing from the topic"
        )
        self.place, self.user_id, self.expected, self.found = place, user_id, expected, found


class Unreadable(Trouble):
    """A record is no change; `value` is what it holds."""

    def __init__(self, place: Place, value: bytes | None, reason: str) -> None:
        super().__init__(f"{place}: the record is no change: {reason}")
        self.place, self.value = place, value


class Expired(Trouble):
    """Kafka removed records before this group acknowledged them; reading goes on at `place`."""

    def __init__(self, place: Place, acknowledged: int) -> None:
        super().__init__(
            f"{place}: the topic begins here, this group has acknowledged up to offset {acknowledged}:"
            " what lay between is lost to it; segments' memberships topic says what is true now"
        )
        self.place, self.acknowledged = place, acknowledged


class Recreated(RuntimeError):
    """The topic ends before what was acknowledged: it is another topic of the same name."""


class Overtaken(RuntimeError):
    """Another member has acknowledged these records: undo what was done for the batch."""


class Reassigned(RuntimeError):
    """Partitions of the batch went to another member before it was acknowledged, and it gets these changes again."""


class Unacknowledged(RuntimeError):
    """The batch handed out last was not acknowledged."""


class Place:
    """Where a record is.

    >>> str(Place("segment-changes", 3, 17))
    'segment-changes, partition 3, offset 17'
    """

    __slots__ = ("offset", "partition", "topic")

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self.topic, self.partition, self.offset = topic, partition, offset

    def __str__(self) -> str:
        return f"{self.topic}, partition {self.partition}, offset {self.offset}"


def raise_trouble(trouble: Trouble) -> None:
    """Raise what was found: the reader stays where it is."""
    raise trouble
