"""Redis against the memberships topic, with a real Redis: who has expired there is told from who is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from jobs.live.redis_side import RedisSide
from jobs.live.report import Found, Pace
from jobs.live.table import Table
from jobs.live.told import Told
from jobs.settings import Settings
from segments.changes import Membership, Memberships, encode_memberships
from segments.inspection import Choice
from serving.memberships import SegmentMemberships
from tests.udfs.redis_support import Server, T
from udfs.redis_entries import WRITE, batches, whole_entry

MONTH = 30 * 86_400_000
OLD, NEW = T - MONTH - 1, T - MONTH


class NothingNew:
    """A memberships topic that was read to its end."""

    def refresh(self) -> int:
        return 0

    def settle(self, seconds: float) -> None:
        """Nothing comes, so nobody needs to wait."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    with Server(tmp_path) as server, redis.Redis.from_url(server.url) as connected:
        yield connected


def told_of(**users: int) -> Told:
    table = Table()
    for user, at in users.items():
        record = Memberships(user, 3, at, {"loyal": Membership(1, at, None, 1.0)})
        table[user] = encode_memberships(record)
    table.follow()
    return Told(table, cast("SegmentMemberships", NothingNew()))


def write(client: Any, told: Told, *users: str) -> None:
    entries = [whole_entry(user, cast("Memberships", told.now(user))) for user in users]
    client.eval(WRITE, 0, *batches(entries), "60000")


def compared(client: Any, told: Told, monkeypatch: pytest.MonkeyPatch, *, expired: int = NEW, repair: bool) -> Found:
    monkeypatch.setattr("jobs.live.redis_side.on_the_way", lambda _: 0.0)
    found = Found()
    side = RedisSide(client, told, Settings(), found, repair=repair, expired_before=expired)
    side.compare(Choice(), 100_000, lambda *_: None)
    return found


def test_who_has_expired_is_counted_and_who_is_missing_differs(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_of(here=NEW, missing=NEW, old_and_here=OLD, expired=OLD, in_the_set=OLD)
    write(client, told, "here", "old_and_here", "in_the_set")
    client.delete("seg:in_the_set")  # as the hash expires; its set lives on with the other members
    found = compared(client, told, monkeypatch, repair=True)
    assert found.texts == {"missing": "the memberships topic is at change 3, Redis has no such user"}
    assert (found.counts["expired"], found.counts["mended"]) == (2, 1)
    assert client.exists("seg:missing", "seg:expired", "seg:in_the_set") == 1


def test_who_has_expired_and_is_wrong_still_differs(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_of(elsewhere=OLD, since=OLD, unnumbered=OLD)
    client.zadd("segment:left", {"elsewhere": 5})
    client.zadd("segment:loyal", {"since": 5})
    client.hset("seg:unnumbered", "loyal", "?")
    assert compared(client, told, monkeypatch, repair=False).texts.keys() == {"elsewhere", "since", "unnumbered"}


def test_a_rebuild_writes_who_has_expired(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_of(expired=OLD)
    found = compared(client, told, monkeypatch, expired=0, repair=True)
    assert (found.counts["expired"], found.counts["mended"]) == (0, 1)
    assert client.hget("seg:expired", "_seq") == b"3"


def test_no_more_users_a_second_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("jobs.live.report.time", clock)
    pace = Pace(100)
    for users in (150, 150, 1_000 * 0.1):  # the last are keys that are only listed
        pace.wait(users)
    assert clock.now == 4.0
    clock.now += 60.0
    pace.wait(100)
    assert clock.now == 64.0, "who was slower than that does not wait"


class Clock:
    """The time module, in which time passes by sleeping."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
