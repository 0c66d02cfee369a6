"""Timestamps as texts: what JavaScript writes is read by a shortcut that must say what the long way says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments import events
from segments.events import EventDecoder, RejectedEvent

DECODER = EventDecoder()
OLDEST, NEWEST = 946_684_800_000, 4_102_444_800_000


def time_of(timestamp: str) -> int | str:
    try:
        return DECODER.decode(json.dumps({"type": "page", "userId": "u", "timestamp": timestamp}).encode()).time
    except RejectedEvent as rejected:
        return rejected.reason


@given(st.integers(OLDEST, NEWEST - 1))
def test_every_millisecond_is_read_exactly(ms: int) -> None:
    second = datetime.fromtimestamp(ms // 1_000, UTC)
    assert time_of(f"{second:%Y-%m-%dT%H:%M:%S}.{ms % 1_000:03}Z") == ms


@given(st.text("0123456789-:TZ+W. ", min_size=19, max_size=19), st.integers(0, 999))
def test_a_text_of_that_shape_that_is_no_time_stays_none(begin: str, ms: int) -> None:
    text = f"{begin}.{ms:03}Z"
    expected: int | str
    try:
        moment = datetime.fromisoformat(text)
        expected = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
    except ValueError:
        expected = "no_time"
    assert time_of(text) == (
        expected if expected == "no_time" or OLDEST <= int(expected) < NEWEST else "implausible_time"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00.250Z", 1_795_341_600_250),
        ("2026-11-22T10:00:00.250+01:00", 1_795_338_000_250),
        ("2026-11-22T10:00:00.250", 1_795_341_600_250),
        ("2026-11-22T10:00:00.2504Z", 1_795_341_600_250),
        ("2026-11-22T10:00:00Z", 1_795_341_600_000),
        ("2026-11-22 10:00:00.001Z", 1_795_341_600_001),
        ("2026-W47-7T10:00:00.001Z", 1_795_341_600_001),
        ("2026-11-22T10:00+01.001Z", "no_time"),
        ("2026-11-22T10:00:61.001Z", "no_time"),
        ("2026-11-22T10:00:00.\u0661\u0662\u0663Z", "no_time"),
        ("", "no_time"),
    ],
)
def test_a_text_means_the_same_the_second_time(text: str, expected: int | str) -> None:
    assert [time_of(text), time_of(text)] == [expected] * 2


def test_of_a_second_that_is_known_only_the_fraction_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert time_of("2027-01-01T00:00:01.000Z") == 1_798_761_601_000
    monkeypatch.delattr(events, "_time")
    assert time_of("2027-01-01T00:00:01.999Z") == 1_798_761_601_999


def test_no_more_than_some_seconds_are_remembered() -> None:
    for second in range(10_000):
        text = datetime.fromtimestamp(1_800_000_000 + second, UTC).strftime("%Y-%m-%dT%H:%M:%S.007Z")
        assert time_of(text) == (1_800_000_000 + second) * 1_000 + 7
    assert len(events._seconds) <= 4_096
