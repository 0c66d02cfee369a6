"""What may be released next; the commands against a real Kafka are in tests/stack."""

import pytest

from jobs.cli.diff import shadow_since
from jobs.cli.history import history_report
from jobs.cli.release_text import scheduled
from jobs.release import progress_of
from jobs.release_planning import Intent, ReleaseError, failed_again, planned
from segments.audit import ReleaseDone, ReleaseRefused, refusals
from segments.control import Release
from segments.definitions import parse_definitions
from segments.history import History, first_release
from segments.models.health import without
from segments.models.released import ModelVersion
from segments.models.releasing import asked_by, with_challenger
from segments.release_diff import release_diff

NOW = 1_795_341_600_000
DAY = 86_400_000
BUYER = "segments:\n  - {name: buyer, when: {lifetime: {of: count, event: Order Completed, gte: 1}}}\n"
LOYAL = BUYER + "  - {name: loyal, when: {all: [{segment: buyer}, {recency: {event: any, within: 1h}}]}}\n"
SUBMITTED = History([first_release(BUYER)])


def test_a_release_takes_effect_once_all_have_heard_of_it() -> None:
    made = planned(SUBMITTED, Intent("release", LOYAL, by="ada", note="why"), NOW, NOW - 500)
    assert made == Release(2, NOW + 2_000, LOYAL, action="release", released_at=NOW, by="ada", note="why", refills=True)


def test_on_a_recorded_stream_it_takes_effect_after_its_end() -> None:
    assert planned(SUBMITTED, Intent("release", LOYAL), NOW, NOW - 30 * DAY).effective_at == NOW - 30 * DAY + 1
    assert planned(SUBMITTED, Intent("release", LOYAL, at=7), NOW, None).effective_at == 7


