"""What is compared, and what counts as different; the comparison with real servers is in tests/stack."""

from collections.abc import Sequence

import msgspec

from jobs.reconcile import Recomputation, WrittenChanges, compare_changes
from jobs.reconcile_memberships import compare_memberships, newest_memberships
from jobs.reconcile_redis import _agree, compare_redis, fold
from jobs.settings import Settings
from jobs.topics import Record
from segments.changes import Membership, Memberships, decode_change, encode_memberships
from segments.control import Release
from segments.definitions import parse_definitions
from udfs.redis_entries import SegmentEntry

DEFINITIONS = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
T0 = 1_795_341_600_000
HOUR = 3_600_000


def event(user: str, at: int) -> tuple[bytes, int]:
    return b'{"type": "page", "userId": "%b", "timestamp": %d}' % (user.encode(), T0 + at), T0 + at


def recomputed(until: int) -> Recomputation:
    replayed = Recomputation(DEFINITIONS, Settings())
    replayed.add([event("u1", 0), event("u2", 10), event("u1", 20), (b"x", T0)])
    replayed.advance(T0 + until)
    return replayed


def written(values: Sequence[bytes]) -> WrittenChanges:
    topic = WrittenChanges()
    for value in values:
        topic.add(value)
    return topic


def differences(values: Sequence[bytes], required_until: int = 0, until: int = 2 * HOUR) -> list[str]:
    required = recomputed(required_until).lengths()
    return [str(each) for each in compare_changes(written(values), recomputed(until), required)]


ALL = [value for changes in recomputed(2 * HOUR).changes.values() for value in changes]


def test_a_recomputation_counts() -> None:
    replayed = recomputed(0)
    assert replayed.counts == {"events": 4, "dead letters": 1, "duplicates": 0, "late": 0}
    assert replayed.users() == 2


def test_a_recomputation_follows_releases() -> None:
    seen = "segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]"
    releases = [Release(1, 0, seen), Release(2, T0 + 30_000, seen.replace("1h", "10s"))]
    replayed = Recomputation(releases, Settings())
    replayed.add([event("u1", 0)])
    replayed.advance(T0 + 30_000)
    assert [(c.action, c.cause.kind) for c in map(decode_change, replayed.changes["u1"])] == [
        ("entered", "event"),
        ("exited", "definition"),
    ]


def test_equal_and_further_on_are_equal() -> None:
    assert differences(ALL, 2 * HOUR) == []
    assert differences(ALL, 0) == []
    assert differences([value for value in ALL if decode_change(value).action == "entered"], 0) == []


def test_missing_changed_and_additional_changes_are_different() -> None:
    assert differences(ALL[:1], 0) == [
        f"user u2: job and replay: the job wrote 0 changes, the replay 1; next {ALL[2].decode()}"
    ]
    other = ALL[0].replace(b'"seen"', b'"unseen"')
    assert differences([other, *ALL[1:]])[0].startswith("user u1: job and replay: change 1: job {")
    assert "the job wrote 2 changes, the replay 1" in differences(ALL, 0, until=30)[0]


def test_redelivered_changes_are_taken_once_and_must_be_the_same() -> None:
    topic = written([*ALL, *ALL])
    assert (topic.redelivered, topic.differences) == (len(ALL), [])
    assert topic.by_user == written(ALL).by_user
    topic = written([ALL[0], ALL[0].replace(b"entered", b"updated")])
    assert "written twice and differently" in str(topic.differences[0])
    assert "change 2 follows change 0" in str(written([ALL[1]]).differences[0])


class FakeRedis:
    """Hashes and sorted sets as a client returns them."""

    def __init__(self, hashes: dict[str, dict[bytes, bytes]], sets: dict[str, dict[bytes, float]]) -> None:
        self.hashes, self.sets = hashes, sets
        self.asked: list[str] = []

    def pipeline(self, *, transaction: bool) -> "FakeRedis":
        assert not transaction
        return self

    def hgetall(self, key: str) -> None:
        self.asked.append(key)

    def execute(self) -> list[dict[bytes, bytes]]:
        answers = [self.hashes.get(key, {}) for key in self.asked]
        self.asked = []
        return answers

    def scan_iter(self, match: str, **_: int) -> list[bytes]:
        return [key.encode() for key in (*self.hashes, *self.sets) if key.startswith(match.rstrip("*"))]

    def zrange(self, key: str, *_: int, withscores: bool) -> list[tuple[bytes, float]]:
        assert withscores
        return list(self.sets.get(key, {}).items())


BY_USER = {"u1": ALL[:1], "u2": ALL[2:4]}  # u1 is inside, u2 has left


def stored() -> FakeRedis:
    entry = msgspec.json.encode(fold(ALL[:1])[1]["seen"])
    return FakeRedis(
        {"seg:u1": {b"_seq": b"1", b"seen": entry}, "seg:u2": {b"_seq": b"2"}}, {"segment:seen": {b"u1": float(T0)}}
    )


