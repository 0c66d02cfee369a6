"""Random definitions and timelines over a small vocabulary whose windows collide with the spacing of the events.

Strategies are made once: Hypothesis looks through each new one before it draws, which took longer than what is tested.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.steps import steps_of
from tests.vocabulary import EVENTS, GRADES, MINUTE, PERIODS, PRICES, PRODUCTS, STARTS, WINDOWS, ZONES

Condition = dict[str, Any]


@dataclass(frozen=True)
class Timeline:
    """One user's events in order of arrival, and how far time passes after them; instants in ms."""

    events: list[tuple[int, dict[str, Any]]]
    until: int


def comparisons(
    limits: tuple[Any, ...], names: tuple[str, ...] = ("gt", "gte", "lt", "lte", "eq")
) -> st.SearchStrategy:
    """Exactly one comparison with one of the limits."""
    return st.builds(lambda name, limit: {name: limit}, st.sampled_from(names), st.sampled_from(limits))


@cache
def predicates() -> st.SearchStrategy:
    """A test of one property."""
    return st.sampled_from(
        (
            {"product": "p1"},
            {"product": {"ne": "p1"}},
            {"product": {"in": ["p1", 1]}},
            {"product": {"not_in": ["p2", "p3"]}},
            {"product": {"exists": True}},
            {"product": {"exists": False}},
            {"product": {"contains": "p"}},
            {"price": {"gt": 1}},
            {"price": {"gte": 1, "lt": 3}},
            {"price": {"lte": "3"}},
            {"grade": {"gte": 1}},
            {"grade": {"lt": "b"}},
            {"grade": True},
            {"grade": {"ne": 1}},
            {"detail.size": "L"},
            {"tags": {"contains": "new"}},
            {"product": "p1", "price": {"gte": 1}},
        )
    )


@cache
def names() -> st.SearchStrategy:
    """An event name, a list of them, or any."""
    several = st.lists(st.sampled_from(EVENTS), min_size=1, max_size=2, unique=True)
    return st.one_of(
        st.sampled_from(EVENTS), st.sampled_from(EVENTS), several, st.sampled_from(("any", "Session Started"))
    )


@cache
def selections() -> st.SearchStrategy:
    """`event` and perhaps `where`, as a kind's arguments have them."""
    return st.one_of(
        st.builds(lambda event: {"event": event}, names()),
        st.builds(lambda event, where: {"event": event, "where": where}, names(), predicates()),
    )


@cache
def selectors() -> st.SearchStrategy:
    """A selector: a name or a mapping."""
    return st.one_of(st.sampled_from(EVENTS), st.sampled_from(EVENTS), selections())


def _merged(*parts: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(*parts).map(lambda found: {name: value for part in found for name, value in part.items()})


def _fixed(**values: tuple[Any, ...]) -> st.SearchStrategy:
    return st.fixed_dictionaries({name: st.sampled_from(choices) for name, choices in values.items()})


def _maybe(**values: tuple[Any, ...]) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(choices) for name, choices in values.items()})


COUNTS = comparisons((0, 1, 2, 3, 4, 2.5))
AMOUNTS = comparisons((0, 1, 2, 3, 0.3, 0.15, 2.5, 5, 8))
NUMBER = _fixed(property=("price",))
WITHIN = _fixed(within=WINDOWS)
LONG_WINDOWS = ("5m", "10m", "4m1ms", "30m", "this_day", "this_week", "this_month")
WINDOW = st.one_of(WITHIN, WITHIN, _fixed(within=PERIODS))
VALUE_TESTS = st.sampled_from(
    (
        {"eq": "pro"},
        {"ne": "pro"},
        {"in": ["pro", 3]},
        {"not_in": ["free"]},
        {"gt": 2},
        {"lte": "n"},
        {"exists": True},
        {"exists": False},
        {"contains": "r"},
    )
)


def _aggregates() -> st.SearchStrategy:
    return _merged(selections(), NUMBER, WINDOW, AMOUNTS)


def _lifetimes() -> st.SearchStrategy:
    of_numbers = _merged(selections(), NUMBER, AMOUNTS, _fixed(of=("sum", "avg", "min", "max")))
    return st.one_of(_merged(selections(), COUNTS, _fixed(of=("count",))), of_numbers)


def _scores() -> st.SearchStrategy:
    plain = st.dictionaries(
        st.sampled_from((*EVENTS, "Session Started")), st.sampled_from((1, 2, 3, -1, 0.5)), min_size=1
    )
    fading = st.dictionaries(st.sampled_from((*EVENTS, "Session Started")), st.sampled_from((1, 2, 3, 0.7)), min_size=1)
    return st.one_of(
        _merged(st.builds(lambda points: {"points": points}, plain), COUNTS),
        _merged(
            st.builds(lambda points: {"points": points}, fading),
            _fixed(half_life=("1m", "2m", "5m", "7m3s")),
            comparisons((0.5, 1, 1.5, 2, 3), ("gt", "gte")),
        ),
    )


