"""What of drift checks and training is due at an instant, by what was done before; no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from segments.models.model import Models

Kind = Literal["churn", "drift", "failures", "retrain"]
RETRY_MS = 3_600_000  # after what failed, unless it is due sooner
FAILURES_EVERY_MS = 300_000


@dataclass(frozen=True)
class Task:
    """A thing to be done for a model; churn is that of all segments, failures are those of all models in the job."""

    kind: Kind
    model: str

    @property
    def key(self) -> str:
        """Return what it is called in the ledger."""
        return f"{self.kind} {self.model}"


@dataclass(frozen=True)
class Done:
    """When a task ended (ms), whether it could be done, what it said; `wanted` asks for it again at once.

    `told` names the events that people were told of: of each once.
    """

    at: int
    fine: bool
    said: str
    wanted: bool = False
    figures: tuple[tuple[str, str, float], ...] = ()  # name, label, value
    told: tuple[str, ...] = ()


Ledger = Mapping[str, Done]


def tasks_of(models: Models) -> Iterator[tuple[Task, int]]:
    """Yield churn, failures and all tasks of the models that read events, each with how often it is due (ms)."""
    if models.churn is not None:
        yield Task("churn", "segments"), models.churn.every
    if any(spec.features is not None for spec in models.models):
        yield Task("failures", "models"), FAILURES_EVERY_MS
    for spec in models.models:
        if spec.features is not None:
            yield Task("drift", spec.name), spec.drift.every
            if spec.retrain is not None:
                yield Task("retrain", spec.name), spec.retrain.every


def due_at(task: Task, every: int, ledger: Ledger) -> int:
    """Return the instant (ms) at which a task is due; 0 when it was never done or is wanted at once.

    >>> due_at(Task("drift", "m"), 86_400_000, {"drift m": Done(5, False, "no events")})
    3600005
    """
    last = ledger.get(task.key)
    if last is None or last.wanted:
        return 0
    return last.at + (every if last.fine else min(every, RETRY_MS))


def due(models: Models, ledger: Ledger, now: int) -> list[Task]:
    """Return what is due at `now` (ms): drift first, since its alarms ask for training."""
    found = [task for task, every in tasks_of(models) if due_at(task, every, ledger) <= now]
    return sorted(found, key=lambda task: task.kind)


def next_due(models: Models, ledger: Ledger) -> int | None:
    """Return the instant (ms) at which something is due next; None when nothing ever is."""
    return min((due_at(task, every, ledger) for task, every in tasks_of(models)), default=None)
