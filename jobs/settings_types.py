"""The kinds of values in the settings: durations, sizes and properties with secrets among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from jobs.settings_secrets import to_secret
from segments.durations import parse_duration

SIZE_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1_000, "MB": 1_000**2, "GB": 1_000**3}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMG]i?B|B)")
SECRET_KEY = re.compile(r"password|secret|jaas|token|private|\.key$|credential", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the bytes that `text` names; raises `ValueError` when it is no size.

    >>> parse_size("1MiB"), parse_size("512 kB")
    (1048576, 512000)
    """
    match = SIZE.fullmatch(text.strip())
    if match is None or match[2] not in SIZE_UNITS:
        raise ValueError(f"expected a size such as 512KiB, 1MiB or 2MB, found '{text}'")
    return int(float(match[1]) * SIZE_UNITS[match[2]])


def is_secret(key: str) -> bool:
    """Tell whether a property or key of this name holds something that must not be shown."""
    return SECRET_KEY.search(key) is not None


def text_of(value: object, metadata: Iterable[object]) -> str | None:
    """Return a duration or size as a setting is written, by the annotations of its field; None for other kinds.

    >>> from typing import get_args
    >>> text_of(5_000, get_args(Milliseconds)[1:]), text_of(2_048, get_args(Bytes)[1:]), text_of(4, ())
    ('5000ms', '2048B', None)
    """
    parsers = {each.func for each in metadata if isinstance(each, BeforeValidator)}
    return f"{value}ms" if _to_milliseconds in parsers else f"{value}B" if _to_bytes in parsers else None


def plain_properties(properties: dict[str, str | SecretStr]) -> dict[str, str]:
    """Return the properties with their secrets in clear, to hand to a client library."""
    return {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in properties.items()
    }


def _to_milliseconds(value: object) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("expected a duration with its unit, such as 500ms, 5s, 10m or 1h30m")


def _to_bytes(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError("expected a size with its unit, such as 512KiB or 1MiB")


def _to_properties(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError("expected a mapping from property names to values")
    return {str(key): _to_property(str(key), entry) for key, entry in value.items()}


def _to_property(key: str, value: object) -> object:
    if is_secret(key):
        return to_secret(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


Milliseconds = Annotated[int, BeforeValidator(_to_milliseconds), Field(gt=0)]
Bytes = Annotated[int, BeforeValidator(_to_bytes), Field(gt=0)]
Secret = Annotated[SecretStr, BeforeValidator(to_secret)]
Properties = Annotated[dict[str, str | SecretStr], BeforeValidator(_to_properties)]
