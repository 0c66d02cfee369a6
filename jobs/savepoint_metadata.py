"""Print the operators of a savepoint as JSON: `python -m jobs.savepoint_metadata PATH/_metadata`."""

from __future__ import annotations

import json
import sys
from typing import Any

from pyflink.java_gateway import get_gateway

Row = tuple[str | None, str | None, int, int, bool]


def rows_of(path: str) -> list[Row]:
    """Return uid, name, parallelism, maximum parallelism and whether there is state, of each operator."""
    jvm = get_gateway().jvm
    stream = jvm.java.io.DataInputStream(jvm.java.io.FileInputStream(path))
    try:
        loader = jvm.java.lang.ClassLoader.getSystemClassLoader()
        metadata = jvm.org.apache.flink.runtime.checkpoint.Checkpoints.loadCheckpointMetadata(stream, loader, path)
    finally:
        stream.close()
    return sorted(map(_row, metadata.getOperatorStates()), key=str)


def _row(state: Any) -> Row:
    uid, name = state.getOperatorUid(), state.getOperatorName()
    return (
        uid.orElse(None),
        name.orElse(None),
        state.getParallelism(),
        state.getMaxParallelism(),
        state.getStateSize() > 0,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rows_of(sys.argv[1])) + "\n")
