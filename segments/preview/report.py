"""The preview as a record: for each segment that differs, its members before and after, who moves, what it overlaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import accumulate

import msgspec

from segments.changes import Change, Reason
from segments.definitions.model import Definitions
from segments.preview.tally import Course, Mover, Question, Tally
from segments.preview.versions import BEFORE, Difference, Status

_DAY_MS = 86_400_000
Standing = Callable[[str, str], list[Reason]]

encode_report = msgspec.json.Encoder(order="deterministic").encode


class History(msgspec.Struct, frozen=True):
    """One version of a segment over the recording: `members` at the end, `members_over_time` at the end of each bin.

    `peak` is the largest of these, `mean` is exact over time, `changes_per_day` counts entries and exits.
    """

    version: int
    members: int
    peak: int
    mean: float
    entered: int
    exited: int
    changes_per_day: float
    members_over_time: list[int]


class MovedUser(msgspec.Struct, frozen=True):
    """A user whom the release would move; `at` (ms) and `cause` are those of the change that `because` explains.

    `at` and `cause` are None when no change led here: `because` then is how the new conditions stand at the end.
    """

    user_id: str
    at: int | None
    cause: str | None
    because: list[Reason]


class Moves(msgspec.Struct, frozen=True):
    """How many users a release would move, and some of them."""

    users: int
    sample: list[MovedUser]


class Overlap(msgspec.Struct, frozen=True):
    """How many members two segments share in the end, also as shares of this one's and of the other's members."""

    segment: str
    members: int
    shared: int
    jaccard: float
    share: float
    share_of_other: float


class SegmentPreview(msgspec.Struct, frozen=True):
    """One segment that differs; `through` names a segment or setting when its own definition is the same."""

    segment: str
    status: Status
    through: str | None
    before: History | None
    after: History | None
    enters: Moves
    leaves: Moves
    overlaps: list[Overlap]


class Preview(msgspec.Struct, frozen=True):
    """What new definitions would change; `first`, `last` and `bin_ends` in ms.

    `events` counts what became of the recorded events under the new version, `events_before` under the old one where
    it reads them differently.
    """

    first: int
    last: int
    users: int
    events: dict[str, int]
    events_before: dict[str, int] | None
    bin_ends: list[int]
    segments: list[SegmentPreview]
    unchanged: list[str]


def build_preview(
    question: Question,
    tally: Tally,
    versions: tuple[Definitions, Definitions],
    differing: Sequence[Difference],
    others: Collection[str],
    standing: Standing,
) -> Preview:
    """Return the report; `others` are the segments to compare members with, `standing` says how a user stands now."""
    before, after = ({segment.name: segment.version for segment in each.segments} for each in versions)
    sizes, pairs = _sizes_and_pairs(tally.together, {each.segment for each in differing})
    segments = []
    for each in differing:
        name = each.segment
        was = _history(question, tally.courses[name + BEFORE], before[name]) if name in before else None
        now = _history(question, tally.courses[name], after[name]) if name in after else None
        both = pairs[name, name + BEFORE]
        mine = name if now else name + BEFORE
        segments.append(
            SegmentPreview(
                segment=name,
                status=each.status,
                through=each.through,
                before=was,
                after=now,
                enters=_moves(tally, name, True, sizes[name] - both, standing),
                leaves=_moves(tally, name, False, sizes[name + BEFORE] - both, standing),
                overlaps=_overlaps(mine, [other for other in others if other != name], sizes, pairs),
            )
        )
    names = {each.segment for each in differing}
    return Preview(
        first=question.first,
        last=question.last,
        users=tally.users,
        events=dict(tally.counts[0]),
        events_before=dict(tally.counts[1]) if len(tally.counts) > 1 else None,
        bin_ends=[question.first + (n + 1) * question.bin_width - 1 for n in range(question.bins)],
        segments=segments,
        unchanged=[name for name in after if name not in names],
    )


def nothing_differs(after: Definitions) -> Preview:
    """Return the report on a version that moves nobody: no event needs to be looked at."""
    unchanged = [segment.name for segment in after.segments]
    return Preview(0, 0, 0, {}, None, [], [], unchanged)


def _history(question: Question, course: Course, version: int) -> History:
    members = list(accumulate(course.steps))
    span = max(1, question.last - question.first)
    return History(
        version=version,
        members=members[-1],
        peak=max(members),
        mean=round(course.member_ms / span, 3),
        entered=course.entered,
        exited=course.exited,
        changes_per_day=round((course.entered + course.exited) * _DAY_MS / span, 3),
        members_over_time=members,
    )


def _sizes_and_pairs(
    together: Counter[tuple[str, ...]], differing: Collection[str]
) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Return members by segment, and by pair of a differing segment (either version) with any other."""
    sizes: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for names, users in together.items():
        for name in names:
            sizes[name] += users
            if name.removesuffix(BEFORE) in differing:
                for other in names:
                    pairs[name, other] += users
    return sizes, pairs


def _moves(tally: Tally, name: str, enters: bool, users: int, standing: Standing) -> Moves:
    return Moves(users, [_moved(mover, name, enters, standing) for mover in tally.movers.get((name, enters), [])])


def _moved(mover: Mover, name: str, enters: bool, standing: Standing) -> MovedUser:
    change: Change | None = mover.after
    if change is None and not enters:
        reasons = standing(mover.user_id, name)
        if reasons:
            return MovedUser(mover.user_id, None, None, reasons)
        change = mover.before
    if change is None:
        return MovedUser(mover.user_id, None, None, [])
    return MovedUser(mover.user_id, change.at, change.cause.kind, [_plain(reason) for reason in change.because])


def _plain(reason: Reason) -> Reason:
    return msgspec.structs.replace(reason, condition=reason.condition.replace(BEFORE, ""))


def _overlaps(mine: str, others: Iterable[str], sizes: Counter[str], pairs: Counter[tuple[str, str]]) -> list[Overlap]:
    found = []
    for other in others:
        shared, own, its = pairs[mine, other], sizes[mine], sizes[other]
        if shared:
            jaccard = shared / (own + its - shared)
            found.append(Overlap(other, its, shared, round(jaccard, 6), round(shared / own, 6), round(shared / its, 6)))
    return sorted(found, key=lambda each: (-each.jaccard, each.segment))
