"""A feature compiled: what its value is for a profile at an instant. Training and the job call this same code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from segments.conditions import compile_condition
from segments.conditions.base import Builder
from segments.conditions.measured import compile_measure
from segments.definitions.selecting import Selector
from segments.definitions.threshold import Measure
from segments.features.base import MICROS
from segments.features.latest import Latest
from segments.features.purchases import Purchases
from segments.features.seen import Seen
from segments.features.session import SESSION_ID, SessionTotal
from segments.features.totals import Points
from segments.models.spec import As, FeatureSpec, Known, PointsOf, RecencyOf, Rfm, SessionOf
from segments.profile import Profile
from segments.selectors import EventSelector

DAY_MS, MINUTE_MS = 86_400_000, 60_000
MEASURES = frozenset(Measure.model_fields) - {"score"}
Scalar = float | str | None


class Value(NamedTuple):
    """One column of a model's input; `of` gives a number, a text or None (unknown) at an instant (ms).

    `moves` says that time alone moves it. While a profile has no state of `feature`, the value is that of nobody.
    """

    name: str
    kind: As
    of: Callable[[Profile, int], Scalar]
    moves: bool = False
    feature: int | None = None


def compile_feature(spec: FeatureSpec, builder: Builder) -> Iterator[Value]:
    """Yield the columns of a feature."""
    kind, arguments = spec.kind()
    if kind in MEASURES:
        measured = compile_measure(Measure.model_validate({kind: arguments}), builder)
        yield Value(spec.name, "number", measured.value(), kind != "lifetime", measured.feature)
    else:
        yield from _KINDS[kind](spec.name, arguments, builder)


def _recency(name: str, spec: RecencyOf, builder: Builder) -> Iterator[Value]:
    feature = builder.feature(Seen(EventSelector(spec.selector()), spec.which))

    def days(profile: Profile, at: int) -> Scalar:
        seen = profile.features.get(feature)
        return None if seen is None else (at - seen) / DAY_MS

    yield Value(name, "number", days, moves=True, feature=feature)


def _score(name: str, spec: PointsOf, builder: Builder) -> Iterator[Value]:
    feature, half_life = builder.feature(Points(spec.points, spec.half_life)), spec.half_life

    def points(profile: Profile, at: int) -> Scalar:
        score = profile.features.get(feature)
        if score is None:
            return 0.0
        if half_life is None:
            return float(score[0] / MICROS)
        return float(score[0] * 2.0 ** ((score[1] - at) / half_life))

    yield Value(name, "number", points, moves=half_life is not None, feature=feature)


def _session(name: str, spec: SessionOf, builder: Builder) -> Iterator[Value]:
    session = builder.session()

    def minutes(profile: Profile, at: int) -> Scalar:
        span = profile.features.get(session)
        return None if span is None else float((span[2] - span[1]) / MINUTE_MS)

    if spec.event is None:
        yield Value(name, "number", minutes, feature=session)
        return
    if spec.property:
        builder.number(spec.property)
    feature = builder.feature(SessionTotal(EventSelector(Selector(event=spec.event, where=spec.where)), spec.property))
    counting = spec.of == "count"

    def total(profile: Profile, at: int) -> Scalar:
        span, counted = profile.features.get(SESSION_ID), profile.features.get(feature)
        if counted is None or span is None or counted[0] != span[0]:
            return 0.0
        return float(counted[1] if counting else counted[2] / MICROS)

    yield Value(name, "number", total, feature=feature)


def _trait(name: str, spec: Known, builder: Builder) -> Iterator[Value]:
    yield _latest(name, Latest("traits", spec.path), spec.as_, builder)


def _context(name: str, spec: Known, builder: Builder) -> Iterator[Value]:
    yield _latest(name, Latest("context", spec.path), spec.as_, builder)


def _latest(name: str, latest: Latest, kind: As, builder: Builder) -> Value:
    feature, read = builder.feature(latest), category if kind == "category" else _as_number
    return Value(name, kind, lambda profile, at: read(profile.features.get(feature)), feature=feature)


def category(value: Any) -> str | None:
    """Return a known value as the text that a model tells it apart by; None when there is none.

    >>> category("DE"), category(True), category(3.0), category(["a"])
    ('DE', 'true', '3', None)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    return value if isinstance(value, str) else None


def _as_number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _rfm(name: str, spec: Rfm, builder: Builder) -> Iterator[Value]:
    if spec.property:
        builder.number(spec.property)
    feature = builder.feature(Purchases(EventSelector(spec.selector()), spec.property, builder.timezone))

    def state(profile: Profile) -> list[int] | None:
        found: list[int] | None = profile.features.get(feature)
        return found

    def repeats(known: list[int]) -> float:
        return float(known[2] - 1)

    def since(known: list[int], at: int) -> float:
        return (at - known[1]) / DAY_MS

    def monetary(known: list[int]) -> float:
        return (known[5] - known[4]) / (known[2] - 1) / MICROS if known[2] > 1 else 0.0

    def of(column: Callable[[list[int], int], float], nothing: float | None) -> Callable[[Profile, int], Scalar]:
        def value(profile: Profile, at: int) -> Scalar:
            known = state(profile)
            return nothing if known is None else column(known, at)

        return value

    columns: list[tuple[str, Callable[[list[int], int], float], float | None, bool]] = [
        ("frequency", lambda known, _: repeats(known), 0.0, False),
        ("recency", lambda known, _: (known[1] - known[0]) / DAY_MS, None, False),
        ("since", since, None, True),
        ("tenure", lambda known, at: (at - known[0]) / DAY_MS, None, True),
    ]
    if spec.property:
        columns.append(("monetary", lambda known, _: monetary(known), None, False))
    for column, measure, nothing, moves in columns:
        yield Value(f"{name}_{column}", "number", of(measure, nothing), moves, feature)


def _holds(name: str, spec: Any, builder: Builder) -> Iterator[Value]:
    ask = compile_condition(spec, builder).ask
    yield Value(name, "number", lambda profile, at: 1.0 if ask(profile, at)[0] else 0.0, moves=True)


_KINDS: dict[str, Callable[[str, Any, Builder], Iterator[Value]]] = {
    "recency": _recency,
    "score": _score,
    "session": _session,
    "trait": _trait,
    "context": _context,
    "rfm": _rfm,
    "holds": _holds,
}
