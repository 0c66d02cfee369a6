"""What all definition models are made of: the base class, durations, names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from segments.durations import parse_duration


def read_duration(value: object) -> int:
    """Return the milliseconds of a duration as it stands in a definitions file; raises ValueError.

    >>> read_duration("10m")
    600000
    """
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"write a duration with its unit, for example 30s, 10m, 24h or 7d, not {value!r}")


Duration = Annotated[
    int,
    BeforeValidator(read_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$"}),
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[str, Field(min_length=1)]
Backfill = Literal["replay", "from_now"]  # what a new aggregate begins with: recorded events, or what is known


class Model(BaseModel):
    """Base of all definition models: immutable, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
