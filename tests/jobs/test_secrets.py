"""Passwords come from the environment or from files, reach every client, and are never used or shown in the clear."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.kafka_properties import consumer_options, librdkafka_options
from jobs.settings import Settings, SettingsError, load_settings

SASL = "client_properties: {security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512}"


@pytest.fixture
def job_yaml(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text("")
    return path


def loaded(path: Path, text: str, **environment: str) -> Settings:
    path.write_text(text)
    return load_settings(path, environment)


def refused(path: Path, text: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(path, text, **environment)
    assert "hush" not in str(caught.value)
    return str(caught.value)


def mounted(folder: Path, content: bytes) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    return str(path)


def test_user_and_password_reach_every_client_of_kafka(job_yaml: Path) -> None:
    secret = mounted(job_yaml.parent, b'hu"s\\h\r\n')
    kafka = loaded(job_yaml, f"kafka: {{user: me, {SASL}}}", SEGMENTS__KAFKA__PASSWORD_FILE=secret).kafka
    for properties in (kafka.consumer_properties, kafka.producer_properties):
        options = consumer_options(properties)
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("me", 'hu"s\\h')
        assert options["security_protocol"] == "SASL_SSL"
        assert librdkafka_options(properties)["sasl.password"] == 'hu"s\\h'


def test_a_client_may_have_properties_on_top(job_yaml: Path) -> None:
    text = "kafka: {client_properties: {client.id: all, linger.ms: 1}, producer_properties: {linger.ms: 7}}"
    kafka = loaded(job_yaml, text).kafka
    assert kafka.consumer_properties == {"client.id": "all", "linger.ms": "1"}
    assert kafka.producer_properties == {"client.id": "all", "linger.ms": "7"}


@pytest.mark.parametrize(
    ("kafka", "said"),
    [
        ("client_properties: {ssl.truststore.location: /ca.pem}", "write security.protocol: SSL"),
        (
            "client_properties: {security.protocol: SSL, sasl.mechanism: PLAIN}",
            "sasl.mechanism is set, but security.protocol is SSL, which makes no use of it",
        ),
        (
            "client_properties: {security.protocol: SASL_PLAINTEXT, ssl.truststore.location: /ca.pem}",
            "write security.protocol: SASL_SSL",
        ),
        ("client_properties: {security.protocol: TLS}", "must be one of PLAINTEXT, SSL"),
        ("consumer_properties: {security.protocol: SSL}", "different security.protocol: put it into client_properties"),
        ("user: me", "user and password come together"),
        ("user: me, password: hush", "sasl.mechanism: one of PLAIN"),
        (f"user: me, password: hush, {SASL[:-1]}, sasl.jaas.config: hush}}", "keep one of them"),
        ("password: 0123", "put it in quotes"),
        ("client_properties: {security.protocol: SSL, ssl.key.password: 0123}", "put it in quotes"),
    ],
)
def test_nothing_falls_back_to_plain_text(job_yaml: Path, kafka: str, said: str) -> None:
    assert said in refused(job_yaml, f"kafka: {{{kafka}}}")


def test_a_secret_in_the_file_of_settings_may_be_a_file(job_yaml: Path) -> None:
    secret = mounted(job_yaml.parent, b"redis://:hush@cache:1/2\n")
    assert (
        loaded(job_yaml, f"redis: {{url: 'file:{secret}'}}").redis.url.get_secret_value() == "redis://:hush@cache:1/2"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is no text"), (b"hush" * 20_000, "is larger than")],
)
def test_a_mounted_secret_that_cannot_be_one_is_named(job_yaml: Path, content: bytes, said: str) -> None:
    secret = mounted(job_yaml.parent, content)
    assert f"SEGMENTS__REDIS__PASSWORD_FILE: the secret in {secret} {said}" in refused(
        job_yaml, "", SEGMENTS__REDIS__PASSWORD_FILE=secret
    )


def test_a_missing_or_doubled_secret_is_named(job_yaml: Path) -> None:
    missing = {"SEGMENTS__REDIS__PASSWORD_FILE": "/nowhere"}
    assert "cannot read the secret in /nowhere" in refused(job_yaml, "", **missing)
    assert "named by its whole path" in refused(job_yaml, "redis: {password: 'file:secret'}")
    both = {"SEGMENTS__REDIS__PASSWORD": "hush", "SEGMENTS__REDIS__PASSWORD_FILE": "/nowhere"}
    assert "are both set" in refused(job_yaml, "", **both)


def test_passwords_of_digits_stay_what_they_are(job_yaml: Path) -> None:
    digits = {"SEGMENTS__REDIS__PASSWORD": "0123"}
    redis = loaded(job_yaml, "", **digits).redis
    assert redis.url.get_secret_value() == "redis://:0123@localhost:6379/0"


def test_redis_gets_its_login_and_its_authority(job_yaml: Path) -> None:
    files = "tls_ca: /ca.pem, tls_certificate: /c, tls_key: /k"
    redis = loaded(job_yaml, f"redis: {{url: 'rediss://cache:1/2', user: app, password: 'p@/?#:', {files}}}").redis
    assert redis.url.get_secret_value() == (
        "rediss://app:p%40%2F%3F%23%3A@cache:1/2"
        "?ssl_check_hostname=true&ssl_ca_certs=%2Fca.pem&ssl_certfile=%2Fc&ssl_keyfile=%2Fk"
    )
    assert redis.display_url == "rediss://cache:1/2"


def test_redis_compares_the_name_unless_told_otherwise(job_yaml: Path) -> None:
    url = loaded(job_yaml, "redis: {url: 'rediss://cache?ssl_check_hostname=false'}").redis.url.get_secret_value()
    assert url == "rediss://cache?ssl_check_hostname=false"


@pytest.mark.parametrize(
    ("redis", "said"),
    [
        ("tls_ca: /ca.pem", "the url begins with redis://: write rediss://"),
        ("user: me", "user needs password"),
        ("url: 'redis://u:hush@h', password: hush", "keep one of them"),
    ],
)
def test_redis_settings_that_contradict_each_other(job_yaml: Path, redis: str, said: str) -> None:
    assert said in refused(job_yaml, f"redis: {{{redis}}}")


def test_no_password_on_a_command_line() -> None:
    done = CliRunner().invoke(app, ["reconcile", "--redis-url", "redis://me:hush@host"])
    assert done.exit_code == 2
    assert "SEGMENTS__REDIS__PASSWORD_FILE" in done.output
    assert "hush" not in done.output
