"""Profiles that earlier versions wrote are read: same memberships, and all that is due comes in time."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from segments.changes import Change
from segments.definitions import parse_definitions
from segments.log_segment import FORMAT, OLDEST_FORMAT, decode_segment
from segments.profile import Profile
from segments.replay import Replay

GOLDEN = Path(__file__).resolve().parents[1] / "golden/profiles"
FORMATS = range(OLDEST_FORMAT, FORMAT + 1)
FORTY_DAYS = 40 * 86_400_000
Told = list[tuple[str, int, str, str, int]]


def fresh() -> Replay:
    return Replay(parse_definitions((GOLDEN / "segments.yaml").read_text(encoding="utf-8")))


def told(changes: list[Change]) -> Told:
    return sorted((each.user_id, each.seq, each.segment, each.action, each.at) for each in changes)


def known(profile: Profile) -> tuple[object, ...]:
    """Return what a user is in and since when; the instants to come are compared by what happens at them."""
    since = {place: (inside, at) for place, (inside, at, _) in profile.members.items()}
    return since, profile.seq, profile.newest, profile.features


def played() -> tuple[Replay, int]:
    """Return today's engine after the events of which the profiles were made, and the newest one's time."""
    events = gzip.decompress((GOLDEN / "events.ndjson.gz").read_bytes()).splitlines()
    run = fresh()
    assert list(run.run(events))
    assert run.newest is not None
    return run, run.newest


@pytest.mark.parametrize("number", FORMATS)
def test_users_go_on_as_if_nothing_had_happened(number: int) -> None:
    today, now = played()
    stored = (GOLDEN / f"format-{number}.msgpack").read_bytes()
    assert stored[1] == number
    restored = fresh().processor
    restored.profiles.load(0, [stored])
    assert told(restored.advance(now).changes) == []
    assert told(restored.sweep(1_000).changes) == []
    users = set(today.processor.profiles.users())
    assert set(restored.profiles.users()) == users
    for user in users:
        assert known(restored.profiles.open(user)) == known(today.processor.profiles.open(user))
    wanted = told(today.processor.advance(now + FORTY_DAYS).changes)
    assert told(restored.advance(now + FORTY_DAYS).changes) == wanted
    assert len(wanted) > 50


def test_every_format_has_its_profiles() -> None:
    assert {path.name for path in GOLDEN.glob("*.msgpack")} == {f"format-{number}.msgpack" for number in FORMATS}, (
        "a new format needs its bytes: make golden"
    )


@pytest.mark.parametrize("shape", ["the same", "another"])
def test_a_newer_format_is_refused_with_what_to_do(shape: str) -> None:
    stored = (GOLDEN / f"format-{FORMAT}.msgpack").read_bytes()
    newer = bytes([stored[0], FORMAT + 1]) + (stored[2:] if shape == "the same" else b"\xc0" * (stored[0] % 16 - 1))
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}; this version .* {OLDEST_FORMAT} to {FORMAT}.*newer"):
        decode_segment(newer)
