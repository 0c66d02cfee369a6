"""Sequences as they are written: events in order, and what must not come between or after them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from segments.definitions.basis import Duration, Model, Text, Window
from segments.definitions.selecting import EventNames, Selector, SelectorField, Where

_MOST_EVENTS = 8


class Step(Model):
    """One step: an event, at most `within` after the step before; or `not`: what must not come there."""

    event: EventNames | None = None
    where: Where = Field(default_factory=dict)
    not_: SelectorField | None = Field(None, alias="not")
    within: Duration | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.event is None) == (self.not_ is None):
            raise ValueError("a step has an event, or not: what must not come; exactly one of the two")
        if self.not_ is not None and self.where:
            raise ValueError("where goes inside not: {not: {event: ..., where: ...}}")
        return self

    def selector(self) -> Selector:
        """Return which events the step is about."""
        return self.not_ or Selector(event=self.event or [], where=self.where)


def _as_step(value: object) -> object:
    return {"event": value} if isinstance(value, str | list) else value


class Sequence(Model):
    """Ordered steps inside a window, joined on a property if `per` names one."""

    steps: list[Annotated[Step, BeforeValidator(_as_step)]] = Field(min_length=2, max_length=2 * _MOST_EVENTS)
    within: Window
    per: Text | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = self.steps[0], self.steps[-1]
        if first.not_ is not None or first.within is not None:
            raise ValueError("the first step is an event with no within: nothing comes before it")
        if sum(step.not_ is None for step in self.steps) > _MOST_EVENTS:
            raise ValueError(f"a sequence has at most {_MOST_EVENTS} events")
        if any(step.not_ is not None and step.within is not None for step in self.steps[:-1]):
            raise ValueError("only the last step may be a not with within; between two events it may not come at all")
        if last.not_ is None:
            return self
        if last.within is None:
            raise ValueError("the last step is a not, and needs within: for how long it must not come")
        if self.steps[-2].not_ is not None:
            raise ValueError("the last two steps are nots; name what must not come after the last event in one")
        if isinstance(self.within, int) and last.within >= self.within:
            raise ValueError("within of the last step must be shorter than that of the sequence, else it never holds")
        return self
