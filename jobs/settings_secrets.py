"""Secrets in settings: from a file that was mounted, never shown; and how they become what clients take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

FILE = "file:"
MAX_BYTES = 65_536
LOGINS = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
Properties = Mapping[str, str | SecretStr]


def read_secret(path: Path) -> str:
    r"""Return a mounted secret without the line's end that editors add; raises ValueError that says what is wrong.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "password").write_text("hush\n")
    ...     read_secret(Path(folder) / "password")
    'hush'
    """
    if not path.is_absolute():
        raise ValueError(f"the file of a secret is named by its whole path, such as {FILE}/run/secrets/{path.name}")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read the secret in {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the secret in {path} is no text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(content) > MAX_BYTES:
        raise ValueError(f"the secret in {path} is {'empty' if not text else f'larger than {MAX_BYTES} bytes'}")
    return text


def to_secret(value: object) -> object:
    """Return a secret given as text or as `file:/path`; raises ValueError, which never shows the value."""
    if value is None or isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise ValueError("expected a text: put it in quotes, or YAML changes a password such as 0123")
    return SecretStr(read_secret(Path(value.removeprefix(FILE))) if value.startswith(FILE) else value)


def with_login(properties: Properties, user: str | None, password: SecretStr | None) -> dict[str, str | SecretStr]:
    r"""Return Kafka properties that log in with user and password; raises ValueError where that cannot be.

    >>> found = with_login({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, "u", SecretStr('a"b'))
    >>> found["sasl.jaas.config"].get_secret_value()
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="a\\"b";'
    """
    if (user is None) != (password is None):
        raise ValueError("user and password come together")
    if user is None or password is None:
        return dict(properties)
    mechanism = str(properties.get("sasl.mechanism", ""))
    if mechanism not in LOGINS:
        raise ValueError(f"user and password need client_properties with sasl.mechanism: one of {', '.join(LOGINS)}")
    if "sasl.jaas.config" in properties:
        raise ValueError("user and password are given, and sasl.jaas.config too: keep one of them")
    said = f"username={_quoted(user)} password={_quoted(password.get_secret_value())}"
    return {**properties, "sasl.jaas.config": SecretStr(f"{LOGINS[mechanism]} required {said};")}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def check_protocol(properties: Properties, where: str) -> str:
    """Return the security protocol; raises ValueError when what is set would go unused and the connection be plain."""
    protocol = str(properties.get("security.protocol", "PLAINTEXT"))
    if protocol not in PROTOCOLS:
        raise ValueError(f"{where}: security.protocol must be one of {', '.join(PROTOCOLS)}")
    for prefix, wanted in (("ssl.", "SSL"), ("sasl.", "SASL")):
        unused = next((name for name in properties if name.startswith(prefix)), None)
        if unused is not None and wanted not in protocol.split("_"):
            better = "SASL_SSL" if "SASL" in f"{wanted}_{protocol}" else "SSL"
            raise ValueError(
                f"{where}: {unused} is set, but security.protocol is {protocol}, which makes no use of it:"
                f" write security.protocol: {better}"
            )
    return protocol


def redis_address(
    url: SecretStr, user: str | None, password: SecretStr | None, files: Mapping[str, Path | None]
) -> SecretStr:
    """Return an address with everything that a client needs in it; raises ValueError where TLS would go unused.

    >>> files = {"ssl_ca_certs": Path("/ca.pem"), "ssl_keyfile": None}
    >>> redis_address(SecretStr("rediss://cache:6379/0"), "app", SecretStr("p@ss"), files).get_secret_value()
    'rediss://app:p%40ss@cache:6379/0?ssl_check_hostname=true&ssl_ca_certs=%2Fca.pem'
    """
    parts = urlsplit(url.get_secret_value())
    given = {name: str(path) for name, path in files.items() if path is not None}
    if given and parts.scheme != "rediss":
        raise ValueError(f"a TLS file is set, but the url begins with {parts.scheme}://: write rediss://")
    if user is not None and password is None:
        raise ValueError("user needs password")
    if password is not None:
        if "@" in parts.netloc:
            raise ValueError("password is given, and the url has one too: keep one of them")
        login = f"{quote(user or '', safe='')}:{quote(password.get_secret_value(), safe='')}@"
        parts = parts._replace(netloc=login + parts.netloc)
    if parts.scheme == "rediss":
        # redis-py does not compare the host's name with the certificate unless it is told to
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        parts = parts._replace(query=urlencode({"ssl_check_hostname": "true", **given, **asked}))
    return SecretStr(urlunsplit(parts))
