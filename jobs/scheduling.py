"""Runs what is due for models and remembers it in a file: safe against a second process, a crash and what fails."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from segments.models.model import Models
from training.exposition import Figure, exposition, labels, write_whole
from training.schedule import Done, Kind, Task, due, next_due


class AlreadyRunning(RuntimeError):
    """Another process holds the state; the text says what to do."""


class UnreadableState(ValueError):
    """The state is none; the text says what to do."""


@dataclass(frozen=True)
class Outcome:
    """What a task found: a sentence, alarms for people, whether they ask for training, figures.

    `events` are alarms that are told once: what tells each from all others, and its text.
    """

    said: str
    alarms: tuple[str, ...] = ()
    train: bool = False
    figures: tuple[Figure, ...] = ()
    events: tuple[tuple[str, str], ...] = ()


Work = Callable[[str], Outcome]  # of a model's name
Alert = Callable[[str], bool]  # returns whether it reached people


class LedgerFile:
    """What was done when, as JSON; replaced as a whole, so a crash leaves the last state."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out; raises AlreadyRunning. The lock ends with the process, however that ends."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"another schedule works on {self._path}: end it first, or give this one its own --state"
                ) from None
            yield

    def read(self) -> dict[str, Done]:
        """Return what is known, nothing before the first run; raises UnreadableState, OSError."""
        try:
            known = orjson.loads(self._path.read_bytes())
            return {key: _done(fields) for key, fields in known.items()}
        except FileNotFoundError:
            return {}
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise UnreadableState(
                f"{self._path} is no state of a schedule ({error}): remove it, and all is due again"
            ) from None

    def write(self, ledger: Mapping[str, Done]) -> None:
        """Replace what is known; raises OSError."""
        content = orjson.dumps({key: asdict(each) for key, each in ledger.items()}, option=orjson.OPT_INDENT_2)
        write_whole(self._path, content.decode() + "\n")


class Schedule:
    """Does what is due. Time comes in as an argument; `now` tells when a task has ended (ms)."""

    def __init__(
        self,
        models: Models,
        file: LedgerFile,
        work: Mapping[Kind, Work],
        alert: Alert,
        now: Callable[[], int],
        metrics: Path | None = None,
    ) -> None:
        self._models = models
        self._file = file
        self._work = work
        self._alert = alert
        self._now = now
        self._metrics = metrics
        self.ledger = file.read()

    def run_due(self, at: int, tell: Callable[[str], None]) -> bool:
        """Do what is due at `at` (ms), training after the alarms that ask for it; False when something was alarming."""
        fine, tried = True, set[Task]()
        while left := [task for task in due(self._models, self.ledger, at) if task not in tried]:
            tried.add(left[0])
            fine = self._run(left[0], tell) and fine
        return fine

    def next_due(self) -> int | None:
        """Return the instant (ms) at which something is due next."""
        return next_due(self._models, self.ledger)

    def _run(self, task: Task, tell: Callable[[str], None]) -> bool:
        spec = self._models.model(task.model)
        try:
            outcome, fine = self._work[task.kind](task.model), True
        except Exception as error:  # noqa: BLE001 - whatever fails must not stop what else is due
            outcome, fine = Outcome(f"failed: {error}", (f"{task.kind} of {task.model} failed: {error}",)), False
        tell(f"{task.key}: {outcome.said}")
        told = self.ledger[task.key].told if task.key in self.ledger else ()
        news = [(key, text) for key, text in outcome.events if key not in told]
        reached = [key for key, text in news if self._alert(text)]  # before it is written down: rather twice than never
        self.ledger[task.key] = Done(self._now(), fine, outcome.said, figures=outcome.figures, told=(*told, *reached))
        training = Task("retrain", task.model).key
        if outcome.train and spec is not None and spec.retrain is not None:
            known = self.ledger.get(training, Done(0, fine=True, said="never"))
            self.ledger[training] = replace(known, wanted=True)
        alarms = [*outcome.alarms, *self._kept()]
        for alarm in alarms:
            self._alert(alarm)
        return not alarms and not news

    def _kept(self) -> Iterator[str]:
        """Write down what was done; yields what could not be: this process knows it all the same, and goes on."""
        try:
            self._file.write(self.ledger)
        except OSError as error:
            yield f"the state could not be written, and what was done is due again after a restart: {error}"
        try:
            self._write_metrics()
        except OSError as error:
            yield f"the metrics could not be written: {error}"

    def _write_metrics(self) -> None:
        if self._metrics is None:
            return
        figures: list[Figure] = []
        for key, each in self.ledger.items():
            kind, _, model = key.partition(" ")
            named = labels(task=kind, model=model)
            figures += [
                *each.figures,
                ("segments_schedule_last_run_timestamp_seconds", named, each.at / 1_000),
                ("segments_schedule_success", named, float(each.fine)),
            ]
        write_whole(self._metrics, exposition(figures))


def _done(fields: dict[str, object]) -> Done:
    figures = fields["figures"]
    if not isinstance(figures, list):
        raise TypeError("figures are no list")
    found = tuple((str(name), str(named), float(value)) for name, named, value in figures)
    told = fields.get("told", [])  # states of earlier versions have none
    if not isinstance(told, list):
        raise TypeError("told is no list")
    keys = tuple(map(str, told))
    return Done(int(str(fields["at"])), bool(fields["fine"]), str(fields["said"]), bool(fields["wanted"]), found, keys)
