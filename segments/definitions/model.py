"""Definitions as checked, immutable models; their field names are the YAML's."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from segments.definitions.basis import Backfill, Duration, Model, Name, Text, Window, read_duration
from segments.definitions.hygiene import Budget, LintOptions, SegmentLint
from segments.definitions.selecting import (
    AmountOf,
    Comparison,
    CountOf,
    EventNames,
    LifetimeOf,
    Predicate,
    Selector,
    SelectorField,
    Where,
)
from segments.definitions.steps import Sequence
from segments.definitions.threshold import Threshold
from segments.local_time import WEEKDAYS, parse_hours

_LEAST_RETENTION = 86_400_000  # ms


class Count(CountOf, Comparison):
    """Number of selected events in a window."""


class Aggregate(AmountOf, Comparison):
    """A property's sum, avg, min, max or number of different values in a window."""


class Lifetime(LifetimeOf, Comparison):
    """An aggregate over all events ever seen."""


class Recency(Model):
    """How long ago the newest (or first) selected event happened."""

    event: EventNames
    where: Where = Field(default_factory=dict)
    which: Literal["last", "first"] = "last"
    within: Window | None = None
    not_within: Window | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.within is None) == (self.not_within is None):
            raise ValueError("needs exactly one of within, not_within")
        return self


class Score(Comparison):
    """Points per event, halved every `half_life`."""

    points: dict[Text, float] = Field(min_length=1)
    half_life: Duration | None = None

    @model_validator(mode="after")
    def _decaying(self) -> Self:
        if self.half_life is None:
            return self
        operator, bound = self.comparison()
        if operator not in ("gt", "gte") or bound <= 0:
            raise ValueError("a score with half_life compares with gt or gte to a number above 0")
        if any(points <= 0 for points in self.points.values()):
            raise ValueError("a score with half_life takes points above 0 only")
        return self


class Session(Comparison):
    """A value of the newest session."""

    of: Literal["count", "sum", "duration"]
    event: EventNames | None = None
    where: Where = Field(default_factory=dict)
    property: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _durations(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("of") != "duration":
            return value
        bounds = {k: read_duration(v) for k, v in value.items() if k in ("gt", "gte", "lt", "lte", "eq")}
        return {**value, **bounds}

    @model_validator(mode="after")
    def _fields(self) -> Self:
        wanted = {"count": {"event"}, "sum": {"event", "property"}, "duration": set()}[self.of]
        given = {name for name in ("event", "property") if getattr(self, name) is not None}
        if wanted != given:
            raise ValueError(f"'{self.of}' takes {' and '.join(sorted(wanted)) or 'neither event nor property'}")
        return self


class Absence(Model):
    """An `after` event that no `of` event follows within a time."""

    after: SelectorField
    of: SelectorField
    within: Duration
    per: Text | None = None
    lasts: Duration | None = None


class Trait(Predicate):
    """The newest known value of a trait."""

    name: Text


class Context(Predicate):
    """The newest known value at a path of the context."""

    path: Text


class ModelScore(Comparison):
    """The score of a model, of the version in force or of a given one."""

    name: Name
    version: int | None = Field(None, ge=1)
    calibrated: bool = False


class LocalTime(Model):
    """Hours and days on the user's own clock."""

    hours: str | None = None
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = Field(None, min_length=1)

    @field_validator("hours")
    @classmethod
    def _hours(cls, value: str | None) -> str | None:
        if value is not None:
            parse_hours(value)
        return value

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.hours is None and self.days is None:
            raise ValueError("needs hours, days or both")
        return self

    def weekdays(self) -> frozenset[int]:
        """Return the days as numbers, Monday 0."""
        return frozenset(WEEKDAYS.index(day) for day in self.days or WEEKDAYS)


class Condition(Model):
    """One condition: exactly one kind and its arguments."""

    count: Count | None = None
    sum: Aggregate | None = None
    avg: Aggregate | None = None
    min: Aggregate | None = None
    max: Aggregate | None = None
    distinct: Aggregate | None = None
    recency: Recency | None = None
    lifetime: Lifetime | None = None
    score: Score | None = None
    session: Session | None = None
    absence: Absence | None = None
    sequence: Sequence | None = None
    trait: Trait | None = None
    context: Context | None = None
    local_time: LocalTime | None = None
    threshold: Threshold | None = None
    model: ModelScore | None = None
    all: list[Condition] | None = Field(None, min_length=1)
    any: list[Condition] | None = Field(None, min_length=1)
    not_: Condition | None = Field(None, alias="not")
    segment: Name | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            given = ", ".join(sorted(name.rstrip("_") for name in self.model_fields_set)) or "none"
            raise ValueError(
                f"a condition has exactly one kind, this one has {given}; combine conditions with all or any"
            )
        return self

    def kind(self) -> tuple[str, Any]:
        """Return the kind's name and its arguments."""
        (field,) = self.model_fields_set
        return field.rstrip("_"), getattr(self, field)


class Confidence(Model):
    """Confidence in a membership that halves every `half_life` since it was last refreshed."""

    half_life: Duration
    leave_below: float = Field(gt=0, lt=1)
    refreshed_by: SelectorField = Field(default_factory=lambda: Selector(event=["any"]))


class Segment(Model):
    """One segment: who is in it, who owns it, which version it is."""

    name: Name
    version: int = Field(1, ge=1)
    owner: str | None = None
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    parent: Name | None = None
    when: Condition
    exit_when: Condition | None = None
    min_dwell: Duration | None = None
    confidence: Confidence | None = None
    backfill: Backfill | None = None
    budget: Budget | None = None
    lint: SegmentLint = Field(default_factory=SegmentLint)


class SessionRule(Model):
    """When a session ends."""

    gap: Duration = 1_800_000


class Definitions(Model):
    """A whole `segments.yaml`."""

    version: Literal[1] = 1
    timezone: str = "UTC"
    week_starts: Literal["monday", "saturday", "sunday"] = "monday"
    session: SessionRule = Field(default_factory=SessionRule)
    properties: dict[Text, Literal["number", "integer", "string", "boolean", "any"]] = Field(default_factory=dict)
    backfill: Backfill = "from_now"
    retention: Duration | None = None
    budget: Budget = Field(default_factory=Budget)
    lint: LintOptions = Field(default_factory=LintOptions)
    segments: list[Segment] = Field(min_length=1)

    @field_validator("retention")
    @classmethod
    def _retention(cls, value: int | None) -> int | None:
        if value is not None and value < _LEAST_RETENTION:
            raise ValueError("users are kept for a day (1d) at least")
        return value
