"""The job itself: Kafka in, Kafka and Redis out, two workers, a checkpoint every 10 s."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.cpu import CpuSpent
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import SETTINGS_PATH

NAME = "job"


def measure(context: Context) -> Numbers:
    """Return events/s over all workers, from the start of the first batch to the end of the last."""
    servers, sizes = context.servers, context.sizes
    servers.prepare(NAME)
    topic = servers.filled(sizes.users, sizes.events, context.say)
    context.say(f"the job reads {sizes.events:,} events of {sizes.users:,} users")
    spent = CpuSpent(servers.stack)
    arguments = ["-py", "jobs/segmentation.py", "--settings", str(SETTINGS_PATH), "--bounded"]
    job = servers.run_to_end([*arguments, "--trace", str(servers.trace_folder(NAME))], servers.environment(NAME, topic))
    workers = [json.loads(trace) for trace in servers.traces(NAME)]
    used = spent.us_per_event(sizes.events, sum(worker["cpu_s"] for worker in workers))
    return {
        **throughput(workers, sizes.events),
        "users": sizes.users,
        "workers": len(workers),
        "checkpoints": servers.stack.rest.completed_checkpoints(job),
        "changes": servers.records(output_topic(NAME, "changes")),
        "memberships": servers.records(output_topic(NAME, "memberships")),
        "redis_users": servers.redis_users(),
        **_busy(workers),
        **used,
    }


def _busy(workers: Sequence[dict[str, Any]]) -> Numbers:
    """Return the seconds that all workers' Python spent on frames, by kind of frame."""
    kinds = sorted({kind for worker in workers for kind in worker["busy_s"]})
    return {f"{kind.lower()}_s": round(sum(worker["busy_s"].get(kind, 0) for worker in workers), 3) for kind in kinds}


def throughput(workers: Sequence[dict[str, Any]], events: int) -> Numbers:
    """Return events/s and seconds from the workers' traces; raises BenchmarkError unless all events were handled.

    A trace notes when its first and last batch were through the engine; one batch's mean time is added for the start
    of the first batch and the output of the last.
    """
    busy = [worker for worker in workers if worker["events"]]
    handled = sum(worker["events"] for worker in busy)
    if handled != events:
        raise BenchmarkError(f"{events} events went in, {handled} were handled")
    a_batch = max(worker["busy_s"]["EVENTS"] / worker["frames"]["EVENTS"] for worker in busy)
    seconds = max(worker["last"] for worker in busy) - min(worker["first"] for worker in busy) + a_batch
    return {"events": handled, "seconds": round(seconds, 3), "events_per_s": handled / seconds}