def _sessions() -> st.SearchStrategy:
    return st.one_of(
        _merged(selections(), COUNTS, _fixed(of=("count",))),
        _merged(selections(), NUMBER, AMOUNTS, _fixed(of=("sum",))),
        _merged(comparisons(("1ms", "1m", "3m", "5m")), _fixed(of=("duration",))),
    )


def _recencies() -> st.SearchStrategy:
    windows = st.sampled_from(WINDOWS + PERIODS)
    bound = st.one_of(st.fixed_dictionaries({"within": windows}), st.fixed_dictionaries({"not_within": windows}))
    return _merged(selections(), bound, _maybe(which=("last", "first")))


def _absences() -> st.SearchStrategy:
    ends = st.builds(lambda after, of: {"after": after, "of": of}, selectors(), selectors())
    return _merged(ends, WITHIN, _maybe(per=("product",), lasts=WINDOWS))


def _sequences() -> st.SearchStrategy:
    return _merged(steps_of(selectors()), _fixed(within=LONG_WINDOWS), _maybe(per=("product",)))


def _local_times() -> st.SearchStrategy:
    hours = ("00:05-00:10", "23:50-00:10", "01:30-02:30", "02:00-03:00", "06:30-06:40", "01:00-01:05", "03:00-12:00")
    days = (["mon"], ["sun"], ["sat", "mon"], ["thu", "fri"])
    return st.one_of(_fixed(hours=hours), _fixed(days=days), _fixed(hours=hours, days=days))


@cache
def measures() -> st.SearchStrategy:
    """A number of a user, as thresholds compare it."""
    several = _merged(selections(), NUMBER, WINDOW)
    ever = st.one_of(
        _merged(selections(), _fixed(of=("count",))),
        _merged(selections(), NUMBER, _fixed(of=("sum", "avg", "min", "max"))),
    )
    points = st.dictionaries(st.sampled_from(EVENTS), st.sampled_from((1, 2, -1, 0.5)), min_size=1)
    kinds = {
        "count": _merged(selections(), WINDOW),
        **dict.fromkeys(("sum", "avg", "min", "max"), several),
        "distinct": _merged(selections(), _fixed(property=("product", "price")), WINDOW),
        "lifetime": ever,
        "score": points.map(lambda found: {"points": found}),
    }
    return st.one_of(*(st.fixed_dictionaries({kind: made}) for kind, made in kinds.items()))


@cache
def thresholds() -> st.SearchStrategy:
    """A threshold; which bound it has at what instant is drawn apart (`bounds`)."""
    bound = st.one_of(_fixed(percentile=(80, 50.5)), _fixed(top=("20%",)), _fixed(mean_plus_sd=(1, -2)))
    options = _maybe(among=("positive", "all"), refresh=("1m", "10m"))
    return _merged(st.fixed_dictionaries({"of": measures()}), bound, options)


@st.composite
def bounds(draw: st.DrawFn, timeline: Timeline) -> list[tuple[int, float | None]]:
    """Bounds that take effect at some instants of a timeline, in order of time."""
    instants = [t + shift for t, _ in timeline.events for shift in (-1, 0, 1, MINUTE, 5 * MINUTE)]
    chosen = draw(st.lists(st.sampled_from([*instants, 1, timeline.until]), max_size=5, unique=True))
    values = st.sampled_from((None, -1, 0, 0.3, 1, 1.5, 2, 2.5, 3, 5, 8))
    return [(instant, draw(values)) for instant in sorted(chosen)]


LEAVES: dict[str, st.SearchStrategy] = {
    "count": _merged(selections(), WINDOW, COUNTS),
    **{kind: _aggregates() for kind in ("sum", "avg", "min", "max")},
    "distinct": _merged(selections(), _fixed(property=("product", "price")), WINDOW, COUNTS),
    "recency": _recencies(),
    "lifetime": _lifetimes(),
    "score": _scores(),
    "session": _sessions(),
    "absence": _absences(),
    "sequence": _sequences(),
    "trait": _merged(_fixed(name=("plan", "home.city")), VALUE_TESTS),
    "context": _merged(_fixed(path=("device.type", "screen")), VALUE_TESTS),
    "local_time": _local_times(),
    "threshold": thresholds(),
}


@cache
def conditions_of(kind: str) -> st.SearchStrategy:
    """A condition of one kind."""
    return LEAVES[kind].map(lambda arguments: {kind: arguments})


@cache
def conditions(known: tuple[str, ...] = (), depth: int = 2) -> st.SearchStrategy:
    """A condition of any kind, nested up to a depth, referring to known segments only."""
    leaves = st.one_of(*(conditions_of(kind) for kind in LEAVES))
    if known:
        leaves = st.one_of(leaves, st.sampled_from(known).map(lambda name: {"segment": name}))
    if depth == 0:
        return leaves
    inner = conditions(known, depth - 1)
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        leaves,
        several.map(lambda parts: {"all": parts}),
        several.map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    )


