"""A preview says what two whole replays, one of each version, say."""

import json
from collections import defaultdict
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change
from segments.definitions import Definitions, parse_definitions
from segments.events import Plausibility
from segments.preview.page import preview_page
from segments.preview.plot import sparkline
from segments.preview.report import Preview, build_preview
from segments.preview.tally import Question, Tally, empty_tally, tally_users
from segments.preview.versions import BEFORE, Difference, differences, restricted, sides
from segments.replay import replay
from tests import strategies
from tests.segments.support import examples
from tests.strategies import Timeline

T = 1_795_341_600_000
MINUTE = 60_000
VIEWS = "{count: {event: View, within: 1h, gte: %d}}"


def file_of(*segments: str, top: str = "") -> Definitions:
    return parse_definitions(f"{top}\nsegments:\n" + "\n".join(f"  - {segment}" for segment in segments))


def segment(name: str, when: str, more: str = "") -> str:
    return f"{{name: {name}, when: {when}{more}}}"


def test_a_segment_differs_when_its_members_may() -> None:
    old = file_of(
        segment("a", VIEWS % 1), segment("b", "{segment: a}"), segment("c", VIEWS % 2), segment("d", VIEWS % 3)
    )
    new = file_of(
        segment("b", "{segment: a}"), segment("a", VIEWS % 4), segment("d", VIEWS % 3, ", owner: me, version: 7"),
        segment("e", VIEWS % 1),
    )  # fmt: skip
    assert differences(old, new) == [
        Difference("b", "changed", "a"),
        Difference("a", "changed"),
        Difference("e", "added"),
        Difference("c", "removed"),
    ]
    assert differences(old, old) == []


def test_settings_of_the_file_change_what_depends_on_them() -> None:
    segments = [
        segment("plain", VIEWS % 1),
        segment("visits", "{count: {event: Session Started, within: 7d, gte: 2}}"),
        segment("long", "{session: {of: duration, gt: 10m}}"),
        segment("daytime", '{local_time: {hours: "09:00-17:00"}}'),
    ]
    gap, zone = file_of(*segments, top="session: {gap: 1h}"), file_of(*segments, top="timezone: Europe/Berlin")
    assert [(each.segment, each.through) for each in differences(file_of(*segments), gap)] == [
        ("visits", "session.gap"), ("long", "session.gap"),
    ]  # fmt: skip
    assert [(each.segment, each.through) for each in differences(file_of(*segments), zone)] == [("daytime", "timezone")]


def test_what_the_calendar_moves_has_changed() -> None:
    weekly = "{name: weekly, when: {count: {event: X, within: this_week, gte: 1}}}"
    monthly = "{name: monthly, when: {recency: {event: X, not_within: this_month}}}"
    before = file_of(weekly, monthly)
    zone, weeks = (file_of(weekly, monthly, top=top) for top in ("timezone: Asia/Tokyo", "week_starts: sunday"))
    assert [(each.segment, each.through) for each in differences(before, zone)] == [
        ("weekly", "timezone"),
        ("monthly", "timezone"),
    ]
    assert [(each.segment, each.through) for each in differences(before, weeks)] == [("weekly", "week_starts")]


def test_only_what_is_asked_about_is_judged() -> None:
    old = file_of(segment("a", VIEWS % 1), segment("b", "{not: {segment: a}}"), segment("c", VIEWS % 2))
    new = file_of(segment("a", VIEWS % 1), segment("b", "{all: [{segment: a}]}"), segment("c", VIEWS % 2))
    (side,) = sides(old, new, differences(old, new), [])
    assert [each.name for each in side.segments] == ["a", "b", "a@before", "b@before"]
    (side,) = sides(old, new, differences(old, new), ["c"])
    assert "c" in [each.name for each in side.segments]


def test_versions_that_read_events_differently_run_apart() -> None:
    old, new = file_of(segment("a", VIEWS % 1)), file_of(segment("a", VIEWS % 2), top="properties: {price: number}")
    assert len(sides(old, new, differences(old, new), [])) == 2
    summed = file_of(segment("a", "{sum: {event: View, property: price, within: 1h, gt: 1}}"))
    assert len(sides(old, summed, differences(old, summed), [])) == 2
    assert restricted(summed, []).properties == {"price": "number"}


def tallied(
    old: Definitions, new: Definitions, users: list[list[tuple[bytes, int]]], **more: Any
) -> tuple[Question, Tally]:
    times = [written for events in users for _, written in events]
    last = more.pop("last", max(times))
    differing = differences(old, new)
    question = Question(
        sides=sides(old, new, differing, [each.name for each in new.segments]),
        watched=[each.segment for each in differing], first=min(times), last=last, bins=7, user_sample=2,
        allowed_lateness=3_600_000, plausibility=Plausibility(),
    )  # fmt: skip
    total = empty_tally(question)
    for part in (users[::2], users[1::2]):
        total.add(tally_users(question, part), question.user_sample)
    return question, total


def by_user(timeline: Timeline, owners: list[int]) -> list[list[tuple[bytes, int]]]:
    users: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for (time, event), owner in zip(timeline.events, owners, strict=True):
        users[f"u{owner}"].append((json.dumps({**event, "userId": f"u{owner}"}).encode(), time))
    return list(users.values())


def fold(changes: list[Change]) -> dict[tuple[str, str], Change]:
    return {(change.user_id, change.segment): change for change in changes if change.action != "updated"}


