"""The job's own state against the memberships topic, while events go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from jobs.live.judging import MOST_LOOKS, Look, judge
from jobs.live.looks import MOST, Waiting
from jobs.live.question import ask, showing
from jobs.live.report import Found
from jobs.live.told import Told, Unreadable
from jobs.settings import Settings
from segments.changes import Memberships
from segments.inspection import Choice, Stands, stands

_ASKED_TOGETHER = 5_000
UNKNOWN: Stands = (0, {})
T = TypeVar("T")


def on_the_way(settings: Settings) -> float:
    """Return for how long (s) something that was written may not be readable yet."""
    return 2.5 + (2 * settings.flink.checkpoint_interval / 1_000 if settings.kafka.delivery == "exactly_once" else 0)


def compare_state(
    settings: Settings, told: Told, choice: Choice, rate: int, found: Found, progress: Callable[[int, int], None]
) -> None:
    """Note in `found` who differs between the job and the topic; raises TopicError, TimeoutError, KafkaError.

    Who cannot be judged yet is asked for again by name. `progress` is told how many users were looked at, and of how
    many.
    """
    side = StateSide(told, found, Waiting(on_the_way(settings)))
    for answer in showing(ask(settings, choice, rate=rate), progress):
        told.refresh()
        told.table.know(answer.users)
        found.counts["users"] += len(answer.users)
        side.look(answer.users, {})
    for some in chunks(told.table.unknown(), _ASKED_TOGETHER):
        side.look(dict.fromkeys(some, UNKNOWN), {})
    while side.waiting:
        told.settle(side.waiting.left())
        before = side.waiting.due()
        for some in chunks(before, _ASKED_TOGETHER):
            now = dict.fromkeys(some, UNKNOWN)
            for answer in ask(settings, Choice(), users=some, rate=rate):
                now.update(answer.users)
            told.refresh()
            side.look(now, before)


class StateSide:
    """Judges what the job says of users. Of too many who cannot be judged at once, some are not compared."""

    def __init__(self, told: Told, found: Found, waiting: Waiting[Stands]) -> None:
        self._told, self._found, self.waiting = told, found, waiting

    def look(self, users: Mapping[str, Stands], before: Mapping[str, list[Look[Stands]]]) -> None:
        """Judge users by what the job said and, since then, the topic."""
        again: dict[str, list[Look[Stands]]] = {}
        for user, stand in users.items():
            now = self._told.now(user)
            if isinstance(now, Unreadable):
                self._found.differs(user, now.why)
                continue
            reached = self._told.reached(user, now)
            look = Look(stand, stand[0], not stand[1], now.seq if now else None, reached)
            looks = [*before.get(user, ()), look]
            verdict = judge(looks, self._told.of(user), difference, "the job")
            if verdict.text is not None:
                self._found.differs(user, verdict.text)
            elif verdict.is_open and len(looks) < MOST_LOOKS and len(self.waiting) + len(again) < MOST:
                again[user] = looks
            elif verdict.is_open:
                self._found.not_compared(user)
        self.waiting.add(again)


def difference(told: Memberships, state: Stands) -> str | None:
    """Return what differs between the job and the record of the same number."""
    segments, told_segments = state[1], stands(told)[1]
    different = sorted(
        name for name in segments.keys() | told_segments.keys() if segments.get(name) != told_segments.get(name)
    )
    return "; ".join(_segment(name, segments.get(name), told_segments.get(name)) for name in different) or None


def _segment(name: str, state: tuple[int, int] | None, told: tuple[int, int] | None) -> str:
    return f"segment {name}: the job says {_inside(state)}, the memberships topic {_inside(told)}"


def _inside(entry: tuple[int, int] | None) -> str:
    return "not inside" if entry is None else f"inside since {entry[1]}, version {entry[0]}"


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield items in lists of at most `size`."""
    some: list[T] = []
    for each in items:
        some.append(each)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
