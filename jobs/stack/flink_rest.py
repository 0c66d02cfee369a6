"""The calls of Flink's REST interface that the stack needs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from jobs.stack.processes import StackError
from jobs.stack.waiting import wait_until

TIMEOUT = 10.0  # seconds for one request
SAVEPOINT_TIMEOUT = 120.0
CANCEL_TIMEOUT = 60.0
NO_WATERMARK = -(2**63)
FINAL_STATES = frozenset({"FINISHED", "CANCELED", "FAILED"})


@dataclass(frozen=True)
class FlinkRest:
    """A client of the JobManager at `url`; every call raises `OSError` when it does not answer."""

    url: str

    def slots(self) -> int:
        """Return the number of task slots that have registered."""
        return int(self._call("GET", "/overview")["slots-total"])

    def job_state(self, job: str) -> str:
        """Return the job's state: `RUNNING`, `RESTARTING`, `FINISHED`, `FAILED`, ..."""
        return str(self._call("GET", f"/jobs/{job}")["state"])

    def tasks_running(self, job: str) -> bool:
        """Tell whether every task of the job runs."""
        vertices = self._call("GET", f"/jobs/{job}")["vertices"]
        return bool(vertices) and all(vertex["status"] == "RUNNING" for vertex in vertices)

    def root_exception(self, job: str) -> str:
        """Return the stack trace of the job's newest failure; empty when it never failed."""
        entries = self._call("GET", f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        return str(entries[0]["stacktrace"]) if entries else ""

    def completed_checkpoints(self, job: str) -> int:
        """Return how many checkpoints the job has completed since its start or restore."""
        return int(self._call("GET", f"/jobs/{job}/checkpoints")["counts"]["completed"])

    def newest_checkpoint(self, job: str) -> int:
        """Return when the newest completed checkpoint began, in ms since 1970; 0 when there is none."""
        newest = self._call("GET", f"/jobs/{job}/checkpoints")["latest"]["completed"]
        return int(newest["trigger_timestamp"]) if newest else 0

    def watermark(self, job: str) -> int:
        """Return the event time (ms) that the job's batchers have come to; `NO_WATERMARK` when one has none."""
        found = []
        for vertex in self._call("GET", f"/jobs/{job}")["vertices"]:
            marks = self._call("GET", f"/jobs/{job}/vertices/{vertex['id']}/watermarks")
            if "Batch events" in vertex["name"]:
                found += [int(mark["value"]) for mark in marks] or [NO_WATERMARK]
        return min(found, default=NO_WATERMARK)

    def task_manager_metric(self, name: str) -> list[int]:
        """Return a metric of each TaskManager, such as `Status.JVM.Memory.Heap.Used`."""
        ids = [manager["id"] for manager in self._call("GET", "/taskmanagers")["taskmanagers"]]
        found = [self._call("GET", f"/taskmanagers/{each}/metrics?get={name}") for each in ids]
        return [int(entry["value"]) for entries in found for entry in entries]

    def cancel(self, job: str) -> None:
        """Cancel the job and wait until it has ended."""
        self._call("PATCH", f"/jobs/{job}?mode=cancel")
        self.wait_ended(job, CANCEL_TIMEOUT)

    def wait_ended(self, job: str, timeout: float) -> str:
        """Return the job's final state; raises `WaitTimeoutError` after `timeout` seconds."""
        wait_until(lambda: self.job_state(job) in FINAL_STATES, timeout, f"job {job} to end")
        return self.job_state(job)

    def stop_with_savepoint(self, job: str, *, drain: bool = False) -> str:
        """Stop the job behind a savepoint and return the savepoint's address.

        With `drain` every window is flushed first. Raises `StackError` when Flink could not take it.
        """
        trigger = self._call("POST", f"/jobs/{job}/stop", {"drain": drain})["request-id"]
        path = f"/jobs/{job}/savepoints/{trigger}"
        wait_until(
            lambda: self._call("GET", path)["status"]["id"] == "COMPLETED", SAVEPOINT_TIMEOUT, f"savepoint of job {job}"
        )
        operation = self._call("GET", path)["operation"]
        if "location" not in operation:
            raise StackError(f"no savepoint of job {job}: {operation['failure-cause']['stack-trace']}")
        self.wait_ended(job, CANCEL_TIMEOUT)
        return str(operation["location"])

    def _call(self, method: str, path: str, body: dict[str, object] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address is our own JobManager's
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310 - as above
                return json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            if error.code in (404, 503):
                raise
            raise StackError(f"Flink refused {method} {path}: {error.read().decode(errors='replace')}") from error