def members_at(changes: list[Change], name: str, until: int) -> set[str]:
    last = fold([change for change in changes if change.at <= until])
    return {user for (user, segment), change in last.items() if segment == name and change.action == "entered"}


@examples(80, 5_000, shrunk=True)
@given(strategies.definitions(), strategies.definitions(), strategies.timelines(), st.data())
def test_a_preview_is_the_difference_of_two_replays(
    one: dict[str, Any], two: dict[str, Any], timeline: Timeline, data: st.DataObject
) -> None:
    old, new = (parse_definitions(yaml.safe_dump(each, sort_keys=False)) for each in (one, two))
    owners = data.draw(st.lists(st.integers(0, 3), min_size=len(timeline.events), max_size=len(timeline.events)))
    users = by_user(timeline, owners)
    differing = differences(old, new)
    if not differing:
        return
    question, tally = tallied(old, new, users, last=timeline.until)
    preview = build_preview(question, tally, (old, new), differing, [s.name for s in new.segments], lambda *_: [])
    runs = [
        list(
            replay(each, [timed for events in users for timed in events], until=timeline.until, out_of_orderness=10**12)
        )
        for each in (old, new)
    ]
    agree(preview, runs, new, len(users))


def agree(preview: Preview, runs: list[list[Change]], new: Definitions, users: int) -> None:
    assert preview.users <= users
    for each in preview.segments:
        inside = [members_at(run, each.segment, preview.last) for run in runs]
        assert (each.enters.users, each.leaves.users) == (len(inside[1] - inside[0]), len(inside[0] - inside[1]))
        for history, run in zip((each.before, each.after), runs, strict=True):
            if history is not None:
                own = [change for change in run if change.segment == each.segment]
                counted = [len(members_at(own, each.segment, end)) for end in preview.bin_ends]
                assert history.members_over_time == counted
                assert history.entered == sum(change.action == "entered" for change in own)
                assert history.exited == sum(change.action == "exited" for change in own)
        members = {other.name: members_at(runs[1], other.name, preview.last) for other in new.segments}
        mine = inside[1] if each.after is not None else inside[0]
        shared = {
            name: len(mine & theirs) for name, theirs in members.items() if name != each.segment and mine & theirs
        }
        assert {overlap.segment: overlap.shared for overlap in each.overlaps} == shared


def view(user: str, minute: int) -> tuple[bytes, int]:
    time = T + minute * MINUTE
    event = {"type": "track", "event": "View", "userId": user, "timestamp": time, "messageId": f"{user}{minute}"}
    return json.dumps(event).encode(), time


def shown(old: Definitions, new: Definitions, users: list[list[tuple[bytes, int]]]) -> Preview:
    question, tally = tallied(old, new, users)
    others = [each.name for each in new.segments]
    return build_preview(question, tally, (old, new), differences(old, new), others, lambda *_: [])


def test_a_preview_worked_out_by_hand() -> None:
    old = file_of(segment("eager", VIEWS % 2), segment("seen", VIEWS % 1))
    new = file_of(segment("eager", VIEWS % 1, ", version: 2"), segment("seen", VIEWS % 1))
    users = [[view("a", 0), view("a", 50)], [view("b", 20)], [view("c", 0), view("c", 70)]]
    preview = shown(old, new, users)
    (eager,) = preview.segments
    assert (preview.users, preview.first, preview.last, preview.unchanged) == (3, T, T + 70 * MINUTE, ["seen"])
    assert preview.events == {"applied": 5, "duplicates": 0, "late": 0, "rejected": 0}
    assert eager.before is not None
    assert eager.after is not None
    # before: a is in from minute 50 to 60; after: a and b until the end, c with a pause from 60 to 70
    assert (eager.before.members, eager.before.entered, eager.before.exited) == (0, 1, 1)
    assert eager.before.mean == round(10 / 70, 3)
    assert (eager.after.members, eager.after.entered, eager.after.exited) == (3, 4, 1)
    assert eager.after.mean == round((70 + 50 + 60) / 70, 3)
    assert eager.after.changes_per_day == round(5 * 24 * 60 / 70, 3)
    assert (eager.before.version, eager.after.version) == (1, 2)
    assert eager.enters.users == 3
    assert {user.user_id for user in eager.enters.sample} < {"a", "b", "c"}
    assert all(reason.holds for user in eager.enters.sample for reason in user.because)
    assert [(each.segment, each.shared, each.jaccard) for each in eager.overlaps] == [("seen", 3, 1.0)]


def test_reasons_name_segments_as_the_file_does() -> None:
    old = file_of(segment("base", VIEWS % 1), segment("top", "{segment: base}"))
    new = file_of(segment("base", VIEWS % 2), segment("top", "{segment: base}"))
    preview = shown(old, new, [[view("a", 0)], [view("b", 0), view("b", 1)]])
    top = next(each for each in preview.segments if each.segment == "top")
    (leaver,) = top.leaves.sample
    assert (top.through, leaver.user_id) == ("base", "a")
    assert [reason.condition for reason in leaver.because] == ["in segment base"]
    assert BEFORE not in preview_page(preview, "title")


def test_a_page_stands_alone_and_escapes_what_users_send() -> None:
    old, new = file_of(segment("seen", VIEWS % 2)), file_of(segment("seen", VIEWS % 1))
    page = preview_page(shown(old, new, [[view("<b>&", 0)]]), "new <against> old")
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert page.count("<polyline") == 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_line_of_blocks_is_never_wider_than_asked() -> None:
    assert sparkline(list(range(100)), 8, 99) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0], 8, 0) == "▁▁"
