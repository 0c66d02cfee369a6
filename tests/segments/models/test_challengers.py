"""A challenger in the shadow, and what becomes of its scores and memberships when it wins."""

from segments.control import Release
from segments.models.releasing import champions, pinned, promoted_versions, with_challenger
from segments.replay import replay
from segments.shadow import plan_of, promoted
from tests.segments.models.test_model_condition import DEFINITIONS, START, Formula, event, version

BOTH = with_challenger([version(1)], version(2))
TRIED_AT, WON_AT = START + 5_000, START + 30_000
LIVE = Release(1, 0, DEFINITIONS, models=(version(1),))
TRIED = Release(2, TRIED_AT, DEFINITIONS, pinned(DEFINITIONS, {"buyer": version(2)}), "shadow", models=BOTH)
WON = Release(3, WON_AT, DEFINITIONS, action="promote", models=promoted_versions(BOTH))


def test_it_is_judged_beside_the_champion_and_its_scores_stay_when_it_wins() -> None:
    events = [event(at, "View") for at in (6_000, 6_001, 6_002)]
    made = replay(
        [LIVE, TRIED, WON],
        events,
        until=WON_AT + 50_000,
        scorers=lambda each: Formula(plus=2.0 if each.version == 2 else 0.0),
    )
    likely = [
        (each.segment, each.action, each.at - START, each.score, each.model_version)
        for each in made
        if each.segment.startswith("likely") and "seen" not in each.segment
    ]
    assert likely == [
        ("likely@shadow", "entered", 16_000, 5.0, "buyer:2"),
        ("likely@shadow", "exited", 30_000, 5.0, "buyer:2"),
        ("likely", "entered", 30_000, 5.0, "buyer:2"),
    ], "at the instant of the release, not when the user is next scored"


def test_what_it_decided_in_the_shadow_goes_on() -> None:
    assert set(promoted(plan_of(TRIED), plan_of(WON))) == {"likely", "likely_and_seen", "unlikely"}
    assert "likely" not in promoted(plan_of(TRIED), plan_of(LIVE)), "withdrawn: that of the champion is another"
    assert champions(WON.models)["buyer"].version == 2