def test_fold_keeps_what_the_last_change_said() -> None:
    assert fold(ALL[:1]) == (1, {"seen": SegmentEntry(None, T0, 1, 1, 1.0)})
    assert fold(ALL[:2]) == (2, {})


def test_redis_equal_to_the_topic() -> None:
    assert list(compare_redis(stored(), BY_USER)) == []


NO_SCORE = "score None, confidence 1.0, version 1"


def test_every_difference_in_redis_is_named() -> None:
    client = stored()
    del client.hashes["seg:u1"][b"seen"]
    client.hashes["seg:u2"][b"_seq"] = b"1"
    client.hashes["seg:u3"] = {b"_seq": b"1"}
    client.sets["segment:seen"][b"u2"] = 5.0
    assert list(compare_redis(client, BY_USER)) == [
        (
            "u1",
            f"segment seen: the topic says inside since {T0} by change 1 ({NO_SCORE}), Redis not inside",
        ),
        ("u2", "the topic is at change 2, Redis at 1"),
        ("u3", "Redis has seg:u3, the topic has no change of this user"),
        ("u2", "sorted set segment:seen: the topic says not in it, Redis 5"),
    ]


def test_a_user_written_whole_has_newer_scores_and_agrees() -> None:
    """Found by the chaos test: a user is written whole after an event that changed the score and no membership."""
    change = SegmentEntry(12.5, T0, 1, 3, 1.0)
    assert _agree(change, SegmentEntry(14.0, T0, 1, 3, 1.0), 3)
    assert _agree(change, SegmentEntry(14.0, T0, 1, 5, 1.0), 5)
    for other in (
        SegmentEntry(12.5, T0 + 1, 1, 3, 1.0),
        SegmentEntry(12.5, T0, 2, 3, 1.0),
        SegmentEntry(12.5, T0, 1, 2, 1.0),
        SegmentEntry(12.5, T0, 1, 4, 1.0),
        SegmentEntry(None, T0, 1, 3, 1.0),
        None,
    ):
        assert not _agree(change, other, 3)


def told(user: str, seq: int, since: int | None, version: int = 1, segment: str = "seen") -> Record:
    memberships = Memberships(user, seq, T0 + seq, {segment: Membership(version, since or 0, None, 1.0)})
    value = None if since is None else encode_memberships(memberships)
    return Record("memberships", 0, seq, user.encode(), value, T0)


AS_TOLD = [told("u1", 1, T0), told("u2", 1, T0 + 10), told("u2", 2, None)]


def memberships_differences(records: Sequence[Record]) -> list[tuple[str, str]]:
    return list(compare_memberships(newest_memberships(records), BY_USER))


def test_memberships_equal_to_the_changes() -> None:
    assert memberships_differences(AS_TOLD) == []
    assert memberships_differences([told("u3", 1, T0), *AS_TOLD, Record("memberships", 0, 9, b"u3", None, T0)]) == []


def test_every_difference_in_the_memberships_is_named() -> None:
    assert memberships_differences(AS_TOLD[1:]) == [
        ("u1", "the segment topic is at change 1, the memberships topic has no record")
    ]
    assert memberships_differences(AS_TOLD[:2]) == [
        ("u2", "the segment topic is at change 2, the memberships topic at 1")
    ]
    for other in (told("u1", 1, T0, segment="other"), told("u1", 1, T0 + 1), told("u1", 1, T0, version=2)):
        ((user, detail),) = memberships_differences([*AS_TOLD, other])
        assert user == "u1"
        assert detail.startswith(
            ("segment other: the segment topic says not inside", "segment seen: the segment topic says")
        )
    assert memberships_differences([*AS_TOLD, told("u3", 1, T0)]) == [
        ("u3", "the memberships topic has a record, the segment topic no change")
    ]
    broken = Record("memberships", 0, 9, b"u1", b"{", T0)
    assert (
        "the newest record of the memberships topic is unreadable" in memberships_differences([*AS_TOLD, broken])[0][1]
    )
    foreign = told("u1", 1, T0)._replace(key=b"u2")
    assert memberships_differences([*AS_TOLD, foreign]) == [
        ("u2", "the newest record of the memberships topic is about user u1")
    ]


def test_numbers_of_who_was_forgotten_and_came_back_are_no_gap() -> None:
    forgetting = parse_definitions("retention: 1d\nsegments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    replayed = Recomputation(forgetting, Settings())
    replayed.add([event("u1", 0), event("u1", 3 * 24 * HOUR)])
    replayed.advance(T0 + 9 * 24 * HOUR)
    told = replayed.changes["u1"]
    assert [decode_change(value).seq - T0 for value in told] == [1, 2, 3 * 24 * HOUR + 1, 3 * 24 * HOUR + 2]
    topic = written([*told, *told[:3]])
    assert (topic.by_user["u1"], topic.redelivered, topic.differences) == (told, 3, [])
    lost = written([value for value in told if value != told[2]])
    assert lost.by_user["u1"] != told
