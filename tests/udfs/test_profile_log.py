import random
from collections.abc import Mapping

import pytest

from segments.profile import NEVER, encode_profile
from segments.profiles import Profiles, shard_of
from udfs import profile_log
from udfs.profile_log import ProfileLog

SHARDS = 2
USERS = [user for user in (f"u{number}" for number in range(200)) if shard_of(user, SHARDS) == 0][:50]


class RecordingState(dict[int, bytes]):
    """The map state of one shard; remembers every number ever written."""

    def __init__(self, content: Mapping[int, bytes] | None = None) -> None:
        super().__init__(content or {})
        self.numbers: list[int] = []

    def put(self, key: int, value: bytes) -> None:
        self.numbers.append(key)
        self[key] = value

    def remove(self, key: int) -> None:
        del self[key]

    def size(self) -> int:
        return sum(map(len, self.values()))


@pytest.fixture
def state() -> RecordingState:
    return RecordingState()


@pytest.fixture
def no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_log, "_SLACK", 0)


def touch(profiles: Profiles, user_id: str, clock: int, due: int = NEVER) -> None:
    profile = profiles.open(user_id)
    profile.newest = profile.clock = clock
    profile.due = due
    if due != NEVER:
        profiles.schedule(user_id, due)


def started(state: RecordingState) -> tuple[Profiles, ProfileLog]:
    profiles = Profiles(SHARDS)
    log = ProfileLog(profiles)
    log.load(0, state)
    return profiles, log


def content(profiles: Profiles) -> dict[str, bytes]:
    return {user_id: encode_profile(profiles.open(user_id)) for user_id in list(profiles.users())}


def test_what_was_appended_is_there_after_a_restart(state: RecordingState) -> None:
    profiles, log = started(state)
    touch(profiles, USERS[0], 5, due=1 << 41)
    assert log.append(0, state) == state.size()
    touch(profiles, USERS[1], 6)
    log.append(0, state)
    again, _ = started(state)
    assert content(again) == content(profiles)
    assert next(again.take_due(1 << 41))[0] == USERS[0]


def test_nothing_changed_writes_nothing(state: RecordingState) -> None:
    profiles, log = started(state)
    assert log.append(0, state) == 0
    touch(profiles, USERS[0], 5)
    log.append(0, state)
    assert log.append(0, state) == 0
    assert state.numbers == [0]


def test_only_what_changed_is_written(state: RecordingState) -> None:
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, 5)
    everything = log.append(0, state)
    touch(profiles, USERS[0], 6)
    assert log.append(0, state) < everything / 20


def test_the_newest_segment_counts_whatever_order_the_state_returns(state: RecordingState) -> None:
    profiles, log = started(state)
    for clock in (5, 6, 7):
        touch(profiles, USERS[0], clock)
        log.append(0, state)
    shuffled = RecordingState()
    for number in (2, 0, 1):
        shuffled[number] = state[number]
    assert started(shuffled)[0].open(USERS[0]).clock == 7


def test_another_shard_is_left_alone(state: RecordingState) -> None:
    profiles, log = started(state)
    other = next(user for user in (f"u{number}" for number in range(100)) if shard_of(user, SHARDS) == 1)
    touch(profiles, other, 5)
    assert log.append(0, state) == 0
    assert log.append(1, state) > 0


@pytest.mark.usefixtures("no_slack")
def test_rewriting_bounds_the_state(state: RecordingState) -> None:
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, 1)
    full = log.append(0, state)
    for clock in range(2, 200):
        touch(profiles, USERS[clock % len(USERS)], clock)
        log.append(0, state)
        assert state.size() <= 2 * full + full / 10
    assert content(started(state)[0]) == content(profiles)


@pytest.mark.usefixtures("no_slack")
def test_a_number_is_never_used_twice_not_even_after_a_restart(state: RecordingState) -> None:
    profiles, log = started(state)
    for clock in range(1, 120):
        for user_id in USERS[:5]:
            touch(profiles, user_id, clock)
        log.append(0, state)
        if clock % 30 == 0:
            profiles, log = started(state)
    assert len(state) < 10
    assert state.numbers == sorted(set(state.numbers))


