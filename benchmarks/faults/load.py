"""Steady shop traffic into a topic, from a process of its own, until it is told to stop."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Self

from benchmarks.simulator import simulate, uniform_load
from jobs.player import PlayError, Progress, play

START_MS = 1_764_000_000_000
_MANY = 50_000_000
_END_TIMEOUT_S = 180.0  # longer than the producer's own wait for a broker that is away
_DAY_MS = 86_400_000
EVENTS_A_USER_AND_DAY = 4


class LoadError(RuntimeError):
    """The load could not be played; the text says why."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What to play: `rate` in events per second, the other rates as shares of the records.

    `shop` has sessions, carts, disorder, duplicates and broken records; otherwise a fixed population whose users come
    about four times a day, whatever their number, so that what is kept of them stops growing. One real second is
    `rate / users / 4` days of event time.
    """

    users: int = 2_000
    rate: float = 1_000.0
    seed: int = 1
    events: int = _MANY
    shop: bool = True
    late_rate: float = 0.01
    very_late_rate: float = 0.001
    duplicate_rate: float = 0.005
    broken_rate: float = 0.001

    def records(self) -> Iterator[bytes]:
        """Yield the events; the same options give the same bytes."""
        if not self.shop:
            step = max(1, _DAY_MS // (EVENTS_A_USER_AND_DAY * self.users))
            return uniform_load(self.users, self.events, self.seed, START_MS, step)
        return simulate(
            self.users,
            self.events,
            self.seed,
            START_MS,
            late_rate=self.late_rate,
            very_late_rate=self.very_late_rate,
            duplicate_rate=self.duplicate_rate,
            broken_rate=self.broken_rate,
        )


class SteadyLoad:
    """A process that plays; used as a context manager it is stopped on the way out."""

    def __init__(self, options: LoadOptions, bootstrap_servers: str, topic: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._sent = context.Value("q", 0)
        self._newest = context.Value("q", START_MS)
        self._answer: SimpleQueue[Progress | str] = context.SimpleQueue()
        self._process = context.Process(
            target=_play,
            args=(options, bootstrap_servers, topic, self._stop, self._sent, self._newest, self._answer),
            name="load",
            daemon=True,
        )
        self._done: Progress | None = None

    def __enter__(self) -> Self:
        """Begin to play."""
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what the load has to say about it is lost."""
        self._stop.set()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(_END_TIMEOUT_S)

    @property
    def sent(self) -> int:
        """How many events were handed to Kafka so far."""
        return int(self._sent.value)

    @property
    def event_time(self) -> int:
        """The newest record's time in ms."""
        return int(self._newest.value)

    def check(self) -> None:
        """Raise LoadError when the load has failed."""
        if self._done is None and not self._process.is_alive():
            self._done = self._finished()

    def stop(self) -> Progress:
        """Play no more, wait until Kafka has acknowledged everything, and return what was sent; raises LoadError."""
        self._stop.set()
        self._process.join(_END_TIMEOUT_S)
        self._done = self._done or self._finished()
        return self._done

    def _finished(self) -> Progress:
        told = self._told()
        if not isinstance(told, Progress):
            raise LoadError(f"the load failed: {told}")
        if told.failed:
            raise LoadError(f"Kafka refused {told.failed} of {told.sent + told.failed} events: {told.first_error}")
        return told

    def _told(self) -> Progress | str:
        return f"exit code {self._process.exitcode}" if self._answer.empty() else self._answer.get()


def _play(
    options: LoadOptions,
    bootstrap_servers: str,
    topic: str,
    stop: Event,
    sent: Synchronized[int],
    newest: Synchronized[int],
    answer: SimpleQueue[Progress | str],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops this process in order

    def note(progress: Progress) -> None:
        sent.value = progress.sent
        newest.value = progress.event_time or newest.value

    def records() -> Iterator[bytes]:
        for record in options.records():
            if stop.is_set():
                return
            yield record

    try:
        answer.put(play(records(), bootstrap_servers, topic, rate=options.rate, on_progress=note))
    except (PlayError, ValueError) as error:
        answer.put(str(error))
