"""What conditions are made of: selectors of events, tests on values, comparisons."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from segments.definitions.basis import Model, Text, Window

Scalar = str | bool | int | float


class Predicate(Model):
    """Tests on one value; all that are given must hold."""

    eq: Scalar | None = None
    ne: Scalar | None = None
    in_: list[Scalar] | None = Field(None, alias="in", min_length=1)
    not_in: list[Scalar] | None = Field(None, min_length=1)
    gt: Scalar | None = None
    gte: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None
    exists: bool | None = None
    contains: Scalar | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.operators():
            raise ValueError("needs at least one of eq, ne, in, not_in, gt, gte, lt, lte, exists, contains")
        return self

    def operators(self) -> dict[str, Any]:
        """Return the given tests by operator name."""
        names = ("eq", "ne", "in_", "not_in", "gt", "gte", "lt", "lte", "exists", "contains")
        return {name.rstrip("_"): v for name in names if (v := getattr(self, name)) is not None}


def _as_predicate(value: object) -> object:
    return value if isinstance(value, dict | Predicate) else {"eq": value}


Where = dict[Text, Annotated[Predicate, BeforeValidator(_as_predicate)]]


def _as_names(value: object) -> object:
    return [value] if isinstance(value, str) else value


EventNames = Annotated[list[Text], BeforeValidator(_as_names), Field(min_length=1)]


class Selector(Model):
    """Which events count: names (or `any`) narrowed by properties."""

    event: EventNames
    where: Where = Field(default_factory=dict)


def _as_selector(value: object) -> object:
    return {"event": value} if isinstance(value, str | list) else value


SelectorField = Annotated[Selector, BeforeValidator(_as_selector)]


class Comparison(Model):
    """Exactly one of gt, gte, lt, lte, eq."""

    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None
    eq: float | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("gt", "gte", "lt", "lte", "eq") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of gt, gte, lt, lte, eq; has {', '.join(given) or 'none'}")
        return self

    def comparison(self) -> tuple[str, float]:
        """Return the operator and its bound."""
        return next((name, v) for name in ("gt", "gte", "lt", "lte", "eq") if (v := getattr(self, name)) is not None)


class SelectedEvents(Model):
    """Which events a number is made of."""

    event: EventNames
    where: Where = Field(default_factory=dict)

    def selector(self) -> Selector:
        """Return which events are selected."""
        return Selector(event=self.event, where=self.where)


class CountOf(SelectedEvents):
    """Number of selected events in a window."""

    within: Window


class AmountOf(SelectedEvents):
    """A property's sum, avg, min, max or number of different values in a window."""

    property: Text
    within: Window


class LifetimeOf(SelectedEvents):
    """An aggregate over all events ever seen."""

    of: Literal["count", "sum", "avg", "min", "max"]
    property: Text | None = None

    @model_validator(mode="after")
    def _property(self) -> Self:
        if (self.of == "count") == (self.property is not None):
            raise ValueError(f"'{self.of}' {'takes no' if self.of == 'count' else 'needs a'} property")
        return self
