"""The job on a stack of its own under a steady, seeded load: what faults are done to, and a verdict is given on."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.faults.load import LoadOptions, SteadyLoad
from jobs.player import heartbeat
from jobs.settings import Settings, load_settings
from jobs.stack.flink_config import ClusterSize
from jobs.stack.flink_rest import FINAL_STATES
from jobs.stack.processes import StackError
from jobs.stack.stack import Parts, Stack
from jobs.stack.waiting import WaitTimeoutError, wait_until

ROOT = Path(__file__).resolve().parents[2]
SETTINGS_PATH = ROOT / "conf" / "job.yaml"
AFTER_THE_LAST_MS = 2 * 3_600_000  # so that what time alone does to users after their last event is seen too
RUNNING_TIMEOUT_S = 180.0
RECOVERY_TIMEOUT_S = 300.0
DRAIN_TIMEOUT_S = 600.0
_OUTPUTS = ("changes", "memberships", "dead_letters", "late_events", "shadow_changes", "audit")


class RunError(RuntimeError):
    """The run cannot go on; the text says what happened to the job."""


@dataclass(frozen=True)
class RunOptions:
    """How the job runs and what is played to it; `settings` are further ones, as SEGMENTS__SECTION__KEY."""

    load: LoadOptions = field(default_factory=LoadOptions)
    delivery: str = "exactly_once"
    parallelism: int = 2
    shards: int = 16
    redis: bool = True
    state_backend: str = "rocksdb"
    checkpoint_interval: str = "2s"
    restart_delay: str = "500ms"  # for each restart: faults come faster here than any machine fails
    settings: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (str(ROOT / "jobs" / "segmentation.py"),)  # with the arguments it has besides

    def environment(self, stack: Stack, run: str) -> dict[str, str]:
        """Return the settings that differ from `conf/job.yaml`; event time is that of the events alone."""
        topics = {f"SEGMENTS__KAFKA__{name.upper()}_TOPIC": f"{name.replace('_', '-')}-{run}" for name in _OUTPUTS}
        return {
            "SEGMENTS__KAFKA__BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "SEGMENTS__KAFKA__EVENTS_TOPICS": f"[events-{run}]",
            "SEGMENTS__KAFKA__GROUP_ID": f"faults-{run}",
            "SEGMENTS__KAFKA__START_FROM": "earliest",
            "SEGMENTS__KAFKA__DELIVERY": self.delivery,
            "SEGMENTS__KAFKA__TRANSACTIONAL_ID_PREFIX": f"faults-{run}",
            "SEGMENTS__KAFKA__CONTROL_TOPIC": f"control-{run}",
            "SEGMENTS__KAFKA__INTERNAL_TOPIC": f"internal-{run}",
            **topics,
            "SEGMENTS__REDIS__ENABLED": str(self.redis).lower(),
            "SEGMENTS__REDIS__URL": stack.redis_url or "redis://127.0.0.1:1/0",
            "SEGMENTS__EVENT_TIME__FOLLOW_WALL_CLOCK": "false",
            "SEGMENTS__EVENT_TIME__IDLE_AFTER": "1h",
            "SEGMENTS__FLINK__PARALLELISM": str(self.parallelism),
            "SEGMENTS__FLINK__SHARDS": str(self.shards),
            "SEGMENTS__FLINK__STATE_BACKEND": self.state_backend,
            "SEGMENTS__FLINK__CHECKPOINT_INTERVAL": self.checkpoint_interval,
            "SEGMENTS__FLINK__RESTART_DELAY": self.restart_delay,
            "SEGMENTS__FLINK__RESTART_MAX_DELAY": self.restart_delay,
            "SEGMENTS__FLINK__RESTART_ATTEMPTS": "1000",
            **self.settings,
        }


@dataclass
class LiveRun:
    """A job that runs, and the load that is played to it."""

    stack: Stack
    settings: Settings
    job: str
    load: SteadyLoad

    @property
    def events_topic(self) -> str:
        """The topic that the load goes to."""
        return self.settings.kafka.events_topics[0]

    def check(self) -> None:
        """Raise RunError or LoadError when the job has ended or the load cannot go on."""
        self.load.check()
        state = self.stack.job_state(self.job)
        if state in FINAL_STATES:
            raise RunError(f"the job is {state}: {self.stack.rest.root_exception(self.job)[-4_000:]}")

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = RECOVERY_TIMEOUT_S) -> None:
        """Return once `condition()` holds; raises RunError, and WaitTimeoutError after `timeout` seconds.

        While a server is away its answer counts as "not yet".
        """

        def holds() -> bool:
            try:
                self.check()
                return condition()
            except (StackError, KafkaException, redis.RedisError):
                return False

        try:
            wait_until(holds, timeout, what)
        except WaitTimeoutError as error:
            raise WaitTimeoutError(f"{error}; the job says: {self._newest_failure()}") from None

    def await_sent(self, events: int, timeout: float = RECOVERY_TIMEOUT_S) -> None:
        """Return once so many events in all were played."""
        self.wait_for(lambda: self.load.sent >= events, f"{events} events to be played", timeout)

    def await_checkpoint(self, since: float | None = None, timeout: float = RECOVERY_TIMEOUT_S) -> None:
        """Return once a checkpoint has completed that began after `since` (s since 1970; default: now)."""
        begin = (time.time() if since is None else since) * 1_000
        self.wait_for(lambda: self.newest_checkpoint() >= begin, "a new checkpoint", timeout)

    def newest_checkpoint(self) -> int:
        """Return when the newest completed checkpoint began (ms since 1970); 0 when there is none."""
        return self.stack.rest.newest_checkpoint(self.job)

    def handled(self) -> int:
        """Return how many events the newest checkpoint covers, as the committed offsets say."""
        return sum(offset for _, offset in self._committed())

    def await_caught_up(self, timeout: float = DRAIN_TIMEOUT_S) -> None:
        """Return once a checkpoint covers all events that are in the topic."""
        self.wait_for(self._caught_up, "the job to catch up", timeout)

    def finish(self, timeout: float = DRAIN_TIMEOUT_S) -> int:
        """Stop the load, let the job handle all of it and what time does after it, and stop the job; return the events.

        The Redis server and the topics then hold all that the run led to.
        """
        sent = self.load.stop()
        end = (sent.event_time or 0) + AFTER_THE_LAST_MS
        heartbeat(self.stack.bootstrap_servers, self.events_topic, end)
        reached = end - self.settings.event_time.out_of_orderness - 1
        self.await_caught_up(timeout)
        self.wait_for(lambda: self.stack.rest.watermark(self.job) >= reached, "event time to come to its end", timeout)
        self.await_checkpoint(timeout=timeout)
        if self.settings.redis.enabled:
            self.wait_for(self._redis_is_whole, "Redis to have all", timeout)
        self.stack.stop_with_savepoint(self.job)
        return sent.sent

    def _redis_is_whole(self) -> bool:
        metric = self.stack.rest.segments_metric
        return metric(self.job, "redis_users_behind") == 0 and metric(self.job, "redis_away_s") == 0

    def _caught_up(self) -> bool:
        return all(offset == end for end, offset in self._committed())

    def _committed(self) -> list[tuple[int, int]]:
        """Return each partition's end and the group's committed offset."""
        kafka = self.settings.kafka
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": kafka.group_id, "log_level": 0})
        try:
            found = consumer.list_topics(self.events_topic, timeout=10.0).topics[self.events_topic]
            parts = [TopicPartition(self.events_topic, number) for number in found.partitions]
            committed = consumer.committed(parts, timeout=10.0)
            ends = [consumer.get_watermark_offsets(part, timeout=10.0)[1] for part in parts]
            return [(end, max(0, part.offset)) for end, part in zip(ends, committed, strict=True)]
        finally:
            consumer.close()

    def _newest_failure(self) -> str:
        try:
            return self.stack.rest.root_exception(self.job)[-2_000:] or "nothing"
        except (OSError, StackError) as error:
            return str(error)


@contextmanager
def own_stack(run: str, size: ClusterSize | None = None, *, high_availability: bool = True) -> Iterator[Stack]:
    """Start a stack; on the way out it ends, and its files are removed unless something went wrong."""
    parts = Parts(size=size or ClusterSize(task_managers=2), high_availability=high_availability)
    with Stack.start(ROOT, run, parts) as stack:
        yield stack
    shutil.rmtree(ROOT / ".local" / run, ignore_errors=True)


@contextmanager
def live_run(stack: Stack, options: RunOptions) -> Iterator[LiveRun]:
    """Submit the job with topics of its own and play to it; on the way out both are ended, whatever happened."""
    run = uuid.uuid4().hex[:8]
    environment = options.environment(stack, run)
    settings = load_settings(SETTINGS_PATH, environment)
    kafka = settings.kafka
    stack.create_topics([*kafka.events_topics, *kafka.output_topics], compacted=[kafka.memberships_topic])
    job = stack.submit(["-py", *options.program, "--settings", str(SETTINGS_PATH)], environment)
    try:
        with SteadyLoad(options.load, stack.bootstrap_servers, kafka.events_topics[0]) as load:
            made = LiveRun(stack, settings, job, load)
            made.wait_for(lambda: stack.rest.tasks_running(job), "all tasks to run", RUNNING_TIMEOUT_S)
            made.await_checkpoint()
            yield made
    finally:
        _cancel(stack, job)


def _cancel(stack: Stack, job: str) -> None:
    try:
        if stack.job_state(job) not in FINAL_STATES:
            stack.cancel(job)
    except (OSError, StackError):
        return  # a JobManager that is gone runs no job
