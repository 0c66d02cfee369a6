"""Where the files of one stack lie under the project's `.local/` folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jobs.stack.processes import StackError

DEFAULT_RUN = "stack"


@dataclass(frozen=True)
class Layout:
    """The folders of the run `run` of the project at `root`."""

    root: Path
    run: str = DEFAULT_RUN

    @property
    def home(self) -> Path:
        """Everything of this run; removed with it."""
        return self.root / ".local" / self.run

    @property
    def logs(self) -> Path:
        """The servers' logs."""
        return self.home / "logs"

    @property
    def pids(self) -> Path:
        """The record of the running servers."""
        return self.home / "pids.json"

    @property
    def state(self) -> Path:
        """The addresses of the running servers."""
        return self.home / "stack.json"

    def kafka_jars(self) -> Path:
        """Return the folder of the broker's jars; raises `StackError` when set-up has not been done."""
        folder = self.root / ".local" / "kafka"
        if not any(folder.glob("kafka_*.jar")):
            raise StackError(f"no Kafka jars in {folder}: run 'make setup' first")
        return folder

    def bridge_jars(self) -> list[Path]:
        """Return the bridge's jar and the connector jars it was built with; empty when the bridge is not built."""
        target = self.root / "jobs" / "bridge" / "target"
        return sorted([*target.glob("flink-segments-bridge.jar"), *target.glob("lib/*.jar")])
