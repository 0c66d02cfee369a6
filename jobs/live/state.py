"""The job's own state against the memberships topic, while events go on: only users who stand still can differ."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.live.question import ask
from jobs.live.report import Found
from jobs.settings import Settings
from segments.changes import Memberships
from segments.inspection import Choice, Stands, stands
from serving.memberships import SegmentMemberships

_ROUNDS = 4
_MOST_ASKED = 5_000
UNKNOWN: Stands = (0, {})


def compare_state(settings: Settings, view: SegmentMemberships, choice: Choice, rate: int, found: Found) -> None:
    """Note in `found` who differs between the job and the topic; raises TopicError, kafka.errors.KafkaError.

    Who differs is asked for again: a user who has moved in between was only on the way.
    """
    suspects = _first_round(settings, view, choice, rate, found)
    for _ in range(_ROUNDS - 1):
        if not suspects:
            return
        view.settle(on_the_way(settings))
        suspects = _again(settings, view, suspects, rate)
    for user, (text, _) in sorted(suspects.items()):
        found.differs(user, text)


def on_the_way(settings: Settings) -> float:
    """Return for how long (s) something that was written may not be readable yet."""
    return 2.0 + (2 * settings.flink.checkpoint_interval / 1_000 if settings.kafka.delivery == "exactly_once" else 0)


Suspects = dict[str, tuple[str, tuple[int, int]]]  # what differs, and the numbers of the changes that were compared


def _first_round(settings: Settings, view: SegmentMemberships, choice: Choice, rate: int, found: Found) -> Suspects:
    suspects: Suspects = {}
    known: set[str] = set()
    for answer in ask(settings, choice, rate=rate):
        view.refresh()
        known.update(answer.users)
        found.counts["users"] += len(answer.users)
        suspects.update(_compared(answer.users, view))
    for user in view:
        if user not in known and choice.has(user):
            suspects[user] = _text(UNKNOWN, view.of(user)) or "", (0, 0)
    return suspects


def _again(settings: Settings, view: SegmentMemberships, before: Suspects, rate: int) -> Suspects:
    """Return those who still differ and have not moved since."""
    asked = sorted(before)[:_MOST_ASKED]
    stand = dict.fromkeys(asked, UNKNOWN)
    for answer in ask(settings, Choice(), users=asked, rate=rate):
        stand.update(answer.users)
    view.refresh()
    still = _compared(stand, view)
    return still | {user: before[user] for user in sorted(before)[_MOST_ASKED:]}


def _compared(users: dict[str, Stands], view: SegmentMemberships) -> Suspects:
    suspects: Suspects = {}
    for user, state in users.items():
        told = view.of(user)
        text = _text(state, told)
        if text is not None:
            suspects[user] = text, (state[0], told.seq if told else 0)
    return suspects


def _text(state: Stands, told: Memberships | None) -> str | None:
    """Return what differs between state and topic, None when nothing does; a tombstone has no number."""
    seq, segments = state
    told_seq, told_segments = (seq, {}) if told is None else stands(told)
    if seq != told_seq:
        return f"the job is at change {seq}, the memberships topic at {told_seq}"
    different = sorted(
        name for name in segments.keys() | told_segments.keys() if segments.get(name) != told_segments.get(name)
    )
    return "; ".join(_segment(name, segments.get(name), told_segments.get(name)) for name in different) or None


def _segment(name: str, state: tuple[int, int] | None, told: tuple[int, int] | None) -> str:
    return f"segment {name}: the job says {_inside(state)}, the memberships topic {_inside(told)}"


def _inside(entry: tuple[int, int] | None) -> str:
    return "not inside" if entry is None else f"inside since {entry[1]}, version {entry[0]}"


def chunks(users: Iterable[str], size: int) -> Iterable[list[str]]:
    """Yield users in lists of at most `size`."""
    some: list[str] = []
    for user in users:
        some.append(user)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
