"""What all definition models are made of: the base class, durations, names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from segments.calendar import Period
from segments.durations import parse_duration


def read_duration(value: object) -> int:
    """Return the milliseconds of a duration as it stands in a definitions file; raises ValueError.

    >>> read_duration("10m")
    600000
    """
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"write a duration with its unit, for example 30s, 10m, 24h or 7d, not {value!r}")


def read_window(value: object) -> int | Period:
    """Return what a window's length is in a definitions file: milliseconds, or a period; raises ValueError.

    >>> read_window("1m"), read_window("this_month")
    (60000, <Period.THIS_MONTH: 'this_month'>)
    """
    if isinstance(value, str) and value in _PERIODS:
        return Period(value)
    try:
        return read_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; or a period: {', '.join(_PERIODS)}") from None


_PERIODS = tuple(map(str, Period))
_DURATION_SCHEMA = {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$"}
Duration = Annotated[int, BeforeValidator(read_duration), WithJsonSchema(_DURATION_SCHEMA)]
Window = Annotated[
    int | Period,
    BeforeValidator(read_window),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"enum": list(_PERIODS)}]}),
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[str, Field(min_length=1)]
Backfill = Literal["replay", "from_now"]  # what a new aggregate begins with: recorded events, or what is known


class Model(BaseModel):
    """Base of all definition models: immutable, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
