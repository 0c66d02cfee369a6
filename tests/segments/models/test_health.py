"""Which release takes a failing version out of force."""

from segments.audit import ModelFailed, ReleaseDone
from segments.control import Release
from segments.history import History
from segments.models import health
from segments.models.health import (
    BY_ITSELF,
    ModelHealth,
    ModelScores,
    before_without_failed,
    failed_versions,
    without,
)
from segments.models.released import ModelVersion
from segments.models.releasing import champions, pinned, with_challenger

BUYER = "segments: [{name: buyer, when: {lifetime: {of: count, event: Order Completed, gte: 1}}}]"
BOTH = "segments: [{name: a, when: {model: {name: churn, gte: 1}}}, {name: b, when: {model: {name: odd, lt: 0}}}]"
CHURN = {number: ModelVersion("churn", number, "classify", {}, "", str(number)) for number in (1, 2, 3)}
ODD = ModelVersion("odd", 1, "anomaly", {}, "", "")


def released(*versions: int) -> History:
    return History(
        Release(place, place * 10, BUYER, models=(CHURN[each], ODD)) for place, each in enumerate(versions, 1)
    )


def taken_out(history: History, version: int) -> Release | None:
    return without(history, "churn", version, "fails", at=100, now=7)


def test_the_version_before_comes_back_and_nothing_else_changes() -> None:
    found = taken_out(released(1, 2), 2)
    assert found == Release(
        3, 100, BUYER, None, "rollback", 7, BY_ITSELF, "churn:2 fails: back to churn:1", models=(CHURN[1], ODD)
    )


def test_what_was_taken_out_once_does_not_come_back_by_itself() -> None:
    history = released(1, 2)
    first = taken_out(history, 2)
    assert first is not None
    history.add(first)
    second = taken_out(history, 1)
    assert second is not None
    assert (second.models, second.note) == ((ODD,), "churn:1 fails: no version scores")


def test_what_is_not_in_force_is_left() -> None:
    assert taken_out(released(1, 2), 1) is None
    assert taken_out(History(), 1) is None


def test_a_refused_version_does_not_come_back() -> None:
    history = released(1, 2, 3)
    history.refused = {2}
    found = taken_out(history, 3)
    assert found is not None
    assert found.models == (CHURN[1], ODD)


def test_a_challenger_leaves_the_shadow_and_the_champion_stays() -> None:
    history = released(1)
    history.add(Release(2, 20, BUYER, BUYER, "shadow", models=with_challenger((CHURN[1], ODD), CHURN[2])))
    found = taken_out(history, 2)
    assert found is not None
    assert (found.models, found.shadow, found.note) == ((CHURN[1], ODD), None, "churn:2 fails: withdrawn")


def test_a_challenger_that_fails_is_known_to_have_failed_and_another_models_challenger_stays() -> None:
    odd, tried = ModelVersion("odd", 2, "anomaly", {}, "", "", challenger=True), with_challenger((CHURN[1],), CHURN[2])
    history = History([Release(1, 0, BOTH, pinned(BOTH, {"churn": CHURN[2], "odd": odd}), models=(*tried, ODD, odd))])
    found = taken_out(history, 2)
    assert found is not None
    assert found.models == (CHURN[1], ODD, odd)
    assert found.shadow == pinned(BOTH, {"odd": odd})
    history.add(found)
    assert {key: release.number for key, release in failed_versions(history).items()} == {("churn", 2): 2}


def test_who_was_refused_or_taken_back_by_a_person_did_not_fail() -> None:
    history = released(1, 2, 3)
    history.refused = {3}
    history.add(Release(4, 40, BUYER, action="rollback", by="ada", models=(CHURN[1], ODD)))
    history.add(Release(5, 50, BUYER, action="release", by=BY_ITSELF, models=(CHURN[1], ODD)))
    assert failed_versions(history) == {}


def test_it_is_the_version_in_force_that_failed_not_one_that_was_refused_after_it() -> None:
    history = released(1, 2, 3)
    history.refused = {3}
    back = taken_out(history, 2)
    assert back is not None
    history.add(back)
    assert list(failed_versions(history)) == [("churn", 2)]


def test_each_time_a_version_is_taken_out_is_an_event_with_its_reason() -> None:
    history = released(1, 2)
    first = taken_out(history, 2)
    assert first is not None
    history.add(first)
    history.add(Release(4, 200, BUYER, models=(CHURN[2], ODD), by="ada"))
    again = without(history, "churn", 2, "failed for 42 of 310 scores", at=300, now=9)
    assert again is not None
    history.add(again)
    said = [
        ModelFailed("churn", 2, 400, 1, "of before", 5),
        ModelFailed("churn", 2, 310, 42, "Traceback\nValueError: no shape\n", 9, again.number),
        ReleaseDone(5, 300, False, [0], 1, 0, 0, 9),
        None,
    ]
    one, two = health.taken_out(history, said)
    assert [(each.name, each.version, each.release) for each in (one, two)] == [
        ("churn", 2, first),
        ("churn", 2, again),
    ]
    assert one.why == "fails: back to churn:1"
    assert two.why == "failed for 42 of 310 scores: back to churn:1; the first failure: ValueError: no shape"
    assert one.key != two.key
    assert failed_versions(history) == {("churn", 2): again}


def test_a_rollback_passes_over_a_version_that_failed() -> None:
    history = released(1, 2)
    back = taken_out(history, 2)
    assert back is not None
    history.add(back)
    other = Release(4, 200, BUYER.replace("gte: 1", "gte: 2"), models=back.models)
    history.add(other)
    found = before_without_failed(history, other)
    assert found == back, "not release 2, whose churn:2 failed"
    assert before_without_failed(history, back) is None, "release 1 says the same, release 2 put churn:2 in force"
    again = Release(5, 300, BUYER, models=(CHURN[2], ODD), by="ada")
    history.add(again)
    following = Release(6, 400, other.definitions, models=again.models)
    history.add(following)
    assert before_without_failed(history, following) == again, "somebody wanted churn:2 all the same"
    assert champions(again.models)["churn"] == CHURN[2]


def test_few_failures_of_many_scores_are_no_reason() -> None:
    health = ModelHealth()
    assert [health.take(ModelScores("churn", 1, 1_000, 19, 0)) for _ in range(30)] == [None] * 30
    assert health.take(ModelScores("churn", 2, 19, 19, 0)) is None
    assert health.take(ModelScores("churn", 2, 1, 1, 0)) == (20, 20)


def test_a_year_of_good_scores_does_not_hide_a_bad_day() -> None:
    health = ModelHealth()
    for _ in range(1_000):
        health.take(ModelScores("churn", 1, 1_000, 0, 0))
    assert health.take(ModelScores("churn", 1, 1_000, 500, 0)) == (1_000, 500)
