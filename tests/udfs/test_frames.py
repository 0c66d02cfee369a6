import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Cause, Change, Membership, Memberships, encode_change, encode_memberships
from tests.udfs.wire import Output, Raw, events_frame, marker_frame, read_output, start_frame, tick_frame
from udfs.frames import EventFrame, Kind, OutputFrame, Target, kind_of, shards_of, watermark_of

CHANGE = Change("ü1", "active", 1, "entered", 1_764_000_000_000, 7, Cause("event", "m1"), [], None, None, 1.0, None)
GOLDEN_EVENTS = bytes.fromhex(
    "01000000 02000000"  # EVENTS, 2
    "0700000000000000"  # watermark 7
    "0a00000000000000 feffffffffffffff"  # written at 10 and -2 ms
    "0500000000000000 0000000001000000"  # offsets 5 and 2**32
    "02000000 00000000"  # lengths
    "01000000 03000000"  # partitions
    "7f00 ffff"  # shards
    "00 01"  # topics
    "00 04"  # faults
    "7b7d"  # {}
)
GOLDEN_OUTPUT = bytes.fromhex(
    "01 00 0300000000000000 01000000 ffffffff 75"  # membership tombstone of user u
    "02 01 ffffffffffffffff ffffffff 01000000 78 0100 72 02000000 6e6f"  # dead letter x with header r: no
)
integers = st.integers(-(2**63), 2**63 - 1)
raws = st.builds(
    Raw,
    st.binary(max_size=40),
    integers,
    st.integers(0, 1),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(0, 65_535),
    st.integers(0, 5),
)


def test_an_events_frame_is_read_byte_for_byte_as_documented() -> None:
    frame = EventFrame(GOLDEN_EVENTS)
    assert kind_of(GOLDEN_EVENTS) == Kind.EVENTS
    assert frame.payloads == [b"{}", b""]
    assert frame.watermark == 7
    assert list(frame.faults) == [0, 4]
    assert frame.origin(0, ["web", "app"]) == ("web", 1, 5, 10)
    assert frame.origin(1, ["web", "app"]) == ("app", 3, 2**32, -2)


def test_output_is_written_byte_for_byte_as_documented() -> None:
    output = OutputFrame()
    output.add(Target.MEMBERSHIPS, b"u", None, 3)
    output.add(Target.DEAD_LETTERS, None, b"x", -1, [("r", b"no")])
    assert output.to_bytes() == GOLDEN_OUTPUT


@given(st.lists(raws, max_size=20), st.none() | st.integers(1 - 2**63, 2**63 - 1))
def test_events_survive_the_way_through_a_frame(events: list[Raw], watermark: int | None) -> None:
    frame = EventFrame(events_frame(events) if watermark is None else events_frame(events, watermark))
    assert frame.watermark == watermark
    origins = [frame.origin(place, ["web", "app"]) for place in range(len(events))]
    assert frame.payloads == [event.payload for event in events]
    assert list(frame.written_at) == [event.written_at for event in events]
    assert list(frame.faults) == [event.fault for event in events]
    assert origins == [(["web", "app"][each.topic], each.partition, each.offset, each.written_at) for each in events]


@given(
    st.sampled_from(Target),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    integers,
    st.dictionaries(st.text(max_size=5), st.binary(max_size=9), max_size=3),
)
def test_records_survive_the_way_through_a_frame(
    target: Target, key: bytes | None, value: bytes | None, time: int, headers: dict[str, bytes]
) -> None:
    output = OutputFrame()
    for _ in range(2):
        output.add(target, key, value, time, headers.items())
    assert read_output(output.to_bytes()) == [Output(target, key, value, time, headers)] * 2


def test_kinds_without_events() -> None:
    assert kind_of(tick_frame(5)) == Kind.TICK
    assert watermark_of(tick_frame(-5)) == -5
    assert kind_of(marker_frame(1, [2])) == Kind.MARKER
    assert kind_of(start_frame([2])) == Kind.START


def test_markers_and_starts_name_their_shards_as_documented() -> None:
    assert shards_of(bytes.fromhex("03000000 02000000 0100000000000000 0500 ffff")) == [5, 65_535]
    assert shards_of(bytes.fromhex("04000000 01000000 7f00")) == [127]
    assert shards_of(start_frame([])) == []


def test_a_frame_that_is_cut_off_is_an_error() -> None:
    with pytest.raises((struct.error, TypeError, ValueError)):
        EventFrame(GOLDEN_EVENTS[:20])


def test_changes_are_keyed_by_user_and_stamped_with_their_instant() -> None:
    output = OutputFrame()
    output.add_changes([CHANGE])
    assert read_output(output.to_bytes()) == [
        Output(Target.CHANGES, "ü1".encode(), encode_change(CHANGE), 1_764_000_000_000)
    ]


def test_a_user_in_nothing_is_a_tombstone() -> None:
    inside = Memberships("u1", 1, 5, {"active": Membership(1, 5, None, 1.0)})
    output = OutputFrame()
    output.add_memberships([inside, Memberships("u1", 2, 6, {})])
    assert read_output(output.to_bytes()) == [
        Output(Target.MEMBERSHIPS, b"u1", encode_memberships(inside), 5),
        Output(Target.MEMBERSHIPS, b"u1", None, 6),
    ]


def test_an_unprocessed_event_keeps_its_bytes_and_says_where_it_came_from() -> None:
    output = OutputFrame()
    output.add_unprocessed(Target.DEAD_LETTERS, b"\xff{", ("web", 3, 2**40, 11), "not_json", "a lone \ud83d")
    (record,) = read_output(output.to_bytes())
    assert (record.key, record.value, record.time) == (None, b"\xff{", 11)
    assert record.headers == {
        "reason": b"not_json",
        "detail": b"a lone ?",
        "topic": b"web",
        "partition": b"3",
        "offset": b"1099511627776",
    }


def test_an_empty_output_is_false() -> None:
    output = OutputFrame()
    assert not output
    output.add(Target.CHANGES, b"u", b"{}", 0)
    assert output
