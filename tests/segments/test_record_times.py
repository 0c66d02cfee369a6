import json

from hypothesis import given
from hypothesis import strategies as st

from segments.record_times import stamped, with_record_times

T = 1_764_000_000_000
HOUR = 3_600_000
YEAR = 365 * 24 * HOUR
BROKEN = b"x"


def at(time: object, user: str = "u") -> bytes:
    return json.dumps({"type": "page", "userId": user, "timestamp": time}).encode()


def times(*events: bytes) -> list[int | None]:
    return [time for _, time in with_record_times(events)]


def test_records_are_as_new_as_the_newest_event_so_far() -> None:
    assert times(at(T), at(T - 5), at(T + 3), at(T)) == [T, T, T + 3, T + 3]


def test_what_cannot_be_read_is_as_new_as_what_came_before() -> None:
    assert times(at(T), BROKEN, at("soon"), at(T + 1)) == [T, T, T, T + 1]


def test_nothing_is_known_where_no_event_can_be_read() -> None:
    assert times(*[BROKEN] * 40) == [None] * 40
    assert times() == []


def test_one_clock_years_ahead_moves_nobody() -> None:
    assert times(at(T), at(T + 7 * YEAR), BROKEN, at(T + 1), at(T + 2)) == [T, T, T, T + 1, T + 2]


def test_a_pause_in_the_data_is_passed() -> None:
    later = [T + 30 * 24 * HOUR + number for number in range(3)]
    assert times(at(T), *map(at, later)) == [T, *later]


def test_a_first_event_years_off_is_overruled_by_the_rest() -> None:
    for off in (T - 7 * YEAR, T + 7 * YEAR):
        assert times(at(off), at(T), at(T + 1), at(T + 2))[1:] == [T, T + 1, T + 2]


def test_a_record_is_keyed_by_its_user_when_it_can_be_read() -> None:
    assert [record.key for record in stamped([at(T, "ü"), BROKEN])] == ["ü".encode(), None]


@given(st.lists(st.one_of(st.integers(T - YEAR, T + 9 * YEAR).map(at), st.just(BROKEN)), max_size=60))
def test_every_event_comes_out_once_in_order_with_a_time_that_never_falls(events: list[bytes]) -> None:
    made = list(with_record_times(events))
    assert [payload for payload, _ in made] == events
    known = [time for _, time in made if time is not None]
    assert known == sorted(known)
    assert all(time is not None for _, time in made[len(made) - len(known) :])
