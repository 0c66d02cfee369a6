"""How fast a peer was, by the notes that its own workers took."""

from __future__ import annotations

import json

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.servers import output_topic
from benchmarks.peers.pace import handled, rate

WARM_UP = 0.25  # share of a peer's events that does not count


def throughput(context: Context, name: str, events: int) -> Numbers:
    """Return events/s after warm-up, and over everything; raises BenchmarkError unless all events were handled."""
    traces = [json.loads(trace) for trace in context.servers.traces(name)]
    if handled(traces) != events:
        raise BenchmarkError(f"{events} events went in, {handled(traces)} were handled")
    return {
        "events": events,
        "users": context.sizes.users,
        "workers": sum(bool(trace) for trace in traces),
        "events_per_s": rate(traces, WARM_UP),
        "events_per_s_with_warm_up": rate(traces),
        "changes": context.servers.records(output_topic(name, "changes")),
        "redis_users": context.servers.redis_users(),
    }
