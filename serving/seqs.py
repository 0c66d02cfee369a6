"""What a reader knows of `seq`: each user's newest change that was acknowledged, and how far each partition is."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from serving.troubles import Overtaken

_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments_seqs (
  topic TEXT NOT NULL, user_id TEXT NOT NULL, seq INTEGER NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
  PRIMARY KEY (topic, user_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS segments_seqs_by_offset ON segments_seqs (topic, "partition", "offset");
CREATE TABLE IF NOT EXISTS segments_reached (
  topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL, PRIMARY KEY (topic, "partition")) WITHOUT ROWID;
"""  # noqa: E501
_SAVE_SEQ = """
INSERT INTO segments_seqs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET seq = max(seq, excluded.seq), "partition" = excluded."partition", "offset" = excluded."offset"
"""
_SAVE_REACHED = """
INSERT INTO segments_reached VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "offset" = excluded."offset"
WHERE "offset" <= ?
"""
_USERS_A_QUERY = 500
_BUSY_S = 30.0


@dataclass(slots=True)
class Progress:
    """What was read of a partition, from offset `start` up to before `end`: by user the newest (seq, offset)."""

    topic: str
    partition: int
    start: int
    end: int
    seqs: dict[str, tuple[int, int]] = field(default_factory=dict)


class SeqStore(Protocol):
    """Where seqs are kept. What is saved must still be there after a crash, or all of it be gone."""

    def reached(self, topic: str, partition: int) -> int | None:
        """Return the offset up to before which a partition is known, None when nothing is."""
        ...

    def known(self, topic: str, users: Collection[str]) -> dict[str, int]:
        """Return the seq of each user that is known."""
        ...

    def save(self, progress: Iterable[Progress]) -> None:
        """Keep what was read, for good and all or nothing; raises Overtaken where a partition is beyond a `start`."""
        ...

    def forget(self, topic: str, partition: int, before: int) -> None:
        """Let go of users whose newest record has an offset lower than `before`."""
        ...


class SeqTable:
    """Seqs in two tables of your own SQLite database: saving commits, together with what you have written since.

    >>> table = SeqTable(sqlite3.connect(":memory:"))
    >>> table.save([Progress("changes", 0, 0, 2, {"u1": (2, 1)})])
    >>> table.reached("changes", 0), table.known("changes", ["u1", "u2"])
    (2, {'u1': 2})
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Create the tables `segments_seqs` and `segments_reached` where they are missing."""
        self._connection = connection
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)

    def reached(self, topic: str, partition: int) -> int | None:
        row = self._connection.execute(
            'SELECT "offset" FROM segments_reached WHERE topic = ? AND "partition" = ?', (topic, partition)
        ).fetchone()
        return None if row is None else row[0]

    def known(self, topic: str, users: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        rest = iter(users)
        while some := list(islice(rest, _USERS_A_QUERY)):
            places = ", ".join("?" * len(some))
            found.update(
                self._connection.execute(
                    f"SELECT user_id, seq FROM segments_seqs WHERE topic = ? AND user_id IN ({places})",  # noqa: S608 - question marks only
                    (topic, *some),
                )
            )
        return found

    def save(self, progress: Iterable[Progress]) -> None:
        with self._together():
            for each in progress:
                self._save(each)

    def forget(self, topic: str, partition: int, before: int) -> None:
        with self._together():
            self._connection.execute(
                'DELETE FROM segments_seqs WHERE topic = ? AND "partition" = ? AND "offset" < ?',
                (topic, partition, before),
            )

    def _together(self) -> sqlite3.Connection:
        """Return what commits at the end of a `with`, or takes everything back when it fails."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def _save(self, each: Progress) -> None:
        moved = self._connection.execute(_SAVE_REACHED, (each.topic, each.partition, each.end, each.start)).rowcount
        if not moved:
            reached = self.reached(each.topic, each.partition)
            raise Overtaken(
                f"{each.topic}, partition {each.partition}: another member has acknowledged up to offset {reached},"
                f" this batch begins at {each.start}: undo what was done for it"
            )
        rows = ((each.topic, user, seq, each.partition, offset) for user, (seq, offset) in each.seqs.items())
        self._connection.executemany(_SAVE_SEQ, rows)


class SeqFile(SeqTable):
    """Seqs in a SQLite file of their own, one for each member of a group; a lost file is read again from the topic."""

    def __init__(self, path: Path | str) -> None:
        """Open or create the file; raises ValueError when it is something else, or damaged."""
        connection = sqlite3.connect(path, timeout=_BUSY_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # what a crash takes back is read again
            super().__init__(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise ValueError(
                f"{path} cannot be used ({error}): delete it, what it held is read again from the topic"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
