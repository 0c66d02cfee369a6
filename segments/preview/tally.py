"""What both versions make of users: counted user by user, added up over partitions in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec

from segments.changes import Change
from segments.control import Thresholds
from segments.definitions.model import Definitions
from segments.engine import Engine
from segments.events import Plausibility
from segments.models.released import ModelVersion
from segments.models.scores import ScorerSource, in_force, unscored
from segments.outcome import Outcome
from segments.plan import Plan
from segments.population.bounds import Bounds
from segments.preview.versions import BEFORE
from segments.processor import Processor
from segments.profiles import user_checksum

_USERS_AT_ONCE = 1_000


class Question(msgspec.Struct, frozen=True):
    """What to run and what to count; times in ms. `watched` are the segments of the new or the old file that differ."""

    sides: list[Definitions]
    watched: list[str]
    first: int
    last: int
    bins: int
    user_sample: int
    allowed_lateness: int
    plausibility: Plausibility
    bounds: list[Thresholds] = []  # of the population, as found before
    models: tuple[ModelVersion, ...] = ()  # in force, for both versions
    scorers: ScorerSource = unscored  # handed to other processes by its name

    @property
    def bin_width(self) -> int:
        """Return the width (ms) of a bin of the plots."""
        return (self.last - self.first) // self.bins + 1


class Course(msgspec.Struct):
    """A segment over time: `steps` are the net changes in each bin, `member_ms` the time that all spent inside."""

    steps: list[int]
    entered: int = 0
    exited: int = 0
    member_ms: int = 0

    def add(self, other: Course) -> None:
        """Add another part's users."""
        self.steps = [mine + theirs for mine, theirs in zip(self.steps, other.steps, strict=True)]
        self.entered += other.entered
        self.exited += other.exited
        self.member_ms += other.member_ms


class Mover(msgspec.Struct, frozen=True):
    """A user in one version's segment and not in the other's; `before` and `after` are their last changes in each."""

    rank: int
    user_id: str
    before: Change | None
    after: Change | None


class Tally(msgspec.Struct):
    """The sum over users; names of the old version end in `@before`.

    `together` counts users by the sorted names of all segments they end in; `movers` has for (segment, enters) a
    sample of those who would enter (True) or leave (False): the ones with the smallest crc32.
    """

    users: int = 0
    counts: list[Counter[str]] = msgspec.field(default_factory=list)
    together: Counter[tuple[str, ...]] = msgspec.field(default_factory=Counter)
    courses: dict[str, Course] = msgspec.field(default_factory=dict)
    movers: dict[tuple[str, bool], list[Mover]] = msgspec.field(default_factory=dict)

    def add(self, other: Tally, sample: int) -> None:
        """Add another part's users and keep `sample` movers of each kind."""
        self.users += other.users
        self.together.update(other.together)
        for mine, theirs in zip(self.counts, other.counts, strict=True):
            mine.update(theirs)
        for name, course in other.courses.items():
            self.courses[name].add(course)
        for key, movers in other.movers.items():
            self.movers[key] = sorted([*self.movers.get(key, []), *movers], key=_rank)[:sample]


def empty_tally(question: Question) -> Tally:
    """Return the tally of no users."""
    names = [name for each in question.watched for name in (each, each + BEFORE)]
    counts = [Counter[str]() for _ in question.sides]
    return Tally(counts=counts, courses={name: Course([0] * question.bins) for name in names})


def tally_users(question: Question, users: Iterable[Sequence[tuple[bytes, int]]]) -> Tally:
    """Return what becomes of users, each with all events by time; `question.last` is where time ends."""
    return _Counting(question).of(users)


class _Counting:
    def __init__(self, question: Question) -> None:
        self._question = question
        self._width = question.bin_width
        models = in_force(question.models, question.scorers)
        self._engines = [
            Engine(
                Plan(side, question.plausibility, bounds=Bounds(question.bounds), models=models),
                allowed_lateness=question.allowed_lateness,
            )
            for side in question.sides
        ]
        self._tally = empty_tally(question)

    def of(self, users: Iterable[Sequence[tuple[bytes, int]]]) -> Tally:
        for batch in _batches(users):
            self._count_batch([payload for payload, _ in batch], [written for _, written in batch])
        return self._tally

    def _count_batch(self, payloads: list[bytes], written: list[int]) -> None:
        last: dict[str, dict[str, Change]] = {}
        users = 0
        for engine, counts in zip(self._engines, self._tally.counts, strict=True):
            processor = Processor(engine)  # of its own: what is done with these users is forgotten
            outcome = processor.process(payloads, list(written))
            later = processor.advance(self._question.last)
            users = max(users, len(processor.profiles))
            _add_counts(counts, outcome)
            for change in chain(outcome.changes, later.changes):
                self._record(change)
                last.setdefault(change.user_id, {})[change.segment] = change
        self._tally.users += users
        for user_id, changes in last.items():
            self._place(user_id, changes)

    def _record(self, change: Change) -> None:
        course = self._tally.courses.get(change.segment)
        if course is None:
            return
        last = self._question.last
        at = min(change.at, last)  # a user's own clock may be a little ahead
        place = max(0, at - self._question.first) // self._width
        if change.action == "entered":
            course.entered += 1
            course.steps[place] += 1
            course.member_ms += last - at
        elif change.action == "exited":
            course.exited += 1
            course.steps[place] -= 1
            course.member_ms -= last - at

    def _place(self, user_id: str, changes: dict[str, Change]) -> None:
        """Count where a user ends, and keep those who are in one version only, if they belong to the sample."""
        inside = [name for name, change in changes.items() if change.action != "exited"]
        if inside:
            self._tally.together[tuple(sorted(inside))] += 1
        for name in self._question.watched:
            enters = name in inside
            if enters != (name + BEFORE in inside):
                self._keep(name, enters, user_id, changes)

    def _keep(self, name: str, enters: bool, user_id: str, changes: dict[str, Change]) -> None:
        kept = self._tally.movers.setdefault((name, enters), [])
        rank = user_checksum(user_id)
        sample = self._question.user_sample
        if sample and (len(kept) < sample or rank < kept[-1].rank):
            kept.append(Mover(rank, user_id, changes.get(name + BEFORE), changes.get(name)))
            kept.sort(key=_rank)
            del kept[sample:]


def _rank(mover: Mover) -> tuple[int, str]:
    return mover.rank, mover.user_id


def _add_counts(counts: Counter[str], outcome: Outcome) -> None:
    counts["applied"] += outcome.applied
    counts["duplicates"] += outcome.duplicates
    counts["late"] += len(outcome.late)
    counts["rejected"] += len(outcome.rejected)
    counts.update(f"rejected.{rejected.reason}" for _, rejected in outcome.rejected)


def _batches(users: Iterable[Sequence[tuple[bytes, int]]]) -> Iterator[list[tuple[bytes, int]]]:
    batch: list[tuple[bytes, int]] = []
    for number, events in enumerate(users, 1):
        batch += events
        if number % _USERS_AT_ONCE == 0:
            yield batch
            batch = []
    if batch:
        yield batch
