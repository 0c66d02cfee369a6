"""Each release's savepoint is read by the present code, to the last user; a job comes back from a failed upgrade."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from jobs.facts import STATEFUL
from jobs.player import HEARTBEAT_USER, heartbeat
from jobs.savepoints import operators_of
from jobs.stack.stack import Stack
from segments.changes import Change, decode_change
from segments.definitions import parse_definitions
from segments.record_times import stamped
from segments.replay import Replay
from tests.golden.golden import Golden, all_golden, golden_pipeline, play_part
from tests.stack.commands import ended
from tests.stack.support import Pipeline
from tests.stack.test_upgrade import checkout, segments, succeeded

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

OUT_OF_ORDERNESS = 5_000
FORTY_DAYS = 40 * 86_400_000  # longer than the longest window: whatever is due by itself has come
COMPLETE_TIMEOUT = 240.0  # seconds

Told = dict[str, list[tuple[int, str, str, int]]]


@pytest.mark.parametrize("golden", all_golden(), ids=lambda golden: golden.folder.name)
def test_users_of_a_release_go_on_as_if_nothing_had_happened(stack: Stack, tmp_path: Path, golden: Golden) -> None:
    expected, until = replayed(golden)
    savepoint = golden.unpack(tmp_path)
    assert {each.uid for each in operators_of(str(savepoint)) if each.has_state} == STATEFUL.keys()
    with golden_pipeline(stack, tmp_path, golden.definitions) as made:
        before, after = golden.parts
        play_part(made, before)  # so that the offsets in the savepoint are where they were
        succeeded(made, "resume", str(savepoint))
        play_part(made, after)
        left = sum(map(len, expected.values())) - len(golden.told)
        broken = checkout(tmp_path / "next")
        (broken / "jobs/segmentation.py").write_text("raise SystemExit('this version does not start')\n")
        made.wait_for(lambda: len(changes_of(made)) > 0, "the first changes of the present version")
        again = "the old one runs again as "
        failed = ended(segments(made, "upgrade", "--to", str(broken)), again, "this version does not start", code=1)
        made.jobs.append(failed.partition(again)[2].partition(",")[0])
        heartbeat(stack.bootstrap_servers, made.topics["events"], until + OUT_OF_ORDERNESS + 1)
        made.wait_for(lambda: len(distinct(changes_of(made))) >= left, "all changes", COMPLETE_TIMEOUT)
        assert by_user([*golden.told, *distinct(changes_of(made))]) == expected
        inside, seen = folded(expected), memberships(made)
        assert seen == {user: inside[user] for user in seen}
        assert seen.keys() == {change.user_id for change in changes_of(made)}


def replayed(golden: Golden) -> tuple[Told, int]:
    """Return what a replay of all events says, up to forty days after the last one, and when that is."""
    records = [record for part in golden.parts for record in stamped(part)]
    until = max(record.timestamp or 0 for record in records) + FORTY_DAYS
    replay = Replay(parse_definitions(golden.definitions), out_of_orderness=OUT_OF_ORDERNESS)
    return by_user(replay.run([(each.payload, each.timestamp) for each in records], until=until)), until


def by_user(changes: Iterable[Change]) -> Told:
    found: Told = {}
    for change in changes:
        found.setdefault(change.user_id, []).append((change.seq, change.segment, change.action, change.at))
    return found


def changes_of(made: Pipeline) -> list[Change]:
    changes = [decode_change(record.value) for record in made.read("changes")]
    return [change for change in changes if change.user_id != HEARTBEAT_USER]


def distinct(changes: Iterable[Change]) -> list[Change]:
    """Return changes once each: what was told after the savepoint and before the stop is told again."""
    return list({(change.user_id, change.seq): change for change in changes}.values())


def memberships(made: Pipeline) -> dict[str, set[str]]:
    newest = {record.key.decode(): json.loads(record.value) for record in made.read("memberships") if record.value}
    newest.pop(HEARTBEAT_USER, None)
    return {user: set(said["segments"]) for user, said in newest.items()}


def folded(told: Told) -> dict[str, set[str]]:
    inside: dict[str, set[str]] = {}
    for user, own in told.items():
        members = inside.setdefault(user, set())
        for _, segment, action, _ in own:
            members.discard(segment) if action == "exited" else members.add(segment)
    return inside
