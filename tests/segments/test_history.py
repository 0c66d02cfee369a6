from segments.control import Release, Thresholds
from segments.history import History, first_release, same_meaning

BUYER = "segments: [{name: buyer, when: {lifetime: {of: count, event: Order Completed, gte: 1}}}]"
LOYAL = "segments: [{name: loyal, when: {lifetime: {of: count, event: Order Completed, gte: 5}}}]"


def test_the_first_of_two_records_with_one_number_counts() -> None:
    history = History([first_release(BUYER)])
    assert history.add(Release(2, 10, LOYAL))
    assert not history.add(Release(2, 20, BUYER))
    assert history.add(Thresholds(2, 10, {}, {})), "thresholds are counted by themselves"
    assert [release.effective_at for release in history.releases] == [0, 10]
    assert history.current == Release(2, 10, LOYAL)
    assert history.release(1) == first_release(BUYER)
    assert history.release(3) is None


def test_an_empty_history_has_no_release() -> None:
    assert History().current is None
    assert History().following("submit", BUYER, effective_at=0).number == 1


def test_a_release_never_takes_effect_before_the_one_it_follows() -> None:
    history = History([Release(1, 100, BUYER)])
    assert history.following("release", LOYAL, effective_at=50).effective_at == 100
    following = history.following("release", LOYAL, effective_at=150, by="ada", note="loyal", released_at=7)
    assert following == Release(2, 150, LOYAL, by="ada", note="loyal", released_at=7)


def test_what_was_before_has_other_definitions() -> None:
    history = History(
        [Release(1, 0, BUYER), Release(2, 1, LOYAL), Release(3, 2, f"# again\n{LOYAL}"), Release(4, 3, LOYAL, LOYAL)]
    )
    for number in (2, 3, 4):
        release = history.release(number)
        assert release is not None
        assert history.before(release) == Release(1, 0, BUYER)
    first = history.release(1)
    assert first is not None
    assert history.before(first) is None


def test_meaning_is_not_wording() -> None:
    assert same_meaning(BUYER, f"# comment\n{BUYER}")
    assert not same_meaning(BUYER, LOYAL)
    assert not same_meaning(BUYER, "segments: [")


def test_of_the_populations_bounds_those_are_kept_that_may_be_asked_for() -> None:
    day = 86_400_000
    bounds = [
        Thresholds(1, 0, {"rare": 1.0}, {"rare": 5}),
        Thresholds(2, 0, {"often": 1.0}, {"often": 5}),
        Thresholds(3, day, {"often": 2.0}, {"often": 5}),
        Thresholds(4, 2 * day, {"often": 3.0}, {"often": 5}),
    ]
    history = History([Release(1, 0, BUYER), *bounds])
    assert history.in_use() == [Release(1, 0, BUYER), bounds[0], bounds[2], bounds[3]]
    assert not history.add(bounds[1])
    assert history.heard == 5