@pytest.mark.parametrize(
    ("history", "intent", "message"),
    [
        (History(), Intent("release", LOYAL), "no job was started"),
        (SUBMITTED, Intent("release", f"# said again\n{BUYER}"), "nothing changed: release 1 says the same"),
        (SUBMITTED, Intent("shadow", BUYER), "nothing to watch"),
        (SUBMITTED, Intent("promote"), "nothing is in the shadow"),
        (SUBMITTED, Intent("withdraw"), "nothing is in the shadow"),
        (SUBMITTED, Intent("rollback"), "there is no release before"),
        (SUBMITTED, Intent("rollback", to=9), "there is no such release"),
        (SUBMITTED, Intent("rollback", to=1), "release 1 says the same as release 1"),
        (History([Release(1, NOW, BUYER)]), Intent("release", LOYAL, at=NOW - 1), "release 1, which holds since"),
        (History([Release(1, 0, BUYER, LOYAL)]), Intent("shadow", LOYAL), "has the same in the shadow"),
        (SUBMITTED, Intent("release", LOYAL, at=NOW + 367 * DAY), "more than a year ahead"),
    ],
)
def test_what_makes_no_sense_is_refused(history: History, intent: Intent, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        planned(history, intent, NOW, None)


def test_a_rollback_goes_back_to_the_last_other_definitions() -> None:
    history = History([first_release(BUYER), Release(2, 5, LOYAL), Release(3, 6, f"# again\n{LOYAL}")])
    made = planned(history, Intent("rollback"), NOW, None)
    assert (made.number, made.definitions, made.note) == (4, BUYER, "back to release 1")
    assert planned(history, Intent("rollback", to=1, note="bad"), NOW, None).note == "bad"


def test_the_shadow_stays_until_it_is_promoted_or_withdrawn() -> None:
    history = History([first_release(BUYER)])
    history.add(planned(history, Intent("shadow", LOYAL), NOW, None))
    assert (history.releases[-1].definitions, history.releases[-1].shadow) == (BUYER, LOYAL)
    other = BUYER.replace("gte: 1", "gte: 2")
    assert planned(history, Intent("release", other), NOW, None).shadow == LOYAL
    promoted = planned(history, Intent("promote"), NOW, None)
    assert (promoted.definitions, promoted.shadow) == (LOYAL, None)
    withdrawn = planned(history, Intent("withdraw"), NOW, None)
    assert (withdrawn.definitions, withdrawn.shadow) == (BUYER, None)


LEAVING = BUYER + "  - {name: leaving, when: {model: {name: churn, gte: 0.7}}}\n"
CHURN = {number: ModelVersion("churn", number, "classify", {}, "", str(number)) for number in (1, 2, 3)}


def told(*made: Release) -> History:
    return History([first_release(BUYER), *made])


def released(history: History, intent: Intent) -> Release:
    """Release something, as its command does."""
    made = planned(history, intent, NOW, None)
    history.add(made)
    return made


def test_a_model_is_released_and_stays_with_definitions_that_come_later() -> None:
    history = told()
    first = released(history, Intent("release", model=CHURN[1]))
    assert (first.definitions, first.models, first.note) == (BUYER, (CHURN[1],), "churn:1")
    assert released(history, Intent("release", LEAVING)).models == (CHURN[1],)
    second = released(history, Intent("release", model=CHURN[2]))
    assert (second.definitions, second.models, second.note) == (LEAVING, (CHURN[2],), "churn:2 instead of churn:1")
    back = released(history, Intent("rollback"))
    assert (back.definitions, back.models) == (LEAVING, (CHURN[1],))
    assert released(history, Intent("rollback", to=1)).models == ()


def test_a_challenger_is_in_the_shadow_until_it_is_promoted() -> None:
    history = told(Release(2, 1, LEAVING, models=(CHURN[1],)))
    tried = released(history, Intent("shadow", model=CHURN[2]))
    assert (tried.definitions, [each.version for each in tried.models]) == (LEAVING, [1, 2])
    assert [(each.name, each.version) for each in asked_by(parse_definitions(tried.shadow or ""))] == [("churn", 2)]
    wider = LEAVING.replace("0.7", "0.5")
    assert "0.5" in (released(history, Intent("release", wider)).shadow or ""), "the shadow follows the live ones"
    won = planned(history, Intent("promote"), NOW, None)
    assert (won.definitions, won.shadow, won.models, won.note) == (wider, None, (CHURN[2],), "churn:2")
    lost = planned(history, Intent("withdraw"), NOW, None)
    assert (lost.definitions, lost.shadow, lost.models) == (wider, None, (CHURN[1],))
    back = planned(history, Intent("rollback"), NOW, None)
    assert (back.definitions, back.shadow, back.models) == (LEAVING, None, (CHURN[1],))


ASKED = told(Release(2, 1, LEAVING, models=(CHURN[1],)))
PINNED = LEAVING.replace("0.7", "0.7, version: 2")
TRIED = told(Release(2, 1, LEAVING, PINNED, models=with_challenger([CHURN[1]], CHURN[2])))
OTHER = told(Release(2, 1, LEAVING, BUYER, models=(CHURN[1],)))


@pytest.mark.parametrize(
    ("history", "intent", "message"),
    [
        (told(), Intent("release", LEAVING), "leaving asks model churn, of which no version is in force: segments"),
        (told(), Intent("shadow", LEAVING), "nothing was released"),
        (ASKED, Intent("release", model=CHURN[1]), "churn:1 is in force since release 2"),
        (ASKED, Intent("shadow", model=CHURN[1]), "churn:1 is the version in force"),
        (told(), Intent("shadow", model=CHURN[1]), "no segment asks model churn"),
        (TRIED, Intent("shadow", model=CHURN[2]), "churn:2 is in the shadow"),
        (TRIED, Intent("shadow", BUYER), "churn:2 is in the shadow: segments promote or"),
        (OTHER, Intent("shadow", model=CHURN[2]), "other definitions are"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(history: History, intent: Intent, message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        planned(history, intent, NOW, None)


def test_a_version_that_failed_comes_back_only_where_somebody_names_it_and_that_is_said() -> None:
    history = told(Release(2, 1, LEAVING, models=(CHURN[1],)), Release(3, 2, LEAVING, models=(CHURN[2],)))
    back = without(history, "churn", 2, "failed for 30 of 100 scores", at=9, now=NOW)
    assert back is not None
    history.add(back)
    assert released(history, Intent("rollback")).models == (), "to release 1, not to churn:2"
    named = planned(history, Intent("rollback", to=3), NOW, None)
    assert named.models == (CHURN[2],)
    assert failed_again(history, named) == [
        "churn:2 was taken out by the job once: release 4, churn:2 failed for 30 of 100 scores: back to churn:1"
    ]
    assert failed_again(history, planned(history, Intent("release", model=CHURN[2]), NOW, None)) != []
    assert failed_again(history, planned(history, Intent("release", model=CHURN[3]), NOW, None)) == []
    history.add(named)
    assert failed_again(history, planned(history, Intent("release", BUYER), NOW, None)) == [], "said once"


def test_history_says_which_versions_came() -> None:
    history = told(Release(2, 1, LEAVING, models=(CHURN[1],)), Release(3, 2, LEAVING, models=(CHURN[2],)))
    assert [each.models for each in history_report(history).releases] == [
        [],
        ["model     churn: none -> 1"],
        ["model     churn: 1 -> 2"],
    ]


def test_progress_counts_each_shard_once_and_only_of_this_release() -> None:
    release = Release(2, 5, LOYAL)
    said = [
        ReleaseDone(2, 5, False, [0, 2], 10, 3, 0, 9),
        ReleaseDone(2, 5, False, [0, 2], 0, 0, 0, 12),
        ReleaseDone(2, 4, False, [1], 5, 5, 0, 9),
        ReleaseDone(2, 5, False, [1], 7, 1, 0, 10),
    ]
    done = progress_of(release, said)
    assert (done.shards, done.users, done.changes) == (3, 17, 4)


def test_the_history_says_what_each_release_changed() -> None:
    releases = [
        first_release(BUYER),
        Release(2, 5, LOYAL, by="ada", note="loyal"),
        Release(3, 6, LOYAL, LOYAL.replace("1h", "2h"), action="shadow"),
        Release(4, 7, BUYER.replace("gte: 1", "gte: 3"), action="rollback"),
    ]
    whole = history_report(History(releases))
    assert [[(each.segment, each.kind) for each in release.changed] for release in whole.releases] == [
        [("buyer", "added")],
        [("loyal", "added")],
        [],
        [("buyer", "changed"), ("loyal", "removed")],
    ]
    assert [(each.segment, each.kind) for each in whole.releases[2].in_shadow] == [("loyal", "changed")]
    loyal = history_report(History(releases), "loyal")
    assert [release.number for release in loyal.releases] == [2, 3, 4]
    assert history_report(History(releases), "nobody").releases == []


def test_what_the_job_refused_is_history_and_nothing_builds_on_it() -> None:
    releases = [first_release(BUYER), Release(2, 5, LOYAL, "segments: [shadow]")]
    history = History(releases)
    history.refused = {2}
    reason = ReleaseRefused(2, 5, "not_usable", "too new", 9)
    report = history_report(history, refused=refusals([reason]))
    assert [each.refused for each in report.releases] == [None, "too new"]
    following = planned(history, Intent("release", LOYAL), NOW, None)
    assert (following.number, following.definitions, following.shadow) == (3, LOYAL, None)
    with pytest.raises(ReleaseError, match="nothing changed: release 1 says the same"):
        planned(history, Intent("release", BUYER), NOW, None)
    with pytest.raises(ReleaseError, match="release 2 was refused"):
        planned(history, Intent("rollback", to=2), NOW, None)
    with pytest.raises(ReleaseError, match="no release before"):
        planned(history, Intent("rollback"), NOW, None)
    assert [record.number for record in history.followed] == [1]  # type: ignore[union-attr]  # releases
    mended = [*releases, following]
    assert [each.changed for each in history_report(History(mended), refused=refusals([reason])).releases[1:]] == [
        history_report(History(releases)).releases[1].changed
    ] * 2, "what was refused changed nothing"


def test_a_shadow_runs_beside_the_live_definitions_since_the_later_of_the_two() -> None:
    releases = [first_release(BUYER), Release(2, 5, BUYER, LOYAL), Release(3, 9, BUYER, LOYAL, note="again")]
    assert shadow_since(History(releases)) == 5
    assert shadow_since(History([*releases, Release(4, 12, BUYER.replace("1", "2"), LOYAL)])) == 12
    assert shadow_since(History([*releases, Release(4, 12, BUYER, LOYAL, models=(CHURN[1],))])) == 12
    refused = History([*releases, Release(4, 12, BUYER.replace("1", "2"), LOYAL)])
    refused.refused = {4}
    assert shadow_since(refused) == 5


def test_a_release_that_cannot_be_read_is_history_too() -> None:
    releases = [first_release(BUYER), Release(2, 5, "segments: [from the future]", by="ada"), Release(3, 9, LOYAL)]
    found = history_report(History(releases)).releases
    assert [each.by for each in found] == ["", "ada", ""]
    assert found[1].unreadable is not None
    assert found[1].unreadable.startswith("release 2:1: ")
    assert [[diff.segment for diff in each.changed] for each in found] == [["buyer"], [], ["loyal"]]
    assert [each.number for each in history_report(History(releases), "loyal").releases] == [3]


def test_what_is_warming_in_the_shadow_is_called_so() -> None:
    found = history_report(History([first_release(BUYER)]), "loyal", ["loyal@shadow", "buyer"])
    assert found.warming == ["loyal@shadow"]


def test_a_release_that_waits_for_one_to_come_says_so() -> None:
    history = History([first_release(BUYER), Release(2, NOW + DAY, LOYAL)])
    made = planned(history, Intent("rollback"), NOW, None)
    assert made.effective_at == NOW + DAY
    assert "release 2 is still to come" in (scheduled(history.current, made, NOW) or "")
    assert scheduled(history.current, made, NOW + DAY) is None
    assert scheduled(first_release(BUYER), made, NOW) is None


def test_a_release_before_one_to_come_is_refused_with_the_ways_there_are() -> None:
    history = History([first_release(BUYER), Release(2, NOW + DAY, LOYAL)])
    other = LOYAL.replace("gte: 1", "gte: 2")
    with pytest.raises(ReleaseError, match=r"release 2, which is still to come, at .* UTC: .*segments rollback takes"):
        planned(history, Intent("release", other, at=NOW + 5), NOW, None)
    with pytest.raises(ReleaseError, match=r"release 2, which holds since .* UTC: nothing can hold then"):
        planned(history, Intent("release", other, at=NOW + 5), NOW + DAY, None)
    assert planned(history, Intent("release", other), NOW, None).effective_at == NOW + DAY


def test_what_only_people_and_lint_read_moves_nobody() -> None:
    for words in ("budget: {bytes_per_user: 9000}", "lint: {ignore: {S301: mine}}", "owner: shop"):
        (diff,) = release_diff(BUYER, BUYER.replace("name: buyer", f"name: buyer, {words}"))
        assert (diff.segment, diff.kind) == ("buyer", "reworded")


def test_a_difference_is_told_in_the_words_of_the_file() -> None:
    (changed, through) = release_diff(LOYAL, LOYAL.replace("gte: 1", "gte: 2"))
    assert (changed.segment, changed.kind, changed.through) == ("buyer", "changed", None)
    assert [line[0] for line in changed.lines if "gte" in line] == ["-", "+"]
    assert (through.segment, through.through, through.lines) == ("loyal", "buyer", [])
    (reworded,) = release_diff(BUYER, BUYER.replace("name: buyer", "name: buyer, owner: shop"))
    assert (reworded.kind, "+owner: shop" in reworded.lines) == ("reworded", True)
    assert [each.kind for each in release_diff(None, LOYAL)] == ["added", "added"]
