"""A preview of thresholds: the bounds are those of all users in the file, though users are looked at one by one."""

import json
from pathlib import Path

import pytest

from jobs.preview import Request, run_preview
from segments.definitions import parse_definitions
from segments.events import Plausibility

T = 1_764_000_000_000
MINUTE, DAY = 60_000, 86_400_000
USERS = 200


def definitions(top: str) -> str:
    number = "{sum: {event: Order, property: total, within: 1d}}"
    return f"segments: [{{name: whale, when: {{threshold: {{of: {number}, top: {top}, refresh: 10m}}}}}}]"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Each user orders once, and a last event comes when the next bound has long been in effect."""
    orders = [
        {"type": "track", "event": "Order", "userId": f"u{user}", "timestamp": T + user, "properties": {"total": user}}
        for user in range(1, USERS + 1)
    ]
    ticks = [{"type": "page", "userId": "u1", "timestamp": T + minutes * MINUTE} for minutes in (11, 12, 30)]
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(event) + "\n" for event in [*orders, *ticks]))
    return path


def test_a_preview_knows_the_population(events: Path) -> None:
    request = Request(
        before=parse_definitions(definitions("20%")),
        after=parse_definitions(definitions("10%")),
        events=events,
        mapping=None,
        others=[],
        user_sample=3,
        workers=1,
        allowed_lateness=3_600_000,
        plausibility=Plausibility(DAY, 3_650 * DAY),
    )
    preview = run_preview(request, lambda *_: lambda _: None)
    (whale,) = preview.segments
    assert whale.before is not None
    assert whale.after is not None
    assert (whale.before.members, whale.after.members) == (40, 20)
    assert (whale.enters.users, whale.leaves.users) == (0, 20)
    reasons = [reason for mover in whale.leaves.sample for reason in mover.because]
    assert len(reasons) == 3
    assert all(each.expected.startswith(">= 181 (top 10 % of 200 users, version") for each in reasons)
