"""The calls of Flink's REST interface that the stack needs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from jobs.stack.processes import StackError
from jobs.stack.waiting import wait_until

TIMEOUT = 30.0  # seconds for one request
SAVEPOINT_TIMEOUT = 120.0
CANCEL_TIMEOUT = 120.0
NO_WATERMARK = -(2**63)
FINAL_STATES = frozenset({"FINISHED", "CANCELED", "FAILED"})
SavepointFormat = Literal["canonical", "native"]


class JobEntry(NamedTuple):
    """A job that Flink knows."""

    id: str
    name: str
    state: str


class Slots(NamedTuple):
    """Task slots that have registered, and those of them that nobody uses."""

    total: int
    free: int


@dataclass(frozen=True)
class FlinkRest:
    """A client of the JobManager at `url`; every call raises `OSError` when it does not answer."""

    url: str

    def slots(self) -> int:
        """Return the number of task slots that have registered."""
        return int(self._call("GET", "/overview")["slots-total"])

    def free_slots(self) -> Slots:
        """Return how many task slots there are."""
        found = self._call("GET", "/overview")
        return Slots(int(found["slots-total"]), int(found["slots-available"]))

    def jobs(self) -> list[JobEntry]:
        """Return all jobs that Flink knows, also those that have ended lately."""
        return [
            JobEntry(each["jid"], each["name"], each["state"]) for each in self._call("GET", "/jobs/overview")["jobs"]
        ]

    def parameters(self, job: str) -> dict[str, str]:
        """Return the job's global parameters."""
        config = self._call("GET", f"/jobs/{job}/config").get("execution-config") or {}
        return {str(key): str(value) for key, value in (config.get("user-config") or {}).items()}

    def parallelism(self, job: str) -> int:
        """Return the parallelism of the job's widest vertex, which is the number of slots it takes."""
        return max(int(vertex["parallelism"]) for vertex in self._call("GET", f"/jobs/{job}")["vertices"])

    def max_parallelism(self, job: str) -> int:
        """Return the largest parallelism the job's state allows."""
        return max(int(vertex["maxParallelism"]) for vertex in self._call("GET", f"/jobs/{job}")["vertices"])

    def failures(self, job: str) -> int:
        """Return how often the job has failed, as far as Flink remembers (16 times by default)."""
        return len(self._call("GET", f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"])

    def newest_checkpoint_path(self, job: str) -> str | None:
        """Return the address of the job's newest completed checkpoint or savepoint; None when it has none."""
        latest = self._call("GET", f"/jobs/{job}/checkpoints")["latest"]
        found = [latest[kind] for kind in ("completed", "savepoint", "restored") if latest.get(kind)]
        newest = max(found, key=lambda each: int(each["id"]), default=None)
        return None if newest is None else str(newest["external_path"])

    def job_state(self, job: str) -> str:
        """Return the job's state: `RUNNING`, `RESTARTING`, `FINISHED`, `FAILED`, ..."""
        return str(self._call("GET", f"/jobs/{job}")["state"])

    def tasks_running(self, job: str) -> bool:
        """Tell whether every task of the job runs."""
        states = self.tasks(job)
        return bool(states) and all(state == "RUNNING" for state in states)

    def tasks(self, job: str) -> list[str]:
        """Return the states of the job's vertices: `CREATED`, `DEPLOYING`, `INITIALIZING`, `RUNNING`, ..."""
        return [str(vertex["status"]) for vertex in self._call("GET", f"/jobs/{job}")["vertices"]]

    def root_exception(self, job: str) -> str:
        """Return the stack trace of the job's newest failure; empty when it never failed."""
        entries = self._call("GET", f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]
        return str(entries[0]["stacktrace"]) if entries else ""

    def completed_checkpoints(self, job: str) -> int:
        """Return how many checkpoints the job has completed since its start or restore."""
        return int(self._call("GET", f"/jobs/{job}/checkpoints")["counts"]["completed"])

    def failed_checkpoints(self, job: str) -> int:
        """Return how many of the job's checkpoints failed since its JobManager started."""
        return int(self._call("GET", f"/jobs/{job}/checkpoints")["counts"]["failed"])

    def checkpoints(self, job: str) -> list[tuple[int, int]]:
        """Return when (ms since 1970) each of the newest ten completed checkpoints began and ended, newest first."""
        history = self._call("GET", f"/jobs/{job}/checkpoints")["history"]
        done = (each for each in history if each["status"] == "COMPLETED")
        began = ((int(each["trigger_timestamp"]), int(each["end_to_end_duration"])) for each in done)
        return [(at, at + took) for at, took in began]

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

    def segments_metric(self, job: str, name: str) -> int:
        """Return the sum over all workers of a metric of the segment function; Flink renews it every ten seconds."""
        total = 0
        for vertex in self._call("GET", f"/jobs/{job}")["vertices"]:
            path = f"/jobs/{job}/vertices/{vertex['id']}/subtasks/metrics"
            names = [each["id"] for each in self._call("GET", path) if each["id"].endswith(f"segments.{name}")]
            found = self._call("GET", f"{path}?get={','.join(names)}") if names else []
            total += sum(int(each["sum"]) for each in found)
        return total

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

    def stop_with_savepoint(
        self,
        job: str,
        *,
        drain: bool = False,
        folder: str | None = None,
        form: SavepointFormat = "canonical",
        timeout: float = SAVEPOINT_TIMEOUT,
    ) -> str:
        """Stop the job behind a savepoint and return the savepoint's address.

        With `drain` every window is flushed first. Raises `StackError` when Flink could not take it.
        """
        body = {"drain": drain, **_savepoint_options(folder, form)}
        location = self._savepoint(job, f"/jobs/{job}/stop", body, timeout)
        self.wait_ended(job, CANCEL_TIMEOUT)
        return location

    def savepoint(
        self,
        job: str,
        *,
        folder: str | None = None,
        form: SavepointFormat = "canonical",
        timeout: float = SAVEPOINT_TIMEOUT,
    ) -> str:
        """Take a savepoint of a job that runs on and return its address; raises `StackError` when Flink could not."""
        body = {"cancel-job": False, **_savepoint_options(folder, form)}
        return self._savepoint(job, f"/jobs/{job}/savepoints", body, timeout)

    def _savepoint(self, job: str, path: str, body: dict[str, object], timeout: float) -> str:
        trigger = self._call("POST", path, body)["request-id"]
        status = f"/jobs/{job}/savepoints/{trigger}"
        wait_until(
            lambda: self._call("GET", status)["status"]["id"] == "COMPLETED", timeout, f"the savepoint of job {job}"
        )
        operation = self._call("GET", status)["operation"]
        if "location" not in operation:
            raise StackError(f"no savepoint of job {job}: {operation['failure-cause']['stack-trace']}")
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


def _savepoint_options(folder: str | None, form: SavepointFormat) -> dict[str, object]:
    return {"formatType": form.upper(), **({"targetDirectory": folder} if folder else {})}
