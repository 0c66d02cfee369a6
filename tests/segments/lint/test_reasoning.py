"""What lint calls impossible never happens: random definitions, random timelines, the engine as witness."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.lint.reasoning import satisfiable
from segments.lint.translate import Translator
from tests import strategies
from tests.segments.support import examples, parsed
from tests.segments.test_against_oracle import replayed
from tests.strategies import LEAVES, Timeline


@st.composite
def files(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Three segments about few things, so that they often exclude or contain each other."""
    some = st.one_of(strategies.conditions_of(kind), strategies.conditions(depth=1))
    one, two = draw(strategies.conditions_of(kind)), draw(some)
    third = draw(
        st.sampled_from([{"all": [one, two]}, {"any": [one, two]}, {"not": one}, {"all": [one, {"not": two}]}])
    )
    made = [{"name": name, "when": when} for name, when in (("alpha", one), ("beta", two), ("gamma", third))]
    if draw(st.booleans()):
        made[1]["exit_when"] = draw(some)
    return {"session": {"gap": "2m"}, "segments": made}


def standing(definitions: dict[str, Any], timeline: Timeline) -> Iterator[frozenset[str]]:
    """The segments of the user after each instant at which something changed."""
    inside: set[str] = set()
    for _, changes in groupby(replayed(definitions, timeline), key=lambda change: change.at):
        for change in changes:
            (inside.add if change.action == "entered" else inside.discard)(change.segment)
        yield frozenset(inside)


@pytest.mark.parametrize("kind", LEAVES)
def test_what_is_impossible_never_happens(kind: str) -> None:
    @examples(60, 2_000)
    @given(files(kind), strategies.timelines())
    def check(definitions: dict[str, Any], timeline: Timeline) -> None:
        model = parsed(definitions)
        by_name = {segment.name: segment for segment in model.segments}
        formulas = Translator(by_name, model.properties)
        inside = {name: formulas.member(name) for name in by_name}
        outside = {name: formulas.member(name, holds=False) for name in by_name}
        seen = list(standing(definitions, timeline))
        for name in by_name:
            assert satisfiable(inside[name]) or not any(name in each for each in seen)
            assert satisfiable(outside[name]) or all(name in each for each in seen)
            for other in by_name:
                together = [each for each in seen if name in each and other in each]
                alone = [each for each in seen if name in each and other not in each]
                assert satisfiable(inside[name], inside[other]) or not together
                assert satisfiable(inside[name], outside[other]) or not alone

    check()
