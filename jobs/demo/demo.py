"""The demo from start to end: stack, job, play, an hour of silence, and the proof that all three agree."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.cli.errors import BadInput, Failed
from jobs.demo.job_metrics import JobMetrics
from jobs.demo.latency import Latency
from jobs.demo.pace import Pace
from jobs.demo.screen import Screen
from jobs.demo.setup import ROOT, Place, own_stack, running_stack
from jobs.demo.tally import Tally
from jobs.demo.traffic import file_traffic, shop_traffic
from jobs.player import Progress, heartbeat, play
from jobs.reconcile import Difference, Recomputation, Reconciliation, WrittenChanges, reconcile, topic_reader
from jobs.reconcile_memberships import newest_memberships
from jobs.settings import DEFAULT_PATH, Settings, load_settings
from jobs.stack.flink_rest import FINAL_STATES
from jobs.stack.signals import exit_on_signals
from jobs.topics import TopicReader
from segments.changes import decode_change
from segments.definitions import Definitions, load_definitions
from segments.mapping import read_events
from segments.record_times import with_record_times

_SILENCE_MS = 3_600_000
_READY_S = 120.0
_CATCH_UP_S = 90.0
_STALLED_S = 20.0
_METRICS_EVERY_S = 1.0
_SHOWN = 10
_HEAD = 1_000
_FAILURE_CHARS = 2_000  # the end of a stack trace names the cause
_COUNTED = ("events", "changes", "users", "dead letters", "duplicates", "late")
_PROGRAM = ("-py", str(ROOT / "jobs" / "segmentation.py"), "--settings", str(ROOT / DEFAULT_PATH))
RECONCILED = "reconciled: job = replay = redis"


@dataclass(frozen=True)
class DemoOptions:
    """What to play: a file or, without one, a shop with `users` shoppers; for how long and how fast (events/s)."""

    events: Path | None
    mapping: str | None
    seconds: int
    users: int
    rate: int
    attach: str | None = None


def run_demo(options: DemoOptions) -> int:
    """Run the demo and return the exit code: 0 when job output, replay and Redis are equal, else 1.

    Raises BadInput, SettingsError, DefinitionErrors and MappingError before anything is started; then Failed,
    StackError, WaitTimeoutError, PlayError, TopicError. Whatever happens, what was started is ended.
    """
    exit_on_signals()
    definitions = load_definitions(load_settings(ROOT / DEFAULT_PATH).definitions.path)
    _check_file(options)
    screen = Screen()
    with ThreadPoolExecutor(max_workers=2) as pool, ExitStack() as started:
        traffic = pool.submit(_traffic, options)
        with screen.step("starting Kafka, Redis and Flink" if options.attach is None else "attaching to the stack"):
            place = started.enter_context(running_stack(options.attach) if options.attach else own_stack())
        with screen.step("preparing the events"):
            events = traffic.result()
        demo = _Demo(place, definitions, events, screen, pool)
        result = demo.run(options.rate, options.seconds)
        with screen.step("ending what was started"):
            started.close()
    return _conclude(screen, demo.tally, result)


def _check_file(options: DemoOptions) -> None:
    if options.events is None:
        return
    if not options.events.is_file():
        raise BadInput(f"{options.events}: there is no such file")
    if next(read_events(options.events, options.mapping), None) is None:
        raise BadInput(f"{options.events}: there are no events in it")


def _traffic(options: DemoOptions) -> list[bytes]:
    """Return the events to play, as many as can be played in time."""
    count = options.seconds * options.rate
    if options.events is None:
        return list(shop_traffic(options.users, count))
    return list(file_traffic(options.events, options.mapping, count))


def _conclude(screen: Screen, tally: Tally, result: Reconciliation) -> int:
    screen.summary(tally)
    screen.say(f"latency from producer to reader: {tally.latency.text()}")
    screen.say(", ".join(f"{result.counts[name]:,} {name}" for name in _COUNTED))
    if result.equal:
        screen.say(RECONCILED)
        return 0
    for difference in result.differences[:_SHOWN]:
        screen.say(str(difference))
    screen.say(f"not reconciled: {len(result.differences):,} differences, the first {_SHOWN} above")
    return 1


class _Demo:
    """One demo on a running stack."""

    def __init__(
        self, place: Place, definitions: Definitions, events: list[bytes], screen: Screen, pool: ThreadPoolExecutor
    ) -> None:
        self._place = place
        self._settings: Settings = place.settings
        self._definitions = definitions
        self._events = events
        self._screen = screen
        self._pool = pool
        self._heartbeats = 0
        self._any_change = False
        self._metrics_at = 0.0
        self._newest_record = time.monotonic()
        self._written = WrittenChanges()
        self.tally = Tally((segment.name for segment in definitions.segments), Latency())

    def run(self, rate: int, seconds: int) -> Reconciliation:
        """Submit, play, wait, stop, compare."""
        stack, kafka = self._place.stack, self._settings.kafka
        with self._screen.step("submitting the job with flink run"):
            self._job = stack.submit(_PROGRAM, self._place.environment)
        self._metrics = JobMetrics(stack.rest_url, self._job)
        topics = [kafka.changes_topic, kafka.dead_letters_topic, kafka.late_events_topic]
        try:
            with TopicReader(kafka.bootstrap_servers, topics) as self._reader:
                with self._screen.step("waiting for the job's workers"):
                    self._wait_ready()
                with self._screen.live():
                    replayed, reached = self._play(rate, seconds)
                with self._screen.step("stopping the job behind a savepoint"):
                    stack.stop_with_savepoint(self._job)
                for record in self._reader.to_the_end():
                    self._absorb(record.topic, record.value or b"")
        finally:
            if stack.job_state(self._job) not in FINAL_STATES:
                stack.cancel(self._job)
        with self._screen.step("comparing job output, replay and Redis"):
            with topic_reader(self._settings, [kafka.memberships_topic]) as reader:
                memberships = newest_memberships(reader.to_the_end())
            redis_url = self._settings.redis.url.get_secret_value()
            result = reconcile(self._written, replayed, memberships, reached, redis_url)
        result.differences += self._unprocessed_differences(replayed)
        return result

    def _wait_ready(self) -> None:
        first = next((at for _, at in with_record_times(self._events[:_HEAD]) if at is not None), None)
        if first is None:
            raise BadInput("none of the first events has a time")
        self._beat(first - 1)  # from now on every partition holds the watermark back until its own events come
        if not self._watch("", self._ready, _READY_S):
            failure = self._place.stack.rest.root_exception(self._job)[-_FAILURE_CHARS:]
            raise Failed(f"the job wrote nothing in {_READY_S:g} s: {failure or 'see the logs in .local/'}")

    def _ready(self) -> bool:
        """Say whether every worker is at work: a change has come, and a checkpoint has passed through all of them."""
        return self._any_change and self._place.stack.rest.completed_checkpoints(self._job) > 0

    def _play(self, rate: int, seconds: int) -> tuple[Recomputation, int]:
        """Play, let an hour pass in silence, and return the replay of the same events and where time got to (ms)."""
        pace = Pace(rate, seconds, self.tally.latency)
        payloads = self.tally.latency.watched(pace.through(self._events))
        kafka = self._settings.kafka
        playing: Future[Progress] = self._pool.submit(
            play,
            payloads,
            kafka.bootstrap_servers,
            kafka.events_topics[0],
            on_progress=self._on_progress,
            properties=kafka.producer_properties,
        )
        self._watch(f"playing, up to {rate:,} events/s", playing.done)
        progress = playing.result()
        if progress.failed or progress.event_time is None:
            raise Failed(f"Kafka refused {progress.failed} events: {progress.first_error}")
        end = progress.event_time + _SILENCE_MS
        reached = end - self._settings.event_time.out_of_orderness - 1
        self._beat(end)
        replaying: Future[Recomputation] = self._pool.submit(self._recompute, pace.played, reached)
        self._watch("an hour of event time passes without an event; replaying without Flink", replaying.done)
        replayed = replaying.result()
        self._newest_record = time.monotonic()
        self._watch("waiting for the job", lambda: self._caught_up(replayed.lengths()), _CATCH_UP_S)
        return replayed, reached

    def _recompute(self, played: int, reached: int) -> Recomputation:
        replayed = Recomputation(self._definitions, self._settings)
        replayed.add(with_record_times(self._events[:played]))
        replayed.advance(reached)
        return replayed

    def _caught_up(self, required: dict[str, int]) -> bool:
        if time.monotonic() - self._newest_record > _STALLED_S:
            return True  # nothing more will come; what is missing will be named
        by_user = self._written.by_user
        return all(len(by_user.get(user, ())) >= count for user, count in required.items())

    def _watch(self, doing: str, done: Callable[[], bool], timeout: float | None = None) -> bool:
        """Read what the job writes, and show it, until `done()`; return False when it was not after `timeout` s."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            for record in self._reader.poll(0.1):
                self._absorb(record.topic, record.value or b"")
            if doing and self._screen.due():
                self.tally.tell()
                self._look_at_the_job()
                self._screen.update(self.tally, doing)
            if deadline is not None and time.monotonic() > deadline:
                return False
        return True

    def _absorb(self, topic: str, value: bytes) -> None:
        self._newest_record = time.monotonic()
        if topic == self._settings.kafka.dead_letters_topic:
            self.tally.dead_letters += 1
        elif topic == self._settings.kafka.late_events_topic:
            self.tally.late += 1
        else:
            self._any_change = True
            if self._written.add(value):
                self.tally.add(decode_change(value))

    def _look_at_the_job(self) -> None:
        now = time.monotonic()
        if now - self._metrics_at < _METRICS_EVERY_S:
            return
        self._metrics_at = now
        counters = self._metrics.counters()
        if "events" in counters:
            self.tally.processed = max(0, counters["events"] - self._heartbeats)
        stack = self._place.stack
        if stack.job_state(self._job) in FINAL_STATES:
            raise Failed(f"the job has ended: {stack.rest.root_exception(self._job)[-_FAILURE_CHARS:]}")

    def _on_progress(self, progress: Progress) -> None:
        self.tally.progress = progress

    def _beat(self, at: int) -> None:
        kafka = self._settings.kafka
        self._heartbeats += heartbeat(kafka.bootstrap_servers, kafka.events_topics[0], at, kafka.producer_properties)

    def _unprocessed_differences(self, replayed: Recomputation) -> list[Difference]:
        found = {"dead letters": self.tally.dead_letters, "late": self.tally.late}
        return [
            Difference(
                "(any)", "job and replay", f"{name}: the job wrote {count:,}, the replay {replayed.counts[name]:,}"
            )
            for name, count in found.items()
            if count != replayed.counts[name]
        ]
