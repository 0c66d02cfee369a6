"""Thresholds that follow the population: which number of a user, and where among the users its bound lies."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from segments.definitions.basis import Duration, Model, OneKind, Text
from segments.definitions.selecting import AmountOf, CountOf, LifetimeOf

_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


def read_share(value: object) -> float:
    """Return the percentage in a text such as `20%`; raises ValueError.

    >>> read_share("2.5%")
    2.5
    """
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < float(match[1]) < 100:
        raise ValueError(f"write a share of the users between 0% and 100%, for example 20%, not {value!r}")
    return float(match[1])


Share = Annotated[
    float, BeforeValidator(read_share), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"})
]


class ScoreOf(Model):
    """Points per event, which do not decay."""

    half_life: ClassVar[None] = None
    points: dict[Text, float] = Field(min_length=1)


class Measure(OneKind):
    """The number of a user that is compared with those of the others: one kind, with no comparison of its own."""

    count: CountOf | None = None
    sum: AmountOf | None = None
    avg: AmountOf | None = None
    min: AmountOf | None = None
    max: AmountOf | None = None
    distinct: AmountOf | None = None
    lifetime: LifetimeOf | None = None
    score: ScoreOf | None = None


class Threshold(Model):
    """A number of a user compared with a bound that moves with the population, found anew every `refresh`.

    >>> spec = {"of": {"score": {"points": {"Add": 1}}}, "top": "20%"}
    >>> Threshold.model_validate(spec).bound()
    ('percentile', 80.0)
    """

    of: Measure
    percentile: float | None = Field(None, gt=0, lt=100)
    top: Share | None = None
    mean_plus_sd: float | None = Field(None, allow_inf_nan=False)
    among: Literal["positive", "all"] = "positive"
    min_population: int = Field(100, ge=1)
    refresh: Duration = Field(600_000, ge=1_000)
    smoothing: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [name for name in ("percentile", "top", "mean_plus_sd") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of percentile, top, mean_plus_sd; has {', '.join(given) or 'none'}")
        return self

    def bound(self) -> tuple[Literal["percentile", "mean_plus_sd"], float]:
        """Return the kind of bound and its number; the top 20 % are those from percentile 80 on."""
        if self.mean_plus_sd is not None:
            return "mean_plus_sd", self.mean_plus_sd
        if self.top is not None:
            return "percentile", round(100 - self.top, 9)
        return "percentile", self.percentile or 0.0
