import pytest

from segments.backfill import backfill_of
from segments.definitions import DefinitionErrors, parse_definitions
from segments.plan import Plan
from segments.shadow import in_one_plan, promoted, refuse_harm, shadowed

LIVE = """
segments:
  - {name: buyer, when: {lifetime: {of: count, event: Order Completed, gte: 1}}}
  - {name: loyal, when: {lifetime: {of: count, event: Order Completed, gte: 5}}}
  - {name: fan, when: {all: [{segment: buyer}, {not: {segment: loyal}}]}}
  - {name: seen, owner: me, when: {recency: {event: any, within: 1h}}}
"""
SHADOW = LIVE.replace("gte: 5", "gte: 3").replace("owner: me", "owner: you") + (
    "  - {name: great, exit_when: {any: [{segment: seen}]}, when: {segment: loyal}}\n"
)


def test_what_differs_runs_under_names_of_its_own_and_refers_to_its_own() -> None:
    live, shadow = parse_definitions(LIVE), parse_definitions(SHADOW)
    assert shadowed(live, shadow) == ["loyal", "fan", "great"], "an owner moves nobody"
    both = in_one_plan(live, shadow)
    assert both.segments[:4] == live.segments
    by_name = {segment.name: segment for segment in both.segments}
    assert set(by_name) - {segment.name for segment in live.segments} == {"loyal@shadow", "fan@shadow", "great@shadow"}
    fan = by_name["fan@shadow"].when.kind()[1]
    assert [fan[0].segment, fan[1].not_.segment] == ["buyer", "loyal@shadow"]
    great = by_name["great@shadow"]
    assert great.when.segment == "loyal@shadow"
    assert great.exit_when is not None
    assert great.exit_when.kind()[1][0].segment == "seen"
    assert len(Plan(both).rules) == 7


def test_a_segment_that_is_gone_is_not_evaluated() -> None:
    live = parse_definitions(LIVE)
    shadow = parse_definitions("\n".join(LIVE.splitlines()[:3]))
    assert shadowed(live, shadow) == []
    assert in_one_plan(live, shadow).segments == live.segments


@pytest.mark.parametrize(
    ("name", "value"), [("timezone", "Europe/Berlin"), ("session", "{gap: 1h}"), ("properties", "{price: number}")]
)
def test_a_shadow_reads_events_as_the_live_definitions_do(name: str, value: str) -> None:
    with pytest.raises(DefinitionErrors, match=f"{name}: is not that of the live definitions"):
        in_one_plan(parse_definitions(LIVE), parse_definitions(f"{name}: {value}\n{LIVE}"))


def test_a_shadow_that_alone_reads_a_property_as_a_number_would_harm_the_live_segments() -> None:
    live, spender = parse_definitions(LIVE), "{sum: {event: Order Completed, property: price, within: 1d, gt: 5}}"
    shadow = parse_definitions(LIVE + f"  - {{name: spender, when: {spender}}}\n")
    with pytest.raises(DefinitionErrors, match=r"only the shadow reads 'price' as a number .declare 'price: number'"):
        refuse_harm(live, shadow)
    declared = "properties: {price: number}\n" + LIVE
    refuse_harm(parse_definitions(declared), shadow.model_copy(update={"properties": {"price": "number"}}))
    refuse_harm(live, parse_definitions(SHADOW))


def test_a_shadow_is_filled_in_where_its_own_file_says_so_and_promoted_as_it_is() -> None:
    viewer = "  - {name: viewer, when: {lifetime: {of: count, event: Product Viewed, gte: 3}}}\n"
    live, shadow = parse_definitions(LIVE), LIVE + viewer
    replayed = Plan(in_one_plan(live, parse_definitions(f"backfill: replay\n{shadow}")))
    begun = {number: 5 for number, each in replayed.features.items() if "Viewed" in each.key}
    assert dict(backfill_of(replayed, begun, {}).warming) == {"viewer@shadow": 1}
    assert promoted(replayed, Plan(parse_definitions(shadow))) == ("viewer",)
    from_now = Plan(in_one_plan(parse_definitions(f"backfill: replay\n{LIVE}"), parse_definitions(shadow)))
    assert dict(backfill_of(from_now, begun, {}).warming) == {}
