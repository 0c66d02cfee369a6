"""Bytewax in two processes, with the same engine and outputs: `benchmarks/peers/bytewax_flow.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bytewax.recovery import init_db_dir

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.cpu import CpuSpent
from benchmarks.cases.peer import throughput
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import ROOT, SETTINGS_PATH
from jobs.settings import load_settings
from jobs.stack.ports import LOOPBACK, free_ports

NAME = "bytewax"
LIGHT = "bytewax_light"
_SNAPSHOT_EVERY_S = 10  # as the job's checkpoints
PROCESSES = 2
_TIMEOUT_S = 1_200.0
_TAIL = 2_000


def measure(context: Context) -> Numbers:
    """Return events/s with the job's outputs and a snapshot every 10 s, after warm-up."""
    recovery = context.servers.folder / "bytewax-recovery"
    recovery.mkdir(parents=True)
    init_db_dir(recovery, PROCESSES)
    keeping = ["-r", str(recovery), "-s", str(_SNAPSHOT_EVERY_S), "-b", "0"]
    return _measure(context, NAME, output_topic(NAME, "memberships"), keeping)


def measure_light(context: Context) -> Numbers:
    """Return events/s without snapshots and memberships, after warm-up: less work than the job's."""
    return _measure(context, LIGHT, None, [])


def _measure(context: Context, name: str, memberships: str | None, options: Sequence[str]) -> Numbers:
    servers, sizes = context.servers, context.sizes
    servers.prepare(name)
    topic = servers.filled(sizes.users, sizes.bytewax_events, context.say)
    context.say(f"Bytewax reads {sizes.bytewax_events:,} events in {PROCESSES} processes")
    addresses = ";".join(f"{LOOPBACK}:{port}" for port in free_ports(PROCESSES))
    definitions = load_settings(SETTINGS_PATH, {}).definitions.path
    processes, spent = [], CpuSpent(servers.stack)
    try:
        for number in range(PROCESSES):
            trace = servers.trace_folder(name) / f"worker-{number}.json"
            stack = servers.stack
            arguments = (
                stack.bootstrap_servers, topic, output_topic(name, "changes"), memberships, stack.redis_url,
                str(definitions), str(trace),
            )  # fmt: skip
            where = ["-i", str(number), "-a", addresses]
            processes.append(_start(arguments, [*where, *options], trace.with_suffix(".log")))
        _wait(processes)
    finally:
        for process, _ in processes:
            process.kill()
            process.wait()
    used = spent.us_per_event(sizes.bytewax_events)
    return {**throughput(context, name, sizes.bytewax_events), **used}


def _start(
    arguments: tuple[str | None, ...], options: Sequence[str], log: Path
) -> tuple[subprocess.Popen[bytes], Path]:
    flow = f"benchmarks.peers.bytewax_flow:build{arguments!r}"
    command = [sys.executable, "-m", "bytewax.run", flow, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=output, stderr=subprocess.STDOUT
        )
    return process, log


def _wait(processes: list[tuple[subprocess.Popen[bytes], Path]]) -> None:
    for process, log in processes:
        try:
            code = process.wait(_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = None
        if code != 0:
            end = log.read_bytes()[-_TAIL:].decode(errors="replace")
            raise BenchmarkError(f"Bytewax {'took too long' if code is None else f'ended with {code}'}:\n{end}")
