"""`segments preview` of a stricter definition over a recorded file, as a user runs it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.worker import ROOT, SEED, START_MS
from benchmarks.simulator import simulate

_TIMEOUT_S = 1_200
_EVENTS_A_USER = 5


def measure(context: Context) -> Numbers:
    """Return the seconds from the command to its report."""
    folder = context.servers.folder / "preview"
    folder.mkdir(parents=True, exist_ok=True)
    old = ROOT / "conf" / "segments.yaml"
    new, file = folder / "new.yaml", folder / "events.ndjson"
    new.write_text(stricter(old.read_text(encoding="utf-8")), encoding="utf-8")
    events = context.sizes.preview_events
    context.say(f"writes {events:,} events")
    _write(file, events)
    try:
        context.say(f"previews over {events:,} events")
        command = ["preview", str(new), "--against", str(old), "--events", str(file), "--format", "json"]
        started = time.perf_counter()
        done = subprocess.run(
            [Path(sys.executable).parent / "segments", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        seconds = time.perf_counter() - started
    finally:
        file.unlink()
    if done.returncode:
        raise BenchmarkError(f"preview ended with {done.returncode}: {done.stderr[-1_000:]}")
    return {"events": events, "users": events // _EVENTS_A_USER, "seconds": seconds}


def stricter(definitions: str) -> str:
    """Return the shipped definitions with one more interaction needed to be active; raises BenchmarkError."""
    old = "count: {event: any, within: 30d, gte: 3}"
    if definitions.count(old) != 1:
        raise BenchmarkError(f"conf/segments.yaml has not exactly one '{old}'")
    return definitions.replace(old, old.replace("gte: 3", "gte: 4"))


def _write(path: Path, events: int) -> None:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in simulate(max(1, events // _EVENTS_A_USER), events, SEED, START_MS))
