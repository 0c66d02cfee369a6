"""Properties for Java's client reach kafka-python, or are refused by name: never left out in silence."""

from pathlib import Path

import pytest
from kafka import KafkaConsumer

from jobs.kafka_properties import consumer_options, librdkafka_options
from jobs.settings import KafkaSettings, SettingsError
from jobs.topics import TopicReader

SCRAM = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.jaas.config": 'o.a.k.ScramLoginModule required username="u" password="a\\"b";',
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": "/ca.pem",
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": "/client.pem",
    "ssl.key.password": "hush",
    "ssl.endpoint.identification.algorithm": "",
}


def test_passwords_and_certificates(tmp_path: Path) -> None:
    authority, own = tmp_path / "ca.pem", tmp_path / "client.pem"
    for path in (authority, own):
        path.write_text("")
    given = {**SCRAM, "ssl.truststore.location": str(authority), "ssl.keystore.location": str(own)}
    properties = KafkaSettings.model_validate({"client_properties": given}).consumer_properties
    options = consumer_options(properties)
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "u",
        "sasl_plain_password": 'a"b',
        "ssl_cafile": str(authority),
        "ssl_certfile": str(own),
        "ssl_keyfile": str(own),
        "ssl_password": "hush",
        "ssl_check_hostname": False,
    }
    assert options.keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()
    assert librdkafka_options(properties) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": 'a"b',
        "ssl.ca.location": str(authority),
        "ssl.certificate.location": str(own),
        "ssl.key.location": str(own),
        "ssl.key.password": "hush",
        "ssl.endpoint.identification.algorithm": "none",
    }


@pytest.mark.parametrize(
    "jaas",
    ["X required username=u password=p;", "X required password='p' username='u';", 'X username = "u" password="p"'],
)
def test_all_ways_to_write_a_password(jaas: str) -> None:
    options = consumer_options({"sasl.mechanism": "PLAIN", "sasl.jaas.config": jaas})
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("u", "p")


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"ssl.truststore.location": "/ca.jks"}, "ssl.truststore.location: Python reads PEM only"),
        ({"ssl.truststore.location": "/no.pem", "ssl.truststore.type": "PEM"}, "there is no file /no.pem"),
        ({"sasl.mechanism": "OAUTHBEARER"}, "sasl.mechanism: OAUTHBEARER"),
        ({"sasl.mechanism": "PLAIN", "sasl.jaas.config": "hush"}, "sasl.jaas.config: PLAIN needs"),
        ({"ssl.truststore.certificates": "x"}, "ssl.truststore.certificates: it is not understood"),
    ],
)
def test_security_that_cannot_be_done_is_refused_by_name(properties: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        consumer_options(properties)
    assert "hush" not in str(refused.value)


def test_a_reader_connects_with_the_properties(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}

    class Consumer:
        def __init__(self, **options: object) -> None:
            given.update(options)

        def assign(self, _: object) -> None: ...

        def seek_to_beginning(self, *_: object) -> None: ...

    monkeypatch.setattr("jobs.topics.KafkaConsumer", Consumer)
    properties = {"security.protocol": "SSL", "isolation.level": "read_uncommitted", "max.partition.fetch.bytes": "9"}
    TopicReader("kafka:1", [], committed_only=True, properties=properties)
    assert given["security_protocol"] == "SSL"
    assert given["max_partition_fetch_bytes"] == 9
    assert given["isolation_level"] == "read_committed"
