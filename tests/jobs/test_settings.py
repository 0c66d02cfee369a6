from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from jobs.settings import Settings, SettingsError, load_settings
from jobs.settings_types import parse_size, plain_properties

SHIPPED = Path("conf/job.yaml")


@pytest.fixture
def job_yaml(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text("")
    return path


def errors_of(path: Path, text: str = "", **environment: str) -> str:
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environment)
    return str(caught.value)


def test_shipped_file_shows_every_key_with_its_default() -> None:
    shipped = load_settings(SHIPPED, {})
    assert shipped.model_copy(update={"definitions": Settings().definitions}) == Settings()
    assert keys_of(yaml.safe_load(SHIPPED.read_text())) == keys_of(Settings().model_dump())


def test_shipped_file_explains_every_key() -> None:
    for line in SHIPPED.read_text().splitlines():
        assert not line.startswith("  ") or "#" in line, f"no comment: {line}"


def keys_of(values: dict[str, dict[str, object]]) -> set[tuple[str, str]]:
    return {(section, key) for section, entries in values.items() for key in entries}


def test_empty_file_gives_the_defaults(job_yaml: Path) -> None:
    assert load_settings(job_yaml, {}).kafka == Settings().kafka


def test_values_have_units(job_yaml: Path) -> None:
    job_yaml.write_text("event_time: {allowed_lateness: 1h30m}\nbatching: {max_bytes: 2MiB}")
    settings = load_settings(job_yaml, {})
    assert settings.event_time.allowed_lateness == 5_400_000
    assert settings.batching.max_bytes == 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "text", "section", "key", "value"),
    [
        ("SEGMENTS__KAFKA__BOOTSTRAP_SERVERS", "broker:1", "kafka", "bootstrap_servers", "broker:1"),
        ("SEGMENTS__KAFKA__EVENTS_TOPICS", "[web, app]", "kafka", "events_topics", ["web", "app"]),
        ("SEGMENTS__REDIS__ENABLED", "false", "redis", "enabled", False),
        ("SEGMENTS__FLINK__SHARDS", "64", "flink", "shards", 64),
        ("SEGMENTS__FLINK__CHECKPOINT_INTERVAL", "500ms", "flink", "checkpoint_interval", 500),
        ("SEGMENTS__FLINK__CHECKPOINT_DIR", "null", "flink", "checkpoint_dir", None),
    ],
)
def test_environment_overrides_the_file(
    job_yaml: Path, name: str, text: str, section: str, key: str, value: object
) -> None:
    job_yaml.write_text("kafka: {bootstrap_servers: file:1}\nflink: {shards: 32}")
    assert getattr(getattr(load_settings(job_yaml, {name: text}), section), key) == value


def test_definitions_are_found_beside_the_file(job_yaml: Path) -> None:
    assert load_settings(job_yaml, {}).definitions.path == job_yaml.parent / "segments.yaml"
    absolute = {"SEGMENTS__DEFINITIONS__PATH": "/etc/segments.yaml"}
    assert load_settings(job_yaml, absolute).definitions.path == Path("/etc/segments.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka:\n  bootstrap_server: x", "job.yaml:2: kafka.bootstrap_server: there is no such key; did you mean 'bo"),
        ("kafak: {}", "job.yaml:1: kafak: there is no such key; did you mean 'kafka'?"),
        ("zzz: 1", "known are: kafka, redis, event_time"),
        ("kafka:\n  delivery: twice", "job.yaml:2: kafka.delivery: Input should be 'at_least_once' or 'exactly_once'"),
        ("kafka:\n  delivery: twice", "found 'twice'"),
        ("event_time: {idle_after: 5}", "expected a duration with its unit, such as 500ms, 5s"),
        ("event_time: {idle_after: -1s}", "'-1s' is no duration"),
        ("batching: {max_bytes: many}", "expected a size such as 512KiB"),
        ("batching: {min_linger: 1s}", "batching: min_linger must not be longer than max_linger"),
        ("flink: {shards: 1}", "flink: shards (1) must not be fewer than parallelism (2)"),
        ("flink: {restart_delay: 2m}", "flink: restart_delay must not be longer than restart_max_delay"),
        ("kafka: {changes_topic: events}", "used twice: events"),
        ("kafka: {events_topics: []}", "at least 1 item"),
        ("kafka: {events_topics: [a b]}", "kafka.events_topics.0"),
        ("redis: {url: localhost}", "expected an address such as redis://host:6379/0"),
        (
            "kafka: {delivery: exactly_once, transaction_timeout: 49s}",
            "from one flink.checkpoint_interval (10s) to the next",
        ),
        ("kafka: {delivery: exactly_once, transaction_timeout: 49s}", "it needs at least 50s"),
        ("kafka: 7", "job.yaml:1: kafka: Input should be a valid dictionary"),
        ("- a", "expected sections such as 'kafka:'"),
        ("a: [", "not valid YAML"),
    ],
)
def test_errors_say_where_and_what(job_yaml: Path, text: str, expected: str) -> None:
    assert expected in errors_of(job_yaml, text)


def test_all_errors_come_at_once(job_yaml: Path) -> None:
    assert len(errors_of(job_yaml, "kafka: {delivery: x}\nflink: {parallelism: 0}\nredis: {tll: 1s}").splitlines()) == 3


def test_errors_name_the_variable(job_yaml: Path) -> None:
    assert "environment variable SEGMENTS__FLINK__SHARDS: flink.shards" in errors_of(
        job_yaml, SEGMENTS__FLINK__SHARDS="x"
    )
    assert "SEGMENTS__FLNK__SHARDS" in errors_of(job_yaml, SEGMENTS__FLNK__SHARDS="1")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml", {})


def test_secrets_are_never_shown(job_yaml: Path) -> None:
    job_yaml.write_text(
        "redis: {url: 'redis://me:hush@host:1/0'}\n"
        "kafka: {client_properties: {security.protocol: SSL, ssl.key.password: hush, acks: 1,"
        " enable.idempotence: true}}"
    )
    settings = load_settings(job_yaml, {})
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.redis.display_url == "redis://host:1/0"
    assert plain_properties(settings.kafka.consumer_properties) == {
        "security.protocol": "SSL",
        "ssl.key.password": "hush",
        "acks": "1",
        "enable.idempotence": "true",
    }


def test_secrets_are_not_in_errors(job_yaml: Path) -> None:
    assert "hush" not in errors_of(job_yaml, "redis: {url: 'http://me:hush@host'}")
    assert "hush" not in errors_of(job_yaml, "kafka: {delivery: x, consumer_properties: {sasl.jaas.config: hush}}")


@pytest.mark.parametrize("text", ["redis: hush", "kafka: {consumer_properties: hush}", "redis: {url: 'hush"])
def test_misplaced_secrets_are_not_in_errors(job_yaml: Path, text: str) -> None:
    assert "hush" not in errors_of(job_yaml, text)


def test_an_empty_section_is_the_default(job_yaml: Path) -> None:
    job_yaml.write_text("kafka:\n")
    assert load_settings(job_yaml, {}).kafka == Settings().kafka


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().kafka.group_id = "other"  # type: ignore[misc]  # what this test shows


@pytest.mark.parametrize(("text", "expected"), [("1B", 1), ("1.5KiB", 1536), ("2GB", 2_000_000_000)])
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


def test_every_section_forbids_unknown_keys() -> None:
    for field in Settings.model_fields.values():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        assert field.annotation.model_config["extra"] == "forbid"