@cache
def confidences() -> st.SearchStrategy:
    """A decaying confidence."""
    return _merged(
        _fixed(half_life=("1m", "2m", "5m", "7m3s"), leave_below=(0.5, 0.25, 0.9, 0.1)),
        st.one_of(st.just({}), st.builds(lambda selector: {"refreshed_by": selector}, selectors())),
    )


@cache
@st.composite
def segments(
    draw: st.DrawFn, name: str, when: st.SearchStrategy, exit_when: st.SearchStrategy, known: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A segment, perhaps with modifiers and with one of the known segments as its parent."""
    segment = {"name": name, "when": draw(when)}
    if known and draw(st.integers(0, 2)) == 0:
        segment["parent"] = draw(st.sampled_from(known))
    if draw(st.integers(0, 2)) == 0:
        segment["exit_when"] = draw(exit_when)
    if draw(st.integers(0, 2)) == 0:
        segment["min_dwell"] = draw(st.sampled_from(WINDOWS))
    if draw(st.integers(0, 2)) == 0:
        segment["confidence"] = draw(confidences())
    return segment


@cache
@st.composite
def definitions(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """One to four segments that may refer to each other, in any order in the file."""
    made: list[dict[str, Any]] = []
    for name in ("alpha", "beta", "gamma", "delta")[: draw(st.integers(1, 4))]:
        known = tuple(segment["name"] for segment in made)
        inner = conditions(known, depth)
        made.append(draw(segments(name, inner, inner, known)))
    return draw(file_of(draw(st.permutations(made))))


@st.composite
def file_of(draw: st.DrawFn, made: list[dict[str, Any]]) -> dict[str, Any]:
    """A definitions file with some time zone and session gap around segments."""
    file: dict[str, Any] = {"session": {"gap": draw(st.sampled_from(("2m", "5m")))}, "segments": list(made)}
    if draw(st.booleans()):
        file["timezone"] = draw(
            st.sampled_from(("Europe/Berlin", "America/New_York", "America/Havana", "Asia/Kolkata"))
        )
    if draw(st.booleans()):
        file["week_starts"] = draw(st.sampled_from(("sunday", "saturday", "monday")))
    return file


@cache
@st.composite
def plain_definitions(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Two segments of one kind with no modifiers."""
    made = [{"name": name, "when": draw(conditions_of(kind))} for name in ("alpha", "beta")]
    return draw(file_of(made))


DETAILS = _maybe(detail=({"size": "L"}, {}, "L"), tags=(["new"], "renewed", ["old", "newer"]))
TRAITS = _maybe(plan=("pro", "free", 3, ["r"], None), home=({"city": "pro"}, {"city": "free"}, {}))
CONTEXTS = _maybe(device=({"type": "pro"}, {"type": "free"}, {"type": None}), screen=(1, 3, "pro"), timezone=ZONES)


@cache
@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """The contents of one event, with no user and no time."""
    call: dict[str, Any] = {"type": "track", "event": draw(st.sampled_from(EVENTS))}
    shape = draw(st.integers(0, 7))
    if shape == 0:
        call = {"type": draw(st.sampled_from(("page", "screen", "identify", "alias")))}
    properties: dict[str, Any] = {}
    if draw(st.integers(0, 4)):
        properties["product"] = draw(st.sampled_from(PRODUCTS))
    if draw(st.integers(0, 4)):
        properties["price"] = draw(st.sampled_from(PRICES))
    if not draw(st.integers(0, 2)):
        properties["grade"] = draw(st.sampled_from(GRADES))
    if shape == 1:
        properties |= draw(DETAILS)
    if shape == 2:
        call["traits"] = draw(TRAITS)
    if shape in (3, 4):
        call["context"] = draw(CONTEXTS)
    return call | {"properties": properties}


@cache
@st.composite
def timelines(draw: st.DrawFn, disorder: bool = False, most: int = 25) -> Timeline:
    """Up to 25 events, whole minutes apart or a millisecond beside; with disorder some are up to ten minutes late."""
    t = draw(st.sampled_from(STARTS))
    events = []
    for number, call in enumerate(draw(st.lists(calls(), min_size=1, max_size=most))):
        t += draw(st.sampled_from((0, 0, 1, 1, 2, 3, 5, 10, 12))) * MINUTE
        own = max(0, t + draw(st.sampled_from((0, 0, 0, 0, 1, 2))))
        if disorder and draw(st.integers(0, 2)) == 0:
            own = max(0, own - draw(st.sampled_from((1, 2, 3, 5, 10))) * MINUTE)
        elif not disorder:
            t = own
        message = f"m{draw(st.integers(0, number)) if draw(st.integers(0, 9)) == 0 else number}"
        events.append((own, {"userId": "u1", "messageId": message, "timestamp": own} | call))
    last = max(own for own, _ in events)
    return Timeline(events, last + draw(st.sampled_from((0, 1, 5, 30, 61))) * MINUTE)
