"""The job with two models that score its users against the job without, on the same events in the same run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases.case import Context, Numbers
from benchmarks.cases.job import throughput
from benchmarks.cases.models_served import definitions_text, versions
from benchmarks.cases.servers import Servers
from benchmarks.cases.worker import SETTINGS_PATH
from jobs.control_topic import append, create_control_topics
from jobs.settings import load_settings
from segments.control import Release
from segments.models.released import ModelVersion

_TURNS = ("off", "on", "on", "off")  # a machine that grows slower or warmer meanwhile does so for both


def measure(context: Context) -> Numbers:
    """Return events/s of both, each in two turns of the same events, and the ratio; the definitions are the same."""
    servers, sizes = context.servers, context.sizes
    topic = servers.filled(sizes.model_users, sizes.model_events, context.say)
    context.say("trains two models on the benchmarks' load")
    path = servers.folder / "models" / "segments.yaml"
    released = versions(path.parent)
    path.write_text(definitions_text(), encoding="utf-8")
    seconds = {"off": 0.0, "on": 0.0}
    for turn, key in enumerate(_TURNS):
        models = released if key == "on" else ()
        context.say(f"the job reads {sizes.model_events:,} events with {len(models)} models")
        run = _run(servers, f"models-{key}-{turn}", topic, path, models)
        seconds[key] += float(throughput(run, sizes.model_events)["seconds"])
    events = sizes.model_events * len(_TURNS) // 2
    found: Numbers = {"users": sizes.model_users, "events": events}
    for key, taken in seconds.items():
        found |= {f"seconds_{key}": taken, f"events_per_s_{key}": events / taken}
    return found | {"ratio": seconds["off"] / seconds["on"]}


def _run(servers: Servers, name: str, topic: str, path: Path, models: Sequence[ModelVersion]) -> list[dict[str, float]]:
    """Run the job to the end and return what its workers did."""
    servers.prepare(name)
    environment = {**servers.environment(name, topic), "SEGMENTS__DEFINITIONS__PATH": str(path)}
    kafka = load_settings(SETTINGS_PATH, environment).kafka
    create_control_topics(kafka)
    append(kafka, Release(1, 0, path.read_text(encoding="utf-8"), action="submit", models=tuple(models)))
    arguments = ["-py", "jobs/segmentation.py", "--settings", str(SETTINGS_PATH), "--bounded"]
    servers.run_to_end([*arguments, "--trace", str(servers.trace_folder(name))], environment)
    return [json.loads(trace) for trace in servers.traces(name)]
