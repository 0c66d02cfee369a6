"""`count`: how many selected events are in the window."""

import math
from bisect import bisect_left
from collections.abc import Callable

from segments.conditions.base import NO, SYMBOL, YES, Answer, Ask, Builder, Check, Fact, needed_by, number_text
from segments.conditions.effects import FALLS, RISES, UNKNOWN
from segments.conditions.windows import Window, compile_window
from segments.definitions.model import Count
from segments.features.event_log import EventLog
from segments.profile import Profile
from segments.selectors import EventSelector

NewestAsk = Callable[[Profile, int, int], Answer]  # (profile, n, now): are there at least n, and until when?


def compile_count(spec: Count, builder: Builder) -> Check:
    """Compile a count; only as many times are kept as its bound needs."""
    selector = EventSelector(spec.selector())
    operator, bound = spec.comparison()
    least = at_least(operator, bound)
    window = compile_window(spec.within, builder)
    feature = builder.feature(EventLog(selector, max(1, least + (operator == "eq")), window.keep))

    def value(profile: Profile, now: int) -> int:
        log = profile.features.get(feature)
        return len(log) - bisect_left(log, window.opens(profile, now)) if log else 0

    newest = _sliding(feature, spec.within) if isinstance(spec.within, int) else _calendar(feature, window)
    ask = comparing(operator, bound, newest)
    effect = {"gt": RISES, "gte": RISES, "lt": FALLS, "lte": FALLS, "eq": UNKNOWN}[operator]
    text = f"count of {selector.text} {window.text}"
    fact = Fact(text, f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    return Check(
        ask, {(feature, ""): effect, **window.effects}, (fact,), needed_by(ask, feature), untimed=effect == RISES
    )


def _sliding(feature: int, window: int) -> NewestAsk:
    """Ask without a call of the window, which on the hot path costs more than the rest."""

    def newest(profile: Profile, needed: int, now: int) -> Answer:
        if needed <= 0:
            return YES
        log = profile.features.get(feature)
        if log is None or len(log) < needed:
            return NO
        leaves = log[-needed] + window
        return (True, leaves) if leaves > now else NO

    return newest


def _calendar(feature: int, window: Window) -> NewestAsk:
    def newest(profile: Profile, needed: int, now: int) -> Answer:
        if needed <= 0:
            return YES
        log = profile.features.get(feature)
        if log is None or len(log) < needed or log[-needed] < window.opens(profile, now):
            return NO
        return True, window.leaves(profile, now, log[-needed])

    return newest


def at_least(operator: str, bound: float) -> int:
    """Return the number n such that the comparison is `at least n`, or its opposite.

    >>> at_least("gt", 3), at_least("gte", 2.5), at_least("lte", 3)
    (4, 3, 4)
    """
    return math.floor(bound) + 1 if operator in ("gt", "lte") else math.ceil(bound)


def comparing(operator: str, bound: float, newest: NewestAsk) -> Ask:
    """Build a comparison from the question `are there at least n?`."""
    least = at_least(operator, bound)
    if operator in ("gt", "gte"):
        return lambda profile, now: newest(profile, least, now)
    if operator in ("lt", "lte"):

        def fewer(profile: Profile, now: int) -> Answer:
            enough, until = newest(profile, least, now)
            return not enough, until

        return fewer

    def exactly(profile: Profile, now: int) -> Answer:
        if bound != least or bound < 0:
            return NO
        enough, until = newest(profile, least, now)
        if not enough:
            return NO
        more, less_again = newest(profile, least + 1, now)
        return (not more), (less_again if more else until)

    return exactly
