"""What a model reads of a user, as it stands in `conf/models.yaml`: features in the language of the definitions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from segments.definitions.basis import Duration, Model, Name, OneKind, Text
from segments.definitions.model import Condition
from segments.definitions.paths import parts
from segments.definitions.selecting import AmountOf, CountOf, EventNames, LifetimeOf, SelectedEvents, Where

As = Literal["category", "number"]


class RecencyOf(SelectedEvents):
    """Days since the newest (or first) selected event."""

    which: Literal["last", "first"] = "last"


class PointsOf(Model):
    """Points per event, halved every `half_life`."""

    points: dict[Text, float] = Field(min_length=1)
    half_life: Duration | None = None


class SessionOf(Model):
    """A value of the newest session: a count, a sum, or its minutes."""

    of: Literal["count", "sum", "minutes"]
    event: EventNames | None = None
    where: Where = Field(default_factory=dict)
    property: Text | None = None

    @model_validator(mode="after")
    def _fields(self) -> Self:
        wanted = {"count": {"event"}, "sum": {"event", "property"}, "minutes": set()}[self.of]
        given = {name for name in ("event", "property") if getattr(self, name) is not None}
        if wanted != given:
            raise ValueError(f"'{self.of}' takes {' and '.join(sorted(wanted)) or 'neither event nor property'}")
        return self


class Known(Model):
    """The newest known value of a trait or of a place in the context, as a category or as a number."""

    path: Text
    as_: As = Field("category", alias="as")


class Rfm(SelectedEvents):
    """Recency, frequency, monetary value and tenure of purchases; several on one day are one."""

    property: Text | None = None


def _of_one_user(condition: Condition) -> Condition:
    for part in parts(condition):
        if isinstance(part, Condition) and part.kind()[0] in ("segment", "threshold", "model"):
            raise ValueError(f"'{part.kind()[0]}' depends on more than the user's own events; write its condition out")
    return condition


OwnCondition = Annotated[Condition, AfterValidator(_of_one_user)]


class FeatureSpec(OneKind):
    """One feature: a name and exactly one kind; `rfm` makes five, with the name before each."""

    beside = frozenset({"name"})

    name: Name
    count: CountOf | None = None
    sum: AmountOf | None = None
    avg: AmountOf | None = None
    min: AmountOf | None = None
    max: AmountOf | None = None
    distinct: AmountOf | None = None
    lifetime: LifetimeOf | None = None
    recency: RecencyOf | None = None
    score: PointsOf | None = None
    session: SessionOf | None = None
    trait: Known | None = None
    context: Known | None = None
    rfm: Rfm | None = None
    holds: OwnCondition | None = None


class FeatureSet(Model):
    """The features of one model, in the order of its input.

    >>> FeatureSet.model_validate({"features": [{"name": "views", "count": {"event": "View", "within": "1d"}}]}).names()
    ('views',)
    """

    features: list[FeatureSpec] = Field(min_length=1)

    def names(self) -> tuple[str, ...]:
        """Return the names as they are written."""
        return tuple(feature.name for feature in self.features)
