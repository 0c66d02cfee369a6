"""What all definition models are made of: the base class, durations, names."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

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

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class OneKind(Model):
    """A model of which exactly one field is given, and names its kind; those in `beside` do not count.

    >>> class Move(OneKind):
    ...     up: int | None = None
    ...     down: int | None = None
    >>> Move(up=2).kind()
    ('up', 2)
    """

    beside: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self.model_fields_set - self.beside
        if len(given) != 1 or getattr(self, next(iter(given))) is None:
            kinds = ", ".join(name for name in type(self).model_fields if name not in self.beside)
            raise ValueError(f"needs exactly one of {kinds}; has {', '.join(sorted(given)) or 'none'}")
        return self

    def kind(self) -> tuple[str, Any]:
        """Return the kind's name and its arguments."""
        (field,) = self.model_fields_set - self.beside
        return field, getattr(self, field)
