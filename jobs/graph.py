"""The job's graph: events -> segment function -> Kafka, with a name and a uid on every operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from pyflink.common import Configuration
from pyflink.datastream import CheckpointingMode, ExternalizedCheckpointRetention, StreamExecutionEnvironment

from jobs.facts import facts_of, to_parameters
from jobs.java_bridge import FRAME_TYPE, event_frames, kafka_sinks
from jobs.redis_access import watched_by
from jobs.settings import FlinkSettings, Settings
from segments.control import ControlRecord, Release, encode_control
from segments.history import first_release
from segments.population.rounds import LEAD
from udfs.function_options import FunctionOptions
from udfs.redis_link import RedisOptions
from udfs.segment_function import SegmentFunction

_DAY_MS = 86_400_000  # checkpoints may fail for so long: a storage that is full is no reason to stop
_KAFKA_PATIENCE = "600000"  # ms for which a Kafka that is away is waited for, before the job fails and starts anew
_ROCKSDB_OPTIONS = "io.flinksegments.bridge.LogStoreOptions"
_RECONNECT_EVERY = "10000"  # ms at most between two attempts: each is a line in the log


def environment(settings: Settings) -> StreamExecutionEnvironment:
    """Return an environment that runs the job as the settings say."""
    flink = settings.flink
    options = {
        "python.execution-mode": "process",
        "python.fn-execution.bundle.size": "1",  # a frame is a batch already; the bridge measures how long one takes
        "python.fn-execution.bundle.time": "1000",
        "python.state.cache-size": "1",  # state is read once: caching it would keep it twice
        "python.map-state.read-cache-size": "1",
        "python.map-state.write-cache-size": "64",
        "python.map-state.iterate-response-batch-size": "8",
        "pipeline.object-reuse": "true",
        "state.backend.type": flink.state_backend,
        "execution.checkpointing.incremental": "true",
        "execution.checkpointing.timeout": f"{settings.checkpoint_timeout} ms",
        "execution.checkpointing.tolerable-failed-checkpoints": str(_DAY_MS // flink.checkpoint_interval),
        **restart_options(flink),
    }
    if flink.state_backend == "rocksdb":
        options["state.backend.rocksdb.options-factory"] = _ROCKSDB_OPTIONS
    if flink.checkpoint_dir:
        options["execution.checkpointing.dir"] = flink.checkpoint_dir
    configuration = Configuration()
    for key, value in options.items():
        configuration.set_string(key, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(flink.parallelism)
    env.set_max_parallelism(flink.shards)
    env.enable_checkpointing(flink.checkpoint_interval, CheckpointingMode.EXACTLY_ONCE)
    env.get_config().set_global_job_parameters(to_parameters(facts_of(settings)))
    checkpoints = env.get_checkpoint_config()
    checkpoints.set_externalized_checkpoint_retention(ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION)
    return env


def restart_options(flink: FlinkSettings) -> dict[str, str]:
    """Return how Flink restarts the job: at once after a rare failure, ever more rarely when each start fails.

    >>> restart_options(FlinkSettings())["restart-strategy.exponential-delay.reset-backoff-threshold"]
    '120000 ms'
    """
    backoff = "restart-strategy.exponential-delay"
    return {
        "restart-strategy.type": "exponential-delay",
        f"{backoff}.attempts-before-reset-backoff": str(flink.restart_attempts),
        f"{backoff}.initial-backoff": f"{flink.restart_delay} ms",
        f"{backoff}.backoff-multiplier": "1.5",
        f"{backoff}.max-backoff": f"{flink.restart_max_delay} ms",
        f"{backoff}.reset-backoff-threshold": f"{flink.restart_forgiven_after} ms",
    }


def build(
    env: StreamExecutionEnvironment,
    settings: Settings,
    told: str | Iterable[ControlRecord],
    *,
    bounded: bool,
    trace: str | None = None,
) -> None:
    """Wire the job; `bounded` reads what is in the topics now and ends, and never looks at the wall clock.

    `told` is what it knows when it starts: the control topic's history, or definitions that always held.
    """
    frames = event_frames(env, source_options(settings, bounded=bounded))
    function = SegmentFunction(function_options(settings, told, trace, bounded=bounded))
    output = frames.process(function, FRAME_TYPE).name("segments").uid("segments")
    kafka_sinks(output, sink_options(settings))


def source_options(settings: Settings, *, bounded: bool) -> dict[str, str]:
    """Return the options of the Java source (SourceOptions.java)."""
    kafka, times, batching = settings.kafka, settings.event_time, settings.batching
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "topics": ",".join(kafka.events_topics),
        "group.id": kafka.group_id,
        "start": kafka.start_from,
        "bounded": _flag(bounded),
        **({} if bounded else {"control.topic": kafka.control_topic, "internal.topic": kafka.internal_topic}),
        "shards": str(settings.flink.shards),
        "max.event.bytes": str(batching.max_event_bytes),
        "max.ahead.ms": str(times.max_ahead),
        "max.age.ms": str(times.max_age),
        "out.of.orderness.ms": str(times.out_of_orderness),
        "idle.after.ms": "0" if bounded else str(times.idle_after),
        "follow.wall.clock": _flag(times.follow_wall_clock and not bounded),
        "batch.max.events": str(batching.max_events),
        "batch.max.bytes": str(batching.max_bytes),
        "batch.linger.min.ms": str(batching.min_linger),
        "batch.linger.max.ms": str(batching.max_linger),
        "consumer.default.api.timeout.ms": _KAFKA_PATIENCE,  # of the search for new partitions too, which fails the job
        "consumer.reconnect.backoff.max.ms": _RECONNECT_EVERY,
        **_prefixed("consumer.", kafka.consumer_properties),
    }


def sink_options(settings: Settings) -> dict[str, str]:
    """Return the options of the Java sinks (SinkOptions.java)."""
    kafka = settings.kafka
    changes, memberships, dead_letters, late_events, audit, shadow_changes = kafka.output_topics
    options = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "topic.changes": changes,
        "topic.memberships": memberships,
        "topic.dead.letters": dead_letters,
        "topic.late.events": late_events,
        "topic.audit": audit,
        "topic.shadow.changes": shadow_changes,
        "topic.control": kafka.control_topic,
        "topic.internal": kafka.internal_topic,
        "delivery.guarantee": kafka.delivery.replace("_", "-"),
        "producer.transaction.timeout.ms": str(kafka.transaction_timeout),
        "producer.max.request.size": str(16 * 1024 * 1024),
        "producer.linger.ms": "5",
        "producer.batch.size": str(128 * 1024),
        "producer.delivery.timeout.ms": _KAFKA_PATIENCE,
        "producer.max.block.ms": _KAFKA_PATIENCE,
        "producer.reconnect.backoff.max.ms": _RECONNECT_EVERY,
        **_prefixed("producer.", kafka.producer_properties),
    }
    if kafka.delivery == "exactly_once":
        options["transactional.id.prefix"] = kafka.transactional_id_prefix
    return options


def function_options(
    settings: Settings, told: str | Iterable[ControlRecord], trace: str | None = None, *, bounded: bool = False
) -> FunctionOptions:
    """Return what travels to the workers."""
    redis, times = settings.redis, settings.event_time
    records: Iterable[ControlRecord] = [first_release(told)] if isinstance(told, str) else told
    if bounded:
        records = map(_without_chunks, records)
    commits = 2 * settings.flink.checkpoint_interval if settings.kafka.delivery == "exactly_once" else 0
    return FunctionOptions(
        told=tuple(encode_control(record) for record in records),
        topics=tuple(settings.kafka.events_topics),
        control_topic=settings.kafka.control_topic,
        shards=settings.flink.shards,
        allowed_lateness=times.allowed_lateness,
        plausibility=settings.plausibility,
        redis=RedisOptions(redis.url.get_secret_value(), redis.ttl, redis.timeout, watched_by(redis))
        if redis.enabled
        else None,
        bounds_lead=None if bounded else LEAD + commits,
        max_failed_share=settings.errors.max_failed_share,
        model_folder=str(settings.scoring.cache_dir) if settings.scoring.cache_dir else None,
        trace=trace,
    )


def _without_chunks(record: ControlRecord) -> ControlRecord:
    """Return a record that waits for no chunks: a bounded run is told what it knows, and hears none."""
    return msgspec.structs.replace(record, filled=None) if isinstance(record, Release) else record


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _prefixed(prefix: str, properties: Mapping[str, object]) -> dict[str, str]:
    return {f"{prefix}{name}": _plain(value) for name, value in properties.items()}


def _plain(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal() if reveal else value)
