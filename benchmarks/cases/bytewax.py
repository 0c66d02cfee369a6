"""Bytewax in two processes, with the same engine: `benchmarks/peers/bytewax_flow.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.peer import throughput
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import ROOT, SETTINGS_PATH
from jobs.settings import load_settings
from jobs.stack.ports import LOOPBACK, free_ports

NAME = "bytewax"
PROCESSES = 2
_TIMEOUT_S = 600.0
_TAIL = 2_000


def measure(context: Context) -> Numbers:
    """Return events/s of the first events of the load, after warm-up."""
    servers, sizes = context.servers, context.sizes
    topic = servers.prepare(NAME)
    servers.fill(topic, sizes.users, sizes.bytewax_events, context.say)
    context.say(f"Bytewax reads {sizes.bytewax_events:,} events in {PROCESSES} processes")
    addresses = ";".join(f"{LOOPBACK}:{port}" for port in free_ports(PROCESSES))
    definitions = load_settings(SETTINGS_PATH, {}).definitions.path
    processes = []
    try:
        for number in range(PROCESSES):
            trace = servers.trace_folder(NAME) / f"worker-{number}.json"
            stack = servers.stack
            arguments = (
                stack.bootstrap_servers, topic, output_topic(NAME, "changes"), stack.redis_url, str(definitions),
                str(trace),
            )  # fmt: skip
            processes.append(_start(number, addresses, arguments, trace.with_suffix(".log")))
        _wait(processes)
    finally:
        for process, _ in processes:
            process.kill()
            process.wait()
    return throughput(context, NAME, sizes.bytewax_events)


def _start(number: int, addresses: str, arguments: tuple[str, ...], log: Path) -> tuple[subprocess.Popen[bytes], Path]:
    flow = f"benchmarks.peers.bytewax_flow:build{arguments!r}"
    command = [sys.executable, "-m", "bytewax.run", flow, "-i", str(number), "-a", addresses]
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
