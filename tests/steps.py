"""Random steps of sequences: events, limits, and what must not come between or after them."""

from typing import Any

from hypothesis import strategies as st


def steps_of(selectors: st.SearchStrategy) -> st.SearchStrategy:
    """`steps`, as a sequence's arguments have them."""
    barred = st.one_of(st.none(), st.none(), selectors)
    limits = st.sampled_from((None, None, "1m", "3m", "10m"))
    after = st.builds(_after, selectors, barred=barred, limit=limits)
    ends = st.builds(_ending, selectors, st.sampled_from(("1m", "3m")))
    several = st.lists(after, min_size=1, max_size=3)
    rest = st.one_of(
        several, several, st.builds(lambda steps, end: [*steps, end], several, ends), ends.map(lambda end: [end])
    )
    return st.builds(_steps, selectors, rest)


def _after(selector: Any, *, barred: Any, limit: str | None) -> list[Any]:
    """A step after the first: perhaps with what must not come before it, perhaps with a limit."""
    step = selector if isinstance(selector, dict) else {"event": selector}
    return [*([{"not": barred}] if barred else []), step | {"within": limit} if limit else selector]


def _ending(barred: Any, limit: str) -> list[Any]:
    """A last step: what must not come for a while."""
    return [{"not": barred, "within": limit}]


def _steps(first: Any, rest: list[list[Any]]) -> dict[str, Any]:
    return {"steps": [first, *(step for part in rest for step in part)]}
