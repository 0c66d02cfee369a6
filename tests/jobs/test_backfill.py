"""The side job: what of the events it reads, what it finds, what it writes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.simulator import simulate
from jobs.backfill.events import EventFilter
from jobs.backfill.job import Pending, Source, complete, hand_over, pending
from jobs.release_planning import ReleaseError
from jobs.settings import FlinkSettings, Settings
from jobs.topics import Record
from segments.backfill_chunks import Chunk
from segments.control import Filled, Release
from segments.events import Plausibility
from segments.history import History
from segments.record_times import event_time, stamped
from segments.replay import Replay

T = 1_795_341_600_000
HOUR = 3_600_000
ONE = "segments: [{name: one, when: {count: {event: Page, within: 1d, gte: 1}}}]"
TWO = f"{ONE[:-1]}, {{name: two, backfill: replay, when: {{count: {{event: Order, within: 7d, gte: 2}}}}}}]"


def record(time: int, user: str = "u", written: int | None = None, **more: Any) -> Record:
    payload = json.dumps({"type": "track", "event": "Order", "userId": user, "timestamp": time, **more}, indent=1)
    return Record("events", 0, 0, None, payload.encode(), time if written is None else written)


def test_what_of_the_events_is_read() -> None:
    chosen, out = EventFilter(T, 24 * HOUR, HOUR, Plausibility()), io.BytesIO()
    chosen.write(
        [
            record(T - 25 * HOUR),
            record(T - 24 * HOUR),
            record(T - 2 * HOUR),
            record(T - 4 * HOUR),  # later than the job allows
            record(T - 3 * HOUR, "v"),
            record(T),
            record(T - 2, written=T - 1 - 2 * 24 * HOUR),  # a day further in the future than may be
            Record("events", 0, 0, None, None, T),
        ],
        out,
    )
    assert dict(chosen.counts) == {"too old to matter": 1, "read": 3, "late": 1, "after the cut": 1, "rejected": 2}
    assert chosen.earliest == T - 25 * HOUR
    lines = out.getvalue().splitlines()
    assert [json.loads(line)["timestamp"] for line in lines] == [T - 24 * HOUR, T - 2 * HOUR, T - 3 * HOUR]


def test_an_event_after_the_cut_makes_an_older_one_late() -> None:
    chosen, out = EventFilter(T, None, HOUR, Plausibility()), io.BytesIO()
    chosen.write([record(T + HOUR), record(T - 1), record(T - 1, "v")], out)
    assert dict(chosen.counts) == {"after the cut": 1, "late": 1, "read": 1}


FILLED = Filled(2, 1, 5, 0, (1,), 1)


@pytest.mark.parametrize(
    ("releases", "lacking"),
    [
        ([], None),
        ([Release(1, 0, TWO)], None),
        ([Release(1, 0, ONE), Release(2, 5, TWO)], 2),
        ([Release(1, 0, ONE), Release(2, 5, TWO), Release(3, 9, TWO, action="backfill", filled=FILLED)], None),
        ([Release(1, 0, ONE), Release(2, 5, TWO), Release(3, 9, f"{TWO}\n# again")], 3),
        ([Release(1, 0, ONE), Release(2, 5, TWO), Release(3, 9, ONE)], None),
        ([Release(1, 0, ONE), Release(2, 5, "segments: [nonsense]"), Release(3, 9, TWO)], 3),
    ],
)
def test_what_the_newest_release_lacks(releases: list[Release], lacking: int | None) -> None:
    found = pending(History(releases))
    assert (found.release.number if found else None) == lacking
    if found:
        assert (dict(found.backfill.warming), found.cut - found.first) == ({"two": 1}, 7 * 24 * HOUR)


class Topic:
    """Keeps what would be written to the control topic."""

    def __init__(self, history: History, patch: pytest.MonkeyPatch) -> None:
        self.history = history
        self.chunks: list[Chunk] = []
        patch.setattr("jobs.backfill.job.write_chunks", self.write)
        patch.setattr("jobs.backfill.job.read_history", lambda _: self.history)
        patch.setattr("jobs.backfill.job.newest_event", lambda _: T)
        patch.setattr("jobs.backfill.job.append", lambda _, release: self.history.add(release))

    def write(self, _: object, chunks: Iterable[Chunk]) -> dict[int, int]:
        written: dict[int, int] = {}
        for chunk in chunks:
            self.chunks.append(chunk)
            written[chunk.shard] = written.get(chunk.shard, 0) + 1
        return written


def no_bar(_: str, __: int) -> Any:
    return lambda _: None


def test_shipped_segments_released_in_the_middle_are_what_they_are_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments with a past of their own (`exit_when`, `min_dwell`, `confidence`) begin it with the release."""
    shipped = yaml.safe_load(Path("conf/segments.yaml").read_text(encoding="utf-8"))
    plain = [each for each in shipped["segments"] if not each.keys() & {"exit_when", "min_dwell", "confidence"}]
    new = yaml.safe_dump({**shipped, "backfill": "replay", "segments": plain}, sort_keys=False)
    events = sorted(simulate(100, 2_000, 5, T, days=40, late_rate=0, very_late_rate=0, broken_rate=0), key=_time)
    times = [_time(each) for each in events]
    released, completed = times[1_000] + 1, times[1_150] + 1
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(events))

    history = History([Release(1, 0, ONE), Release(2, released, new)])
    topic = Topic(history, monkeypatch)
    wanted = pending(history)
    assert wanted is not None
    assert len(wanted.backfill.warming) > 10
    job = Settings(flink=FlinkSettings(shards=8))
    filled = hand_over(job, wanted, Source(tmp_path / "events.ndjson", None), 1, no_bar)
    assert (filled.chunks, filled.since) == ((1,) * 8, times[0])

    always = Replay([Release(1, 0, new)])
    run = Replay([*history.releases, Release(3, completed, new, action="backfill", filled=filled)])
    for chunk in topic.chunks:
        run.processor.hand(chunk)
    assert members(run, events) == members(always, events)


def _time(payload: bytes) -> int:
    return event_time(payload) or 0


def members(run: Replay, events: list[bytes]) -> set[tuple[str, str]]:
    inside: set[tuple[str, str]] = set()
    for change in run.run((payload, written) for payload, _, written in stamped(events)):
        (inside.discard if change.action == "exited" else inside.add)((change.user_id, change.segment))
    return inside


def test_the_completion_repeats_the_release_and_says_what_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    history = History([Release(1, 0, ONE), Release(2, T - 5, TWO, "shadowed")])
    topic = Topic(history, monkeypatch)
    wanted = Pending(history.releases[1], pending(History([Release(1, 0, ONE), Release(2, T - 5, TWO)])).backfill)  # type: ignore[union-attr]
    made = complete(Settings(), wanted, FILLED, "ada")
    assert topic.history.current == made
    assert (made.number, made.definitions, made.shadow, made.action, made.filled) == (
        3,
        TWO,
        "shadowed",
        "backfill",
        FILLED,
    )
    assert "two" in made.note
    with pytest.raises(ReleaseError, match="another release came meanwhile"):
        complete(Settings(), wanted, FILLED, "ada")
