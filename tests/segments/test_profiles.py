import random

import pytest

from segments import profiles_in_use as module
from segments.profile import NEVER, Layout, decode_profile, due_of, encode_profile
from segments.profiles import Profiles, shard_of


def touch(profiles: Profiles, user_id: str, due: int, newest: int = 1 << 40) -> None:
    profile = profiles.open(user_id)
    profile.newest = newest
    if due < profile.due:
        profiles.schedule(user_id, due)
    profile.due = due


def taken(profiles: Profiles, until: int, then: int = NEVER) -> list[tuple[int, str]]:
    """Take what is due, give each user its next due, and return the dues in the order they came."""
    found = []
    for user_id, profile, _ in profiles.take_due(until):
        found.append((profile.due, user_id))
        profile.due = then
    return found


def restarted(profiles: Profiles, shards: int = 1) -> Profiles:
    again = Profiles(shards)
    for shard in range(shards):
        again.load(shard, list(profiles.all_of(shard)))
    return again


def test_users_are_due_in_order_of_time_and_once() -> None:
    profiles = Profiles()
    for user_id, due in (("c", 30), ("a", 10), ("d", 40), ("b", 20)):
        touch(profiles, user_id, due)
    assert taken(profiles, 30) == [(10, "a"), (20, "b"), (30, "c")]
    assert taken(profiles, 30) == []
    assert taken(profiles, 40) == [(40, "d")]


def test_users_due_at_one_instant_come_by_name() -> None:
    profiles = Profiles()
    for user_id in ("b", "c", "a"):
        touch(profiles, user_id, 1 << 41)
    assert taken(profiles, 1 << 42) == [(1 << 41, "a"), (1 << 41, "b"), (1 << 41, "c")]


@pytest.mark.parametrize("seed", range(5))
def test_dues_far_apart_put_off_and_brought_forward_come_in_order(seed: int) -> None:
    rng = random.Random(seed)
    profiles, dues, now = Profiles(), dict[str, int](), 1 << 41
    for _ in range(600):
        user_id, due = f"u{rng.randrange(30)}", now + int(10 ** rng.uniform(0, 9.5))
        touch(profiles, user_id, due)
        dues[user_id] = due
        if rng.random() < 0.1:
            now += int(10 ** rng.uniform(0, 8))
            assert taken(profiles, now) == sorted((at, user_id) for user_id, at in dues.items() if at <= now)
            dues = {user_id: at for user_id, at in dues.items() if at > now}
        if rng.random() < 0.05:
            profiles = restarted(profiles)
    assert taken(profiles, NEVER - 1) == sorted((at, user_id) for user_id, at in dues.items())


def test_a_user_that_is_due_again_comes_again() -> None:
    profiles = Profiles()
    touch(profiles, "a", 10)
    found = []
    for _, profile, _ in profiles.take_due(100):
        found.append(profile.due)
        profile.due += 40
    assert found == [10, 50, 90]
    assert taken(profiles, 129) == []
    assert taken(profiles, 130) == [(130, "a")]


def test_a_due_put_off_does_not_come_early() -> None:
    profiles = Profiles()
    touch(profiles, "a", 10)
    touch(profiles, "a", 50)
    assert taken(profiles, 49) == []
    assert taken(profiles, 50) == [(50, "a")]


def test_a_due_brought_forward_comes_at_once_and_once() -> None:
    profiles = Profiles()
    touch(profiles, "a", 50)
    touch(profiles, "a", 10)
    assert taken(profiles, 100) == [(10, "a")]


def test_a_user_that_is_never_due_is_forgotten_by_the_order() -> None:
    profiles = Profiles()
    touch(profiles, "a", 10)
    profiles.open("a").due = NEVER
    assert taken(profiles, 1 << 50) == []
    assert len(profiles._due) == 0


def test_the_order_stays_bounded_for_ever() -> None:
    profiles = Profiles()
    for due in range(200_000, 0, -1):  # each is earlier, so each is scheduled
        touch(profiles, f"u{due % 10}", due + 1_000)
        if due % 1_000 == 0:
            assert taken(profiles, 500) == []
            assert len(profiles._due) <= 1_024 + 2 * 20 + 1_000
    assert taken(profiles, 1_010, then=NEVER) == [(due + 1_000, f"u{due % 10}") for due in range(1, 11)]


