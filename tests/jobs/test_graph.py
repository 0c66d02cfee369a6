import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from jobs.graph import function_options, restart_options, sink_options, source_options
from jobs.settings import FlinkSettings, Settings
from segments.control import Filled, Release, decode_control, encode_control
from segments.history import first_release

JAVA = Path("jobs/bridge/src/main/java/io/flinksegments/bridge")


def settings(**sections: dict[str, Any]) -> Settings:
    return Settings.model_validate(sections)


def read_by_java(name: str) -> set[str]:
    """The options that a Java class asks for."""
    return set(re.findall(r'in\.\w+\(\s*"([\w.]+)"', (JAVA / name).read_text()))


def test_the_source_gets_every_option_it_asks_for_and_no_other() -> None:
    given = {name for name in source_options(settings(), bounded=False) if not name.startswith("consumer.")}
    assert given == read_by_java("SourceOptions.java") - {"start.timestamp.ms", "consumer."}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_the_sinks_get_every_option_they_ask_for_and_no_other(delivery: str) -> None:
    given = {name for name in sink_options(settings(kafka={"delivery": delivery})) if not name.startswith("producer.")}
    needed = read_by_java("SinkOptions.java") - {"producer."}
    assert given == (needed if delivery == "exactly_once" else needed - {"transactional.id.prefix"})


def test_the_shipped_settings_say_what_java_is_told() -> None:
    given = source_options(settings(), bounded=False)
    assert given["topics"] == "events"
    assert given["start"] == "committed"
    assert given["out.of.orderness.ms"] == "5000"
    assert given["max.event.bytes"] == "1048576"
    assert given["follow.wall.clock"] == "true"
    assert sink_options(settings())["delivery.guarantee"] == "at-least-once"


def test_brokers_that_are_away_are_waited_for_unless_told_otherwise() -> None:
    patience = {"producer.delivery.timeout.ms", "producer.max.block.ms"}
    assert {sink_options(settings())[name] for name in patience} == {"600000"}
    assert source_options(settings(), bounded=False)["consumer.default.api.timeout.ms"] == "600000"
    shorter = settings(kafka={"producer_properties": {"delivery.timeout.ms": "60000"}})
    assert sink_options(shorter)["producer.delivery.timeout.ms"] == "60000"


def test_a_rare_failure_restarts_at_once_and_one_at_each_start_ever_more_rarely() -> None:
    """Flink's own rule: a pause is 1.5 times the last, the first one again after a time without a failure."""
    given = {name.rpartition(".")[2]: value for name, value in restart_options(FlinkSettings()).items()}
    first, longest = (int(given[name].removesuffix(" ms")) for name in ("initial-backoff", "max-backoff"))
    pauses = [
        min(first * float(given["backoff-multiplier"]) ** number, longest)
        for number in range(int(given["attempts-before-reset-backoff"]))
    ]
    assert (pauses[0], pauses[-1]) == (2_000, 60_000)
    assert 45 < sum(pauses) / 60_000 < 75, "gives up after about an hour, in minutes"
    assert given["reset-backoff-threshold"] == "120000 ms"


def test_a_bounded_run_never_looks_at_the_wall_clock() -> None:
    given = source_options(settings(), bounded=True)
    assert (given["bounded"], given["follow.wall.clock"], given["idle.after.ms"]) == ("true", "false", "0")
    assert "control.topic" not in given


def test_several_topics_keep_their_order() -> None:
    several = settings(kafka={"events_topics": ["web", "app"]})
    assert source_options(several, bounded=False)["topics"] == "web,app"
    assert function_options(several, "").topics == ("web", "app")


def test_kafka_properties_reach_the_client_in_clear() -> None:
    kafka = {
        "client_properties": {"security.protocol": "SASL_SSL", "sasl.jaas.config": "user='u' password='p'"},
        "producer_properties": {"sasl.jaas.config": "user='w' password='q'", "linger.ms": 20},
    }
    read = source_options(settings(kafka=kafka), bounded=False)
    assert read["consumer.sasl.jaas.config"] == "user='u' password='p'"
    given = sink_options(settings(kafka=kafka))
    assert given["producer.sasl.jaas.config"] == "user='w' password='q'"
    assert given["producer.security.protocol"] == read["consumer.security.protocol"] == "SASL_SSL"
    assert given["producer.linger.ms"] == "20"


def test_transactions_get_their_own_prefix_and_timeout() -> None:
    kafka = {"delivery": "exactly_once", "transactional_id_prefix": "mine", "transaction_timeout": "1m"}
    given = sink_options(settings(kafka=kafka))
    assert given["delivery.guarantee"] == "exactly-once"
    assert given["transactional.id.prefix"] == "mine"
    assert given["producer.transaction.timeout.ms"] == "60000"


def test_the_function_gets_what_it_needs_and_can_travel() -> None:
    given = function_options(settings(event_time={"allowed_lateness": "2h"}, flink={"shards": 8}), "segments: []", "/t")
    assert (given.told, given.shards, given.allowed_lateness, given.trace) == (
        (encode_control(first_release("segments: []")),),
        8,
        7_200_000,
        "/t",
    )
    assert given.redis is not None
    assert given.redis.url == "redis://localhost:6379/0"
    assert pickle.loads(pickle.dumps(given)) == given  # noqa: S301 - our own bytes


def test_redis_can_be_left_out() -> None:
    assert function_options(settings(redis={"enabled": False}), "").redis is None


def test_a_bounded_run_waits_for_no_chunks() -> None:
    completing = Release(3, 9, "segments: []", action="backfill", filled=Filled(2, 1, 5, 0, (1,), 1))
    told = [Release(1, 0, "segments: []"), completing]
    running, bounded = (function_options(settings(), told, bounded=each).told for each in (False, True))
    assert decode_control(running[1]) == completing
    assert decode_control(bounded[1]) == Release(3, 9, "segments: []", action="backfill")
