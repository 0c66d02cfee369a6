from segments.changes import Action, Cause, Change, Reason
from segments.shadow_diff import DAY_MS, Members, compare

NOON = 1_795_341_600_000


def change(user: str, action: Action, at: int, seq: int, segment: str = "active") -> Change:
    because = [Reason("count of any in 1h", ">= 2", seq, action == "entered")]
    return Change(user, segment, 1, action, NOON + at, seq, Cause("timer"), because, None, None, 1.0, None)


def members(*changes: Change, since: int = 0) -> Members:
    found = Members(["active"], NOON + since)
    for each in changes:
        found.add(each)
    return found


def test_members_of_each_of_both_and_of_one_only() -> None:
    live = members(change("a", "entered", 1, 1), change("b", "entered", 2, 1), change("c", "entered", 3, 1))
    shadow = members(
        change("a", "entered", 1, 1),
        change("b", "entered", 2, 1),
        change("b", "exited", 9, 2),
        change("d", "entered", 4, 1),
        change("e", "entered", 5, 1, segment="another"),
    )
    (found,) = compare(2, NOON, live, shadow).segments
    assert (found.live, found.shadow, found.both, found.only_live, found.only_shadow) == (3, 2, 1, 2, 1)
    assert found.jaccard == 0.25
    told = [(each.user_id, each.only, each.at - NOON, each.because[0].value) for each in found.sample]
    assert told == [("b", "live", 9, 2), ("d", "shadow", 4, 1), ("c", "live", 3, 1)]
    assert len(compare(2, NOON, live, shadow, sample=1).segments[0].sample) == 1


def test_what_is_being_filled_in_is_marked() -> None:
    found = [compare(2, NOON, members(), members(), warming=names).segments[0].warming for names in (["active"], [])]
    assert found == [True, False]


def test_changes_a_day_count_from_when_both_ran_and_each_once() -> None:
    first = change("a", "entered", 5, 2)
    live = members(change("a", "entered", 1, 1), first, first, change("b", "entered", 2 * DAY_MS + 2, 1), since=2)
    assert live.counted == {"active": 2}
    report = compare(7, NOON + 2, live, members(since=2))
    (found,) = report.segments
    assert (report.release, report.since, report.until) == (7, NOON + 2, NOON + 2 * DAY_MS + 2)
    assert (found.live_changes_a_day, found.shadow_changes_a_day) == (1.0, 0.0)
