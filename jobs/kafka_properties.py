"""Kafka properties, written for the job's Java client, as options of kafka-python and of librdkafka."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from jobs.settings import SettingsError
from jobs.settings_types import plain_properties

_SAME = frozenset(
    {
        "client.id", "client.rack", "connections.max.idle.ms", "fetch.max.bytes", "fetch.max.wait.ms",
        "fetch.min.bytes", "isolation.level", "max.partition.fetch.bytes", "metadata.max.age.ms",
        "receive.buffer.bytes", "reconnect.backoff.max.ms", "reconnect.backoff.ms", "request.timeout.ms",
        "retry.backoff.ms", "sasl.kerberos.service.name", "sasl.mechanism", "security.protocol",
        "send.buffer.bytes",
    }
)  # fmt: skip
_HANDLED = frozenset(
    {
        "sasl.jaas.config", "ssl.endpoint.identification.algorithm", "ssl.key.password", "ssl.keystore.location",
        "ssl.keystore.type", "ssl.truststore.location", "ssl.truststore.type",
    }
)  # fmt: skip
_HARMLESS = frozenset({"ssl.enabled.protocols", "ssl.protocol", "ssl.provider"})  # Python's defaults are as strict
_SECURITY = ("sasl.", "security.", "ssl.")
_LIBRDKAFKA = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
}
_PASSWORDS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_JAAS = re.compile(r"""\b(username|password)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;]+))""")


def consumer_options(properties: Mapping[str, str | SecretStr]) -> dict[str, Any]:
    """Return what kafka-python's consumer takes for these properties; what only tunes a Java client is left out.

    Raises SettingsError for security that kafka-python cannot do; it names the property and what to write instead.

    >>> consumer_options({"security.protocol": "SASL_SSL", "fetch.min.bytes": "1", "group.protocol": "consumer"})
    {'security_protocol': 'SASL_SSL', 'fetch_min_bytes': 1}
    """
    plain = plain_properties(dict(properties))
    options: dict[str, Any] = {}
    for name, value in plain.items():
        if name in _SAME:
            options[name.replace(".", "_")] = int(value) if value.lstrip("-").isdigit() else value
        elif name.startswith(_SECURITY) and name not in _HANDLED and name not in _HARMLESS:
            raise _refused(name, "it is not understood here; commands that read Kafka take PEM files and passwords")
    return options | _sasl(plain) | _ssl(plain)


def security(properties: Mapping[str, str | SecretStr]) -> dict[str, Any]:
    """Return those of the settings' properties by which a client proves who it is, as kafka-python names them."""
    options = consumer_options(properties)
    return {name: value for name, value in options.items() if name.startswith(("security_", "sasl_", "ssl_"))}


def _sasl(plain: Mapping[str, str]) -> dict[str, str]:
    mechanism = plain.get("sasl.mechanism", "GSSAPI" if plain.get("security.protocol", "").startswith("SASL") else "")
    if mechanism not in _PASSWORDS:
        if mechanism not in {"", "GSSAPI"}:
            raise _refused("sasl.mechanism", f"{mechanism} is not among {', '.join(sorted(_PASSWORDS))}, GSSAPI")
        return {}
    found = {name: next(filter(None, texts), "") for name, *texts in _JAAS.findall(plain.get("sasl.jaas.config", ""))}
    if found.keys() != {"username", "password"}:
        raise _refused("sasl.jaas.config", f'{mechanism} needs username="..." and password="..." there')
    said = {name: re.sub(r"\\(.)", r"\1", text) for name, text in found.items()}
    return {"sasl_plain_username": said["username"], "sasl_plain_password": said["password"]}


def _ssl(plain: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "ssl.truststore.location" in plain:
        options["ssl_cafile"] = _pem(plain, "ssl.truststore")
    if "ssl.keystore.location" in plain:
        options["ssl_certfile"] = options["ssl_keyfile"] = _pem(plain, "ssl.keystore")
    if "ssl.key.password" in plain:
        options["ssl_password"] = plain["ssl.key.password"]
    if plain.get("ssl.endpoint.identification.algorithm") == "":
        options["ssl_check_hostname"] = False
    return options


def _pem(plain: Mapping[str, str], store: str) -> str:
    if plain.get(f"{store}.type", "JKS").upper() != "PEM":
        raise _refused(
            f"{store}.location",
            f"Python reads PEM only: convert it (keytool, openssl) and set {store}.type: PEM, which Flink reads too",
        )
    path = plain[f"{store}.location"]
    if not Path(path).is_file():
        raise _refused(f"{store}.location", f"there is no file {path}")
    return path


def librdkafka_options(properties: Mapping[str, str | SecretStr]) -> dict[str, str]:
    """Return the security among these properties as librdkafka names it; raises SettingsError as `consumer_options`.

    >>> librdkafka_options({"security.protocol": "SSL", "ssl.endpoint.identification.algorithm": ""})
    {'security.protocol': 'SSL', 'ssl.endpoint.identification.algorithm': 'none'}
    """
    options = consumer_options(properties)
    named = {_LIBRDKAFKA[name]: str(value) for name, value in options.items() if name in _LIBRDKAFKA}
    unchecked = {} if options.get("ssl_check_hostname", True) else {"ssl.endpoint.identification.algorithm": "none"}
    return named | unchecked


def _refused(name: str, why: str) -> SettingsError:
    return SettingsError(f"Kafka properties in the settings: {name}: {why}")
