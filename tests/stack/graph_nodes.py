"""Print the operators of the job's real graph; the bridge must lie in FLINK_LIB_DIR."""

from __future__ import annotations

import json
import sys

from jobs.graph import build, environment
from jobs.settings import Settings


def nodes() -> list[tuple[str | None, str]]:
    """Return uid and name of every operator that Flink makes of the job."""
    settings = Settings.model_validate({"kafka": {"delivery": "exactly_once"}})
    env = environment(settings)
    build(env, settings, "segments: []", bounded=False)
    graph = env._j_stream_execution_environment.getStreamGraph(False)
    return [(node.getTransformationUID(), node.getOperatorName()) for node in graph.getStreamNodes().toArray()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(nodes()) + "\n")
