"""Golden savepoints: the state of a small run of a release. `make golden` makes that of the present version.

Each folder holds the events, the definitions, what the job had told when it was stopped, and the savepoint.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks.simulator import simulate
from jobs.facts import from_parameters
from jobs.player import HEARTBEAT_USER, play
from jobs.savepoints import Manifest
from jobs.stack.flink_config import ClusterSize
from jobs.stack.stack import Parts, Stack
from segments.changes import Change, decode_change
from segments.definitions import parse_definitions
from segments.log_segment import FORMAT, decode_segment, encode_segment
from segments.record_times import stamped
from segments.replay import Replay
from segments.version import VERSION
from tests.conftest import ROOT
from tests.golden import kept
from tests.stack.support import Pipeline, pipeline
from udfs import kept_format

HERE = Path(__file__).resolve().parent
START = 1_764_000_000_000
USERS, EVENTS, BEFORE = 150, 2_400, 1_600
SETTINGS: dict[str, dict[str, Any]] = {
    "event_time": {"follow_wall_clock": False, "idle_after": "1h"},
    "kafka": {"start_from": "earliest"},
    "flink": {"parallelism": 2, "shards": 4, "checkpoint_interval": "2s"},
}


@dataclass(frozen=True)
class Golden:
    """A release's savepoint and the run that it was taken of."""

    folder: Path

    @property
    def definitions(self) -> str:
        """The segments."""
        return (self.folder / "segments.yaml").read_text(encoding="utf-8")

    @property
    def parts(self) -> tuple[list[bytes], list[bytes]]:
        """The events before the savepoint, and those after it."""
        events = gzip.decompress((self.folder / "events.ndjson.gz").read_bytes()).splitlines()
        return events[:BEFORE], events[BEFORE:]

    @property
    def told(self) -> list[Change]:
        """The changes that the release had told before the savepoint."""
        lines = gzip.decompress((self.folder / "changes.ndjson.gz").read_bytes()).splitlines()
        return [decode_change(line) for line in lines]

    @property
    def manifest(self) -> Manifest:
        """What `segments savepoint` said of it."""
        return msgspec.json.decode((self.folder / "savepoint.segments.json").read_bytes(), type=Manifest)

    def unpack(self, folder: Path) -> Path:
        """Lay the savepoint and its manifest into a folder and return the savepoint's path."""
        with tarfile.open(self.folder / "savepoint.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        shutil.copy(self.folder / "savepoint.segments.json", folder)
        return folder / "savepoint"


def all_golden() -> list[Golden]:
    """Return what is kept of all releases, oldest first."""
    return [Golden(path.parent) for path in sorted(HERE.glob("*/savepoint.tar.gz"))]


@contextmanager
def golden_pipeline(stack: Stack, folder: Path, definitions: str) -> Iterator[Pipeline]:
    """Make a pipeline whose topics have the names that golden savepoints know."""
    with pipeline(stack, folder, definitions, SETTINGS, run="golden") as made:
        yield made


def play_part(made: Pipeline, events: list[bytes]) -> None:
    """Play events; those of one user go to one partition, the same in each run."""
    played = play(events, made.stack.bootstrap_servers, made.topics["events"])
    assert (played.sent, played.failed) == (len(events), 0)


def make(target: Path) -> None:
    """Run the present version on a stack of its own and keep its savepoint."""
    events = list(simulate(USERS, EVENTS, 5, START, days=3, late_rate=0.02, broken_rate=0))
    assert all(record.key is not None for record in stamped(events))
    target.mkdir(parents=True, exist_ok=True)
    definitions = (ROOT / "conf/segments.yaml").read_text(encoding="utf-8")
    (target / "segments.yaml").write_text(definitions, encoding="utf-8")
    (target / "events.ndjson.gz").write_bytes(_packed(events))
    with (
        Stack.start(ROOT, "golden", Parts(size=ClusterSize(2))) as stack,
        TemporaryDirectory() as scratch,
        golden_pipeline(stack, Path(scratch), definitions) as made,
    ):
        job = made.submit()
        play_part(made, events[:BEFORE])
        made.wait_for(lambda: made.counter(job, "events") >= BEFORE, "the events to be read")
        facts = stack.rest.parameters(job)
        savepoint = stack.rest.stop_with_savepoint(job, folder=(Path(scratch) / "taken").as_uri())
        told = [record.value for record in made.read("changes") if record.key.decode() != HEARTBEAT_USER]
        (target / "changes.ndjson.gz").write_bytes(_packed(told))
        _keep(Path(savepoint.removeprefix("file:")), target / "savepoint.tar.gz")
        (target / "savepoint.segments.json").write_bytes(_manifest(savepoint, job, facts))


def make_profiles(folder: Path) -> None:
    """Keep the bytes of a worker's profiles in the present format, if there are none yet."""
    kept = folder / f"format-{FORMAT}.msgpack"
    if not kept.exists():
        run = Replay(parse_definitions((folder / "segments.yaml").read_text(encoding="utf-8")))
        events = gzip.decompress((folder / "events.ndjson.gz").read_bytes()).splitlines()
        assert list(run.run(events))
        (segment,) = run.processor.profiles.all_of(0)
        forgotten = decode_segment(segment)._replace(gone=["gone"], forgotten_until=START)
        kept.write_bytes(encode_segment(forgotten))


def _manifest(savepoint: str, job: str, parameters: Mapping[str, str]) -> bytes:
    facts = from_parameters(parameters)
    made = Manifest(
        savepoint=savepoint, taken_at=0, job=job, name="flink-segments", parallelism=2, form="canonical", facts=facts
    )
    return json.dumps(msgspec.to_builtins(made), indent=2).encode() + b"\n"


def _packed(lines: Iterable[bytes]) -> bytes:
    return gzip.compress(b"\n".join(lines), mtime=0)


def _keep(savepoint: Path, archive: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out:
        out.add(savepoint, "savepoint")
    archive.write_bytes(packed.getvalue())


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else VERSION
    make_profiles(HERE / "profiles")
    kept.make(kept_format.FORMAT)
    make(HERE / name)
    sys.stdout.write(f"made {HERE / name}: {sum(each.stat().st_size for each in (HERE / name).iterdir()):,} bytes\n")
