import random
from collections.abc import Mapping
from itertools import cycle

import pytest

from segments.profile import NEVER, encode_profile
from segments.profiles import Profiles, shard_of
from udfs import profile_log
from udfs.profile_log import ProfileLog

SHARDS = 2
RANDOM = random.Random(1)
NAMES = (RANDOM.randbytes(20).hex() for _ in range(500))  # packing makes them little shorter
USERS = [user for user in NAMES if shard_of(user, SHARDS) == 0][:200]


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


def any_clock() -> int:
    """Return one that takes as many bytes as any other, packed too."""
    return RANDOM.randrange(1 << 30, 1 << 31)


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
        touch(profiles, user_id, any_clock())
    full = log.append(0, state)
    for number in range(800):
        touch(profiles, USERS[number % len(USERS)], any_clock())
        log.append(0, state)
        assert state.size() <= 3 * full + full / 10
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


def test_between_checkpoints_users_at_rest_are_written_once(
    state: RecordingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_log, "_WORTH_IT", 2)
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, 1)
    log.append(0, state)
    touch(profiles, USERS[1], 7)
    assert log.due_ahead([0, 1], 1) == []
    touch(profiles, USERS[2], 7)
    profiles.settle()
    touch(profiles, USERS[2], 8)  # in use again
    assert log.due_ahead([0, 1], 1) == [0]
    assert log.append_ahead(0, state, 1) > 0
    again, _ = started(state)
    assert [again.open(user_id).clock for user_id in USERS[1:3]] == [7, 1]
    touch(profiles, USERS[3], 8)
    profiles.settle()
    assert profiles.changed(0) == 2
    assert log.due_ahead([0, 1], 1) == [], "once in a round"
    assert log.due_ahead([0, 1], 2) == [0]
    log.append(0, state)
    touch(profiles, USERS[3], 9)
    touch(profiles, USERS[4], 9)
    log.settle_ahead(1)
    assert log.due_ahead([0, 1], 1) == [0], "a checkpoint begins anew"
    again, _ = started(state)
    assert [again.open(user_id).clock for user_id in USERS[1:4]] == [7, 8, 8]


def test_very_many_users_at_rest_do_not_wait_for_a_round(
    state: RecordingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_log, "_WORTH_IT", 2)
    monkeypatch.setattr(profile_log, "_MANY", 5)
    profiles, log = started(state)
    for clock in (7, 8):
        for user_id in USERS[:5]:
            assert log.full([0, 1]) == []
            touch(profiles, user_id, clock)
            profiles.settle()
        assert log.full([0, 1]) == [0]
        assert log.append_ahead(0, state, 0) > 0
        assert content(started(state)[0]) == content(profiles)
    touch(profiles, USERS[0], 9)
    touch(profiles, USERS[1], 9)
    profiles.settle()
    assert log.due_ahead([0, 1], 1) == [0], "a round comes all the same"
    log.append_ahead(0, state, 1)
    log.append_ahead(0, state, 0)
    assert log.due_ahead([0, 1], 1) == [], "and once"


@pytest.mark.usefixtures("no_slack")
def test_a_log_that_has_grown_is_written_anew_between_checkpoints_and_else_at_one(state: RecordingState) -> None:
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, any_clock())
    log.append(0, state)
    log.rewrite(0, state)
    full, users = state.size(), cycle(USERS)

    def grow(until: float) -> None:
        while state.size() <= until * full:
            touch(profiles, next(users), any_clock())
            log.append(0, state)

    grow(1.4)
    assert log.grown([1, 0]) is None
    grow(1.5)
    assert log.grown([1, 0]) == 0
    touch(profiles, USERS[0], any_clock())
    log.rewrite(0, state)
    assert log.grown([1, 0]) is None
    assert state.size() <= full * 1.1
    log.append(0, state)
    assert content(started(state)[0]) == content(profiles), "whose profile was in use is written at the checkpoint"
    grow(3)
    touch(profiles, USERS[0], any_clock())
    log.append(0, state)
    assert state.size() <= full * 1.1
    assert content(started(state)[0]) == content(profiles)


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
            log.append_ahead(0, state, 1)
        if rng.random() < 0.05:
            log.rewrite(0, state)
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
    monkeypatch.setattr("segments.profiles._PROFILES_A_SEGMENT", 80)
    monkeypatch.setattr(profile_log, "_SLACK", -1)
    profiles, log = started(state)
    for user_id in USERS:
        touch(profiles, user_id, 5)
    log.append(0, state)
    assert len(state) == 3
    assert content(started(state)[0]) == content(profiles)


def test_logs_that_grow_alike_are_not_all_written_anew_at_once(state: RecordingState) -> None:
    _, log = started(state)
    for shard in range(8):
        log._bytes_when_full[shard] = 1_000_000
    due = []
    for size in range(1_000_000, 3_000_000, 10_000):
        log._bytes = dict.fromkeys(range(8), size)
        due.append(sum(log.grown([shard]) is not None for shard in range(8)))
    assert set(due) == set(range(9)), "one after the other"


def test_in_a_round_who_came_into_use_after_it_began_stays_in_use(
    state: RecordingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_log, "_SETTLED_TOGETHER", 2)
    profiles, log = started(state)
    for user_id in USERS[:3]:
        touch(profiles, user_id, 1)
    log.settle_ahead(1)
    assert list(profiles.decoded) == [USERS[2]]
    touch(profiles, USERS[0], 2)
    log.settle_ahead(1)
    log.settle_ahead(1)
    assert list(profiles.decoded) == [USERS[0]]
    log.settle_ahead(2)
    assert not profiles.decoded
    touch(profiles, USERS[1], 3)
    log.append(1, state)
    touch(profiles, USERS[1], 4)
    log.settle_ahead(2)
    assert not profiles.decoded, "a checkpoint begins anew"
