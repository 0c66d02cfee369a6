"""All shipped segments over real shop traffic: the engine makes exactly the oracle's changes for each user seen."""

import os
import zlib
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from segments.definitions import load_definitions
from segments.mapping import read_events
from segments.replay import replay
from tests.oracle import oracle
from tests.oracle.records import records
from tests.segments.support import BRIEF, THOROUGH, TIME_LIMIT_S

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SEGMENTS_DATA", ROOT.parent / "shared" / "data"))
SEGMENTS = ROOT / "conf" / "segments.yaml"
DAY = 86_400_000
FILES = {
    "taobao": ("taobao_users/UserBehavior.csv.gz", 80),  # one user in 80; all when thorough, fewer when brief
    "rees46": ("rees46_2019oct_slice/2019-Oct_first17k.csv.gz", 20),
}
pytestmark = pytest.mark.timeout(TIME_LIMIT_S)
Timed = tuple[int, dict[str, Any]]


def by_user(path: Path, mapping: str, one_in: int) -> dict[str, list[Timed]]:
    """Events (ms, event) of a sample of the users, each user's by time; the sample depends on the user's id alone."""
    found: dict[str, list[Timed]] = defaultdict(list)
    for payload in read_events(path, mapping):
        event = orjson.loads(payload)
        user = str(event.get("userId") or event["anonymousId"])
        if zlib.crc32(user.encode()) % one_in == 0:
            found[user].append((instant(event["timestamp"]), event))
    return {user: sorted(events, key=lambda timed: timed[0]) for user, events in found.items()}


def instant(timestamp: str | int) -> int:
    if isinstance(timestamp, int):
        return timestamp
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


@pytest.mark.parametrize("mapping", ["taobao", pytest.param("rees46", marks=pytest.mark.slow)])
def test_shipped_segments_over_real_events(mapping: str) -> None:
    name, one_in = FILES[mapping]
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here; set SEGMENTS_DATA to the folder that holds it")
    users = by_user(DATA / name, mapping, 1 if THOROUGH else 2 * one_in if BRIEF else one_in)
    assert len(users) >= 5
    plain = yaml.safe_load(SEGMENTS.read_text())
    parsed = load_definitions(SEGMENTS)
    entered = 0
    for user, events in users.items():
        until = events[-1][0] + 40 * DAY
        made = [(c.at, c.segment, c.action) for c in replay(parsed, records(events), until=until)]
        assert made == [tuple(change) for change in oracle.changes(plain, events, until)], user
        entered += sum(action == "entered" for _, _, action in made)
    assert entered > len(users)
