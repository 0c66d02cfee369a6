"""Current memberships in Redis. An outage holds nothing up: who changed meanwhile is written when Redis is back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol

import redis

from segments.changes import Change, Memberships
from segments.warming import Warming
from udfs.redis_entries import (
    WARMING_SHARDS_KEY,
    WHOLE_KEY,
    batches,
    changed_entries,
    packed_warming,
    whole_entry,
)
from udfs.redis_link import COMPARE_SHA, MARK_SHA, TELL_SHA, WRITE_SHA, RedisLink, RedisOptions
from udfs.redis_log import RedisLog

PATIENCE_S = 0.5  # for an answer, before a slow Redis is given users to be written later
MOST_BEHIND = 100_000  # of more it is not noted who they are: all users are looked through
_FILLING = "?"  # before a server's id in the marker: not all users have been compared
_WRITTEN_TOGETHER = 512
_COMPARED_TOGETHER = 1_024

# A script that fails with one of these met a state of the server; with anything else it would fail again.
_PASSING = ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "BUSY", "NOSCRIPT")


class Users(Protocol):
    """The users of a worker, by number, for those who write what they are in."""

    def settle(self) -> int:
        """Give all users a number and have `seqs` know all they went through; returns how many there are."""
        ...

    def seqs(self, first: int, last: int) -> list[tuple[str, int]]:
        """Return users by number, from `first` up to `last`, each with the number of the newest change."""
        ...

    def memberships(self, user_id: str) -> Memberships | None:
        """Return what a user is in now, None for one who is gone."""
        ...

    def is_readable(self, user_id: str) -> bool:
        """Say whether it is known what the user is in; of the others Redis keeps what it has."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the answers that are awaited are about."""

    kind: Literal["changed", "whole", "compare", "marker", "begin", "mark", "warming"]
    users: Sequence[str] = ()
    place: int = 0