@pytest.mark.usefixtures("no_slack")
@pytest.mark.parametrize("seed", range(5))
def test_a_restart_at_any_append_changes_nothing(state: RecordingState, seed: int) -> None:
    rng = random.Random(seed)
    profiles, log = started(state)
    expected: dict[str, int] = {}
    for clock in range(1, 300):
        user_id = rng.choice(USERS)
        touch(profiles, user_id, clock)
        expected[user_id] = clock
        if rng.random() < 0.3:
            log.append(0, state)
            if rng.random() < 0.3:
                profiles, log = started(state)
    assert {user_id: profiles.open(user_id).clock for user_id in expected} == expected


@pytest.fixture
def calm(state: RecordingState) -> tuple[Profiles, ProfileLog]:
    """A shard of many users of which few change, and which is written ahead from one user on."""
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, 1)
    log.append(0, state)
    touch(profiles, USERS[0], 2)
    log.append(0, state)
    return profiles, log


def test_between_checkpoints_users_at_rest_are_written(
    state: RecordingState, calm: tuple[Profiles, ProfileLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_log, "_WRITTEN_AHEAD", 2)
    profiles, log = calm
    touch(profiles, USERS[1], 7)
    assert log.due_ahead([0, 1]) == []
    touch(profiles, USERS[2], 7)
    profiles.settle()
    touch(profiles, USERS[2], 8)  # in use again
    assert log.due_ahead([0, 1]) == [0]
    assert log.append_ahead(0, state) > 0
    assert log.due_ahead([0, 1]) == []
    again, _ = started(state)
    assert [again.open(user_id).clock for user_id in USERS[1:3]] == [7, 1]
    log.append(0, state)
    again, _ = started(state)
    assert [again.open(user_id).clock for user_id in USERS[1:3]] == [7, 8]


def test_a_shard_whose_users_change_again_and_again_is_written_at_checkpoints_only(
    state: RecordingState, calm: tuple[Profiles, ProfileLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_log, "_WRITTEN_AHEAD", 2)
    profiles, log = calm
    for half in (USERS[:10], USERS[10:20]):
        for user_id in half:
            touch(profiles, user_id, 3)
        profiles.settle()
        assert log.due_ahead([0]) == [0]
        log.append_ahead(0, state)
    log.append(0, state)  # nothing is left for it, but what was written ahead counts
    touch(profiles, USERS[1], 4)
    touch(profiles, USERS[2], 4)
    profiles.settle()
    assert log.due_ahead([0]) == []


@pytest.mark.usefixtures("no_slack")
@pytest.mark.parametrize("seed", range(5))
def test_a_restart_after_any_writing_ahead_loses_only_what_came_after_the_checkpoint(
    state: RecordingState, seed: int
) -> None:
    rng = random.Random(seed)
    profiles, log = started(state)
    now: dict[str, int] = {}
    checkpoint, held = RecordingState(), dict(now)
    for clock in range(1, 600):
        user_id = rng.choice(USERS)
        touch(profiles, user_id, clock)
        now[user_id] = clock
        if rng.random() < 0.2:
            profiles.settle()
        if rng.random() < 0.2:
            log.append_ahead(0, state)
        if rng.random() < 0.1:
            log.append(0, state)
            checkpoint, held = RecordingState(state), dict(now)
        if rng.random() < 0.05:
            state, now = RecordingState(checkpoint), dict(held)
            profiles, log = started(state)
            assert {user_id: profiles.open(user_id).clock for user_id in list(profiles.users())} == held


def test_what_was_not_appended_is_lost_with_the_worker(state: RecordingState) -> None:
    profiles, log = started(state)
    touch(profiles, USERS[0], 5)
    log.append(0, state)
    touch(profiles, USERS[0], 6)
    assert started(state)[0].open(USERS[0]).clock == 5


def test_a_shard_of_many_profiles_is_rewritten_in_several_segments(
    state: RecordingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segments.profiles._PROFILES_A_SEGMENT", 20)
    monkeypatch.setattr(profile_log, "_SLACK", -1)
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, 5)
    log.append(0, state)
    assert len(state) == 3
    assert content(started(state)[0]) == content(profiles)
