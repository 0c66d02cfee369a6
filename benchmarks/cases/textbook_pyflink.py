"""Textbook PyFlink on the same cluster, with the same engine: `benchmarks/peers/textbook_pyflink.py`."""

from __future__ import annotations

from benchmarks.cases.case import Context, Numbers
from benchmarks.cases.peer import throughput
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import ROOT, SETTINGS_PATH
from jobs.settings import load_settings

NAME = "textbook-pyflink"


def measure(context: Context) -> Numbers:
    """Return events/s of the first events of the load, after warm-up."""
    servers, sizes = context.servers, context.sizes
    servers.prepare(NAME)
    topic = servers.filled(sizes.users, sizes.textbook_events, context.say)
    context.say(f"textbook PyFlink reads {sizes.textbook_events:,} events")
    options = {
        "--bootstrap-servers": servers.stack.bootstrap_servers,
        "--redis-url": servers.stack.redis_url,
        "--events": topic,
        "--changes": output_topic(NAME, "changes"),
        "--trace": str(servers.trace_folder(NAME)),
        "--definitions": str(load_settings(SETTINGS_PATH, {}).definitions.path),
    }
    job = ["-py", str(ROOT / "benchmarks" / "peers" / "run_textbook.py")]
    servers.run_to_end([*job, *(word for option in options.items() for word in option)], {})
    return throughput(context, NAME, sizes.textbook_events)