class RedisWriter:
    """Writes changes: hash `seg:{user}` of segment -> JSON, sorted set `segment:{name}` of users by entered time.

    While Redis takes them, each batch is sent as it comes. Else it is only noted who changed, and `catch_up` writes
    what these users are in once it can. Each write says what came before it; who lacks that, in a Redis that was
    emptied or went back in time, is written whole. A server that may lack users has all of them compared.
    """

    def __init__(self, options: RedisOptions, users: Users, patience: float = PATIENCE_S) -> None:
        self._ttl = str(options.ttl_ms)
        self._users = users
        self._patience = patience
        self._link = RedisLink(options)
        self.log = RedisLog(self._link.address)
        self._shards: Sequence[int] = ()
        self._behind: dict[str, None] = {}  # users to be written whole, in order
        self._place: int | None = None  # of the user who is compared next; None: nobody is to be
        self._all = 0  # users there are to compare
        self._asked: _Asked | None = None
        self._filling = ""  # the server in which all users are being compared, or were
        self._is_marked = False  # the server is known to hold all users of these shards
        self._warming: bytes | None = None  # what stands still in these shards, once that is known
        self._told: Mapping[str, Warming] | None = None  # what that was made of
        self._is_told = True  # the server knows it
        self._is_slow = False

    def own(self, shards: Sequence[int], *, lacking: bool) -> None:
        """Say whose users these are, and whether Redis may lack what they went through before."""
        self._shards = shards
        if lacking:
            self._compare_all()

    @property
    def behind(self) -> int:
        """How many users Redis may lack something of."""
        asked = self._asked
        waiting = len(asked.users) if asked and asked.kind != "changed" else 0
        return len(self._behind) + waiting + (0 if self._place is None else max(self._all - self._place, 0))

    @property
    def has_to_catch_up(self) -> bool:
        """Say whether there is something for `catch_up` to do; a batch whose answer is awaited is none."""
        return bool(self._behind) or self._place is not None or not self._is_marked or not self._is_told

    @property
    def is_whole(self) -> bool:
        """Say whether Redis has all that was written."""
        return self._link.up and not self._asked and not self.has_to_catch_up

    def tell(self, warming: Mapping[str, Warming] | None) -> None:
        """Have the server list the segments that stand still in these shards; None: that is not known yet."""
        if warming is not None and warming is not self._told:
            self._told, packed = warming, packed_warming(warming)
            self._is_told = self._is_told and packed == self._warming
            self._warming = packed

    def write(self, changes: Iterable[Change]) -> None:
        """Send changes, or note whose they are when Redis has not taken those before; a user's are in order."""
        entries = changed_entries(changes)
        is_ready = self._poll(self._patience if entries and not self._is_slow else 0.0)
        if entries:
            self._is_slow = not is_ready
            if is_ready:
                self._send("changed", {user: entry for user, entry in entries.items() if user not in self._behind})
            else:
                self._remember(entries)

    def catch_up(self, seconds: float) -> None:
        """Write users that Redis lacks something of, and compare those of whom that is not known, for so long."""
        until = time.monotonic() + seconds
        while self._poll(max(0.0, until - time.monotonic())):
            if not self._is_told:
                self._is_told = True
                self._ask(_Asked("warming"), [("EVALSHA", TELL_SHA, 0, self._warming or b"", *self._shards)])
            elif self._behind:
                some = list(islice(self._behind, _WRITTEN_TOGETHER))
                for user in some:
                    del self._behind[user]
                told = {user: whole_entry(user, self._users.memberships(user)) for user in some}
                self._send("whole", {user: entry for user, entry in told.items() if self._users.is_readable(user)})
            elif self._place is not None:
                self._compare_some()
            elif not self._is_marked:
                server = self._link.server
                self._ask(_Asked("mark"), [("EVALSHA", MARK_SHA, 0, _FILLING + server, server, *self._shards)])
            else:
                self.log.whole()
                return
            if time.monotonic() >= until:
                return

    def settle(self) -> bool:
        """Return whether Redis has all, as far as it answers in time; asks it too whether it was emptied."""
        self._poll(self._patience)
        whole = self.is_whole
        if whole:
            self.log.whole()
            self._ask_for_marker()
        return whole

    def flush(self) -> None:
        """Return when Redis has all that was written, however long it is away."""
        while not self.is_whole:
            self._link.wait_back(1.0)
            self.catch_up(1.0)

    def close(self) -> None:
        """Await the last answer if it comes, and leave."""
        if self._link.up:
            self._poll(self._patience)
        self._link.close()

    def _poll(self, patience: float) -> bool:
        """See what Redis answered; returns whether it can be asked something now."""
        if not self._link.up:
            if not self._link.back():
                self.log.away(self._link.reason, self.behind)
                return False
            self._is_marked = False
            self._is_told = self._warming is None
            self._ask_for_marker()
        until = time.monotonic() + patience
        while self._asked is not None:
            try:
                answers = self._link.answers(max(0.0, until - time.monotonic()))
            except redis.RedisError as error:
                self._lose(error)
                return False
            if answers is None:
                return False
            self._take(self._asked, answers)
        return self._link.up

    def _take(self, asked: _Asked, answers: Sequence[Any]) -> None:
        error = next((each for each in answers if isinstance(each, redis.RedisError)), None)
        if error is not None and not (asked.kind in ("changed", "whole") and _will_fail_again(error)):
            self._lose(error)
            return
        self._asked = None
        if error is not None:
            self.log.refused(asked.users, str(error))
        elif asked.kind == "compare":
            self._remember(_texts(user for answer in answers for user in answer))
        elif asked.kind == "marker":
            self._read_marker(*answers)
        elif asked.kind == "mark":
            self._is_marked = answers[0] == 1
            if not self._is_marked:
                self._ask_for_marker()
        elif asked.kind in ("changed", "whole"):
            for lacking, refused in answers:
                self._remember(_texts(lacking))
                self.log.refused(_texts(refused), "it holds something else")
        if asked.kind not in ("compare", "marker") or not self.behind:
            self._link.took_a_write()
            self.log.back(self.behind)

    def _read_marker(self, found: Sequence[bytes | None], warming: Sequence[bytes | None]) -> None:
        server = self._link.server
        self._is_told = self._is_told and (self._warming is None or set(warming) == {self._warming})
        self._is_marked = set(found) == {server.encode()}
        is_going_on = self._filling == server and set(found) == {(_FILLING + server).encode()}
        if not self._is_marked and not is_going_on:
            self._filling = server
            self._compare_all()
            self.log.unknown(server, self._all, was_emptied=None in found)
            marks = [each for shard in self._shards for each in (shard, _FILLING + server)]
            self._ask(_Asked("begin"), [("HSET", WHOLE_KEY, *marks)])

    def _compare_all(self) -> None:
        self._place, self._all = 0, self._users.settle()

    def _compare_some(self) -> None:
        first = self._place or 0
        if first == 0:
            self._all = self._users.settle()  # who changed and was not noted is compared by what he is now
        last = min(first + _COMPARED_TOGETHER, self._all)
        self._place = last if last < self._all else None
        seqs = [each for each in self._users.seqs(first, last) if each[1]]
        commands = [("EVALSHA", COMPARE_SHA, 0, batch) for batch in batches(seqs)]
        self._ask(_Asked("compare", [user for user, _ in seqs], first), commands)

    def _remember(self, users: Iterable[str]) -> None:
        self._behind.update(dict.fromkeys(users))
        if len(self._behind) > MOST_BEHIND:
            self._behind.clear()
            self._compare_all()

    def _send(self, kind: Literal["changed", "whole"], entries: Mapping[str, Sequence[Any]]) -> None:
        commands = [("EVALSHA", WRITE_SHA, 0, batch, self._ttl) for batch in batches(entries.values())]
        self._ask(_Asked(kind, list(entries)), commands)

    def _ask_for_marker(self) -> None:
        commands = [("HMGET", key, *self._shards) for key in (WHOLE_KEY, WARMING_SHARDS_KEY)]
        self._ask(_Asked("marker"), commands)

    def _ask(self, asked: _Asked, commands: Sequence[tuple[object, ...]]) -> None:
        if commands:
            self._asked = asked
            try:
                self._link.send(commands)
            except redis.RedisError as error:
                self._lose(error)

    def _lose(self, error: redis.RedisError) -> None:
        asked, self._asked = self._asked, None
        self._link.lose(error)
        self._is_marked = False
        self._is_told = self._warming is None
        if asked is not None and asked.kind == "compare":
            self._place = asked.place
        elif asked is not None:
            self._remember(asked.users)
        self.log.away(self._link.reason, self.behind)


def _texts(found: Iterable[bytes]) -> Iterator[str]:
    return (each.decode(errors="replace") for each in found)


def _will_fail_again(error: redis.RedisError) -> bool:
    """A script that fails will fail again; anything else (loading, full, read-only, script lost) can pass."""
    text = str(error)
    in_script = "running script" in text or "user_script" in text
    return isinstance(error, redis.ResponseError) and in_script and not any(word in text for word in _PASSING)