@pytest.mark.parametrize("seed", range(10))
def test_whoever_is_due_comes_and_nobody_else(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DECODED_KEPT", 3)
    rng = random.Random(seed)
    profiles, dues = Profiles(4), dict[str, int]()
    now = 1 << 41
    for _ in range(400):
        user_id, due = f"u{rng.randrange(12)}", now + rng.randrange(1, 60)
        if rng.random() < 0.6:
            touch(profiles, user_id, due)
            dues[user_id] = due
        elif rng.random() < 0.9:
            now += rng.randrange(20)
            expected = sorted((at, user_id) for user_id, at in dues.items() if at <= now)
            assert sorted(taken(profiles, now)) == expected
            dues = {user_id: at for user_id, at in dues.items() if at > now}
        else:
            profiles = restarted(profiles, 4)
    assert sorted(dues) == sorted(user_id for _, user_id in taken(profiles, NEVER - 1))


def test_who_came_last_stays_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DECODED_KEPT", 4)
    profiles = Profiles()
    for user_id in "abcde":
        touch(profiles, user_id, NEVER)
    profiles.settle_if_many()
    assert list(profiles.decoded) == ["d", "e"]
    assert [decode_profile(profiles.settled(each)).newest for each in "abc"] == [1 << 40] * 3


def test_of_who_is_passing_those_stay_decoded_who_came_again_until_they_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_DECODED_KEPT", 2)
    profiles = Profiles()
    for user_id in "abcd":
        touch(profiles, user_id, NEVER)
        profiles.passing.append((user_id, 1 << 40))
    for user_id in "bd":
        touch(profiles, user_id, NEVER, (1 << 40) + 1)
    profiles.rest()
    assert list(profiles.decoded) == ["b", "d"]
    profiles.rest()
    assert list(profiles.decoded) == ["b", "d"], "nobody else is passing"
    profiles.settle()
    profiles.passing.append(("b", profiles.open("b").newest))
    profiles.rest()
    assert list(profiles.decoded) == ["b"], "who came again once may do so after a checkpoint, too"
    touch(profiles, "e", NEVER)
    profiles.passing.append(("e", 0))
    profiles.rest()
    assert not profiles.decoded
    assert [decode_profile(profiles.settled(each)).newest - (1 << 40) for each in "abcde"] == [0, 1, 0, 1, 0]


def test_settling_keeps_what_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DECODED_KEPT", 10)
    profiles = Profiles()
    for number in range(11):
        touch(profiles, f"u{number}", 100 + number)
    profiles.settle_if_many()
    assert len(profiles.decoded) == 5
    assert [profiles.open(f"u{number}").due for number in range(11)] == list(range(100, 111))
    profiles.settle_if_many()
    assert len(profiles) == 11


def test_a_user_without_an_event_leaves_nothing() -> None:
    profiles = Profiles()
    profiles.open("nobody")
    assert profiles.has("nobody")
    profiles.settle()
    assert not profiles.has("nobody")
    assert profiles.take_changed(0) == []


def test_only_changed_users_of_the_shard_are_taken() -> None:
    profiles = Profiles(4)
    users = [f"u{number}" for number in range(40)]
    for user_id in users:
        touch(profiles, user_id, 1 << 41)
    segments = {shard: profiles.take_changed(shard) for shard in range(4)}
    assert all(segments.values())
    again = Profiles(4)
    for shard, segment in segments.items():
        again.load(shard, segment)
        own = {user_id for user_id in users if shard_of(user_id, 4) == shard}
        assert {user_id for user_id in users if again.has(user_id)} >= own
    assert set(again.users()) == set(users)
    touch(profiles, "u0", 1 << 42)
    assert [shard for shard in range(4) if profiles.take_changed(shard)] == [shard_of("u0", 4)]
    assert profiles.take_changed(shard_of("u0", 4)) == []


def test_later_segments_replace_earlier_ones_and_only_the_last_due_counts() -> None:
    profiles, segments = Profiles(), []
    for due in ((1 << 41), (1 << 41) + 5):
        touch(profiles, "a", due)
        segments.append(profiles.take_changed(0)[0])
    again = Profiles()
    again.load(0, segments)
    assert taken(again, 1 << 42) == [((1 << 41) + 5, "a")]


def test_loading_a_second_shard_keeps_the_dues_of_the_first() -> None:
    profiles = Profiles(4)
    for number in range(20):
        touch(profiles, f"u{number}", (1 << 41) + number)
    assert taken(restarted(profiles, 4), 1 << 42) == [((1 << 41) + number, f"u{number}") for number in range(20)]


def test_the_due_is_read_without_decoding() -> None:
    profiles = Profiles()
    for due in (1 << 33, 1_764_000_000_123, NEVER):
        touch(profiles, "a", due)
        blob = encode_profile(profiles.open("a"))
        assert due_of(blob) == decode_profile(blob).due == due


def test_a_profile_that_was_only_looked_at_has_not_changed() -> None:
    profiles = Profiles()
    touch(profiles, "a", 1 << 41)
    touch(profiles, "b", 1 << 41)
    profiles.take_changed(0)
    profiles.open("a")
    touch(profiles, "b", 1 << 42)
    again = Profiles()
    again.load(0, [profiles.take_changed(0)[0]])
    assert list(again.users()) == ["b"]


def test_profiles_in_use_are_written_as_they_were_settled_and_count_as_changed() -> None:
    profiles = Profiles()
    touch(profiles, "a", 1 << 41)
    touch(profiles, "b", 1 << 41)
    profiles.settle()
    profiles.open("a").clock = 7
    segments = list(profiles.all_settled(0))
    assert profiles.changed(0) == 1
    again = Profiles()
    again.load(0, segments)
    before = profiles.peek(0).clock
    assert [again.peek(number).clock for number in (0, 1)] == [before, before]
    again.load(0, profiles.take_changed(0))
    assert [again.peek(number).clock for number in (0, 1)] == [7, before]


def test_another_layout_is_translated_and_what_it_does_not_name_is_forgotten() -> None:
    old = Profiles(layouts={0: Layout(features=(70, 71, 72), segments=(80, 81))})
    touch(old, "a", 1 << 41)
    old.open("a").features = {0: [1], 1: [2], 2: [3]}
    old.open("a").members = {0: (1, 5, NEVER), 1: (0, 0, 1 << 41)}
    new = Profiles(layouts={0: Layout(features=(72, 73, 70), segments=(82, 81))})
    new.load(0, [old.take_changed(0)[0]])
    assert new.open("a").features == {2: [1], 0: [3]}
    assert new.open("a").members == {1: (0, 0, 1 << 41)}
    assert taken(new, 1 << 41) == [(1 << 41, "a")]


def test_a_format_that_is_not_known_is_refused() -> None:
    profiles = Profiles()
    touch(profiles, "a", 1 << 41)
    segment = profiles.take_changed(0)[0]
    with pytest.raises(ValueError, match=r"format 5; this version .* reads 1 to 4"):
        Profiles().load(0, [segment[:1] + b"\x05" + segment[2:]])


@pytest.mark.parametrize("in_use", [True, False])
def test_a_higher_number_is_kept_and_nothing_else_changes(*, in_use: bool) -> None:
    profiles = Profiles()
    touch(profiles, "u", 30)
    profiles.open("u").seq = 4
    profiles.take_changed(0)
    if in_use:
        profiles.open("u")
    assert not profiles.renumber("u", 3, 9), "another change has come since"
    assert not profiles.renumber("u", 4, 4)
    assert not profiles.renumber("nobody", 0, 9)
    assert profiles.take_changed(0) == []
    assert profiles.renumber("u", 4, 9)
    again = Profiles()
    again.load(0, profiles.take_changed(0))
    assert again.open("u").seq == profiles.open("u").seq == 9
    assert taken(profiles, 30) == [(30, "u")]
