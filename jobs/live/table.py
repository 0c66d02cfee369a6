"""The memberships topic as a table on disk: of millions of users no more than a cache is in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, MutableMapping

from jobs.live.recent import Recent

_CACHE_KIB = 128 * 1024
_PAGE = 1_000
_TABLES = """
PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{cache};
CREATE TABLE users (user BLOB PRIMARY KEY, told BLOB NOT NULL, known INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE noted (user BLOB PRIMARY KEY) WITHOUT ROWID;
BEGIN
"""
_PUT = "INSERT INTO users (user, told) VALUES (?, ?) ON CONFLICT DO UPDATE SET told = excluded.told"


class Table(MutableMapping[str, bytes]):
    """Each user's newest record, of those users whom `has` chooses, in a file that SQLite removes when it is closed.

    Once `follow` is called, what comes is in `recent` too. Raises sqlite3.OperationalError when the disk is full.
    """

    def __init__(self, has: Callable[[str], bool] = lambda _: True, *, cache_kib: int = _CACHE_KIB) -> None:
        self._has = has
        self.recent: Recent | None = None
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.executescript(_TABLES.format(cache=cache_kib))

    def __setitem__(self, user: str, value: bytes) -> None:
        if not self._has(user):
            return
        if self.recent is not None:
            self._remember(self.recent, user, value)
        self._base.execute(_PUT, (_key(user), value))

    def __delitem__(self, user: str) -> None:
        if self.recent is not None:
            self._remember(self.recent, user, None)
        if not self._base.execute("DELETE FROM users WHERE user = ?", (_key(user),)).rowcount:
            raise KeyError(user)

    def __getitem__(self, user: str) -> bytes:
        found = self._base.execute("SELECT told FROM users WHERE user = ?", (_key(user),)).fetchone()
        if found is None:
            raise KeyError(user)
        return bytes(found[0])

    def __len__(self) -> int:
        return int(self._base.execute("SELECT COUNT(*) FROM users").fetchone()[0])

    def __iter__(self) -> Iterator[str]:
        """Yield users by their bytes; who comes and goes meanwhile may be among them or not."""
        return self._users("")

    def follow(self) -> None:
        """Keep the newest records from now on."""
        self.recent = Recent()

    def know(self, users: Iterable[str]) -> None:
        """Note that the job has told of these users."""
        self._base.executemany("UPDATE users SET known = 1 WHERE user = ?", ((_key(user),) for user in users))

    def unknown(self) -> Iterator[str]:
        """Yield the users of whom the job has not told."""
        return self._users("AND NOT known")

    def note(self, user: str) -> bool:
        """Note a user as told of; returns False for one who was."""
        return bool(self._base.execute("INSERT OR IGNORE INTO noted VALUES (?)", (_key(user),)).rowcount)

    def close(self) -> None:
        """Remove the file."""
        self._base.close()

    def _users(self, which: str) -> Iterator[str]:
        query, last = f"SELECT user FROM users WHERE user > ? {which} ORDER BY user LIMIT {_PAGE}", b""  # noqa: S608 - both are ours
        while found := self._base.execute(query, (last,)).fetchall():
            yield from (bytes(user).decode("utf-8", "surrogateescape") for (user,) in found)
            last = bytes(found[-1][0])

    def _remember(self, recent: Recent, user: str, value: bytes | None) -> None:
        if user not in recent and (before := self.get(user)) is not None:
            recent.add(user, before)
        if user in recent or value is not None:
            recent.add(user, value)


def _key(user: str) -> bytes:
    return user.encode("utf-8", "surrogateescape")
