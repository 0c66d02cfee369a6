"""What the memberships topic says of users now, and said lately."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from tempfile import gettempdir
from typing import Any, NamedTuple

import msgspec

from jobs.kafka_properties import consumer_options
from jobs.live.judging import Topic
from jobs.live.table import Table
from jobs.settings import Settings
from segments.changes import Memberships, decode_memberships
from segments.inspection import Choice
from serving.memberships import SegmentMemberships

Progress = Callable[[int, int], None]


class Unreadable(NamedTuple):
    """A newest record that is no memberships."""

    why: str


class Told:
    """The chosen users' memberships, on disk; `refresh` reads the topic to its end."""

    def __init__(self, table: Table, memberships: SegmentMemberships) -> None:
        self.table = table
        self._memberships = memberships

    def refresh(self) -> None:
        """Read what has come up to now; raises TimeoutError, kafka.errors.KafkaError."""
        self._memberships.refresh()

    def settle(self, seconds: float) -> None:
        """Read for so long what comes; raises as `refresh` does."""
        self._memberships.settle(seconds)

    def now(self, user: str) -> Memberships | Unreadable | None:
        """Return the newest record, None for a user who is in no segment."""
        value = self.table.get(user)
        return None if value is None else _read(user, value)

    def reached(self, user: str, now: Memberships | None) -> int:
        """Return the least number of a change that the topic knows of."""
        recent = self.table.recent
        return now.seq if now is not None else recent.reached(user) if recent is not None else 0

    def of(self, user: str, asked: Collection[str] | None = None) -> Topic:
        """Return what the topic said of a user lately; of records with segments that were not `asked` for nothing."""
        recent, now = self.table.recent, self.now(user)

        def at(seq: int) -> Memberships | None:
            found = now
            if not isinstance(found, Memberships) or found.seq != seq:
                value = recent.at(user, seq) if recent is not None else None
                found = None if value is None else _read(user, value)
            is_usable = isinstance(found, Memberships) and (asked is None or found.segments.keys() <= set(asked))
            return found if isinstance(found, Memberships) and is_usable else None

        return Topic(at, lambda seq: recent is not None and recent.was_nowhere(user, seq))


def _read(user: str, value: bytes) -> Memberships | Unreadable:
    try:
        found = decode_memberships(value)
    except msgspec.DecodeError as error:
        return Unreadable(f"the newest record of the memberships topic is unreadable ({error})")
    if found.user_id != user:
        return Unreadable(f"the newest record of the memberships topic is about user {found.user_id}")
    return found


@contextmanager
def told(settings: Settings, choice: Choice, progress: Progress) -> Iterator[Told]:
    """Read the topic to its end; raises LookupError, TimeoutError, KafkaError, sqlite3.OperationalError (disk full)."""
    kafka = settings.kafka
    options: dict[str, Any] = consumer_options(kafka.consumer_properties)
    options.pop("isolation_level", None)
    table = Table(choice.has)
    try:
        with SegmentMemberships(
            kafka.bootstrap_servers, topic=kafka.memberships_topic, records=table, **options
        ) as memberships:
            memberships.refresh(on_progress=progress)
            table.follow()
            yield Told(table, memberships)
    finally:
        table.close()


def no_room(error: Exception) -> str:
    """Return what to do when SQLite cannot write."""
    return (
        f"the memberships topic does not fit in {gettempdir()} ({error}): set TMPDIR to a folder with more room, or"
        " compare part of the users (--slice 1/16)"
    )
