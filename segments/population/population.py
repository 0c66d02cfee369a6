"""A worker's part of the population: its users' numbers, whom a new bound moves, what is reported for the next one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from segments.changes import Change
from segments.conditions.threshold import PopulationThreshold
from segments.control import Thresholds
from segments.definitions.threshold import Threshold
from segments.events import RejectedEvent
from segments.failures import failure
from segments.population.bounds import Bounds
from segments.profile import NEVER, Profile, encode_profile, restore_profile
from segments.profiles import Profiles
from segments.timeline import Timeline

if TYPE_CHECKING:  # what they need loads slowly, and most definitions have no threshold
    from segments.population.columns import Columns, Floats
    from segments.population.rounds import Report, Schedule


class Population:
    """Follows the users of a worker; times in ms. It costs nothing as long as no definition has a threshold.

    A new bound is known to every condition at once. What must be done is to find the users for whom it matters, and to
    have them judged when it takes effect: some at a time (`sweep`), and each before anything else happens to it.
    """

    def __init__(
        self,
        timeline: Timeline,
        profiles: Profiles,
        bounds: Bounds,
        let_happen: Callable[[str, Profile, int, list[Change]], None],
    ) -> None:
        self._timeline = timeline
        self._profiles = profiles
        self._bounds = bounds
        self._columns: Columns
        self._schedule: Schedule
        self.thresholds: Mapping[str, PopulationThreshold] = {}  # of all definitions in use, by key
        self._waiting = array("I")  # numbers of users to look at, each marked
        self._marked = bytearray()
        self._starts = NEVER  # the first instant at which a bound takes effect that those who wait do not know of
        self._let_happen = let_happen
        self.changes: list[Change] = []  # where to tell what follows at once, because the user is past the instant
        self.follow()

    @property
    def left(self) -> int:
        """How many users are still to be looked at."""
        return len(self._waiting)

    def follow(self) -> None:
        """Follow the thresholds of the definitions now known; the users' numbers for new ones are found by `sweep`."""
        compiled = [each for plan in self._timeline.plans() for each in plan.thresholds.values()]
        if not compiled:
            return
        if not self.thresholds:
            self._begin()
        known = set(self.thresholds)
        self._columns.follow(compiled)
        self.thresholds = self._columns.thresholds
        self._profiles.watcher = self
        if self.thresholds.keys() - known:
            self._profiles.settle()  # now all users have a number
            self._wait(range(self._profiles.numbered))

    def _begin(self) -> None:
        from segments.population.columns import Columns  # noqa: PLC0415 - as above
        from segments.population.rounds import Schedule  # noqa: PLC0415 - as above

        self._columns, self._schedule = Columns(), Schedule()

    def accept(self, record: Thresholds) -> bool:
        """Take in new bounds; False when their version is known already."""
        moved = self._bounds.accept(record)
        if not self.thresholds:
            return bool(moved)
        self._profiles.settle()
        for key, (before, after) in moved.items():
            if key in self.thresholds:
                self._starts = min(self._starts, after.starts)
                self._wait(self._columns.of(key).moved_by(before, after))
        return bool(moved)

    def sweep(self, users: int, until: int, changes: list[Change]) -> int:
        """Have up to so many of those who wait judged, up to `until`; returns how many are left over of `users`."""
        profiles = self._profiles
        while self._waiting and users:
            number = self._waiting.pop()
            if self._marked[number]:
                users -= 1
                user_id = profiles.user(number)
                with suppress(RejectedEvent):
                    profile = profiles.open(user_id)
                    if profile.due <= until:
                        self._let_happen(user_id, profile, until, changes)
                profiles.settle_if_many()
        if not self._waiting:
            self._starts = NEVER
        return users

    def reports(self, watermark: int, shards: list[int]) -> Iterator[Report]:
        """Return a report for each threshold whose interval has ended by the watermark; none while users wait."""
        due = self._due(watermark)
        if not due:
            return
        from segments.population.rounds import Report  # noqa: PLC0415 - as above
        from segments.population.summary import summarize  # noqa: PLC0415 - as above

        for key, instant in due:
            spec = self.thresholds[key].spec
            yield Report(key, instant, watermark, shards, summarize(spec, self._numbers(key, watermark)))

    def rounds(self, watermark: int, starts: int) -> Iterator[Thresholds]:
        """Return the records of the rounds that have ended, as if these were all users; in effect from `starts`."""
        due = self._due(watermark)
        if not due:
            return
        from segments.population.rounds import next_record  # noqa: PLC0415 - as above
        from segments.population.summary import exact_bound  # noqa: PLC0415 - as above

        for key, _ in due:
            threshold = self.thresholds[key]
            numbers = self._numbers(key, watermark)
            found = exact_bound(threshold.spec, numbers)
            yield next_record(threshold, found, len(numbers), self._bounds, self._bounds.version + 1, starts)

    def loaded(self, numbers: Sequence[int]) -> None:
        """Find the numbers of users that were read from the state; they may not know of the newest bounds."""
        newest = (self._bounds.of(key).newest().starts for key in self.thresholds)
        self._starts = min([self._starts, *(starts for starts in newest if starts > 0)])
        self._wait(numbers)

    def settled(self, number: int, profile: Profile) -> None:
        """Take the numbers of a user whose profile changed."""
        try:
            self._columns.note(number, profile, self._compiled(profile))
        except Exception as error:  # noqa: BLE001 - a bug concerns one user
            self._failed(number, profile, error)
        if not profile.newest and number < len(self._marked):  # nobody is there to be looked at
            self._marked[number] = 0

    def opened(self, number: int, profile: Profile) -> None:
        """Let a user who waits know of the new bounds before anything else happens to it."""
        if number >= len(self._marked) or not self._marked[number]:
            return
        self._marked[number] = 0
        self.settled(number, profile)
        before, told = encode_profile(profile), len(self.changes)
        try:
            self._follow_bounds(self._profiles.user(number), profile)
        except Exception as error:  # noqa: BLE001 - a bug concerns one user
            del self.changes[told:]
            restore_profile(profile, before)
            self._failed(number, profile, error)

    def _failed(self, number: int, profile: Profile, error: Exception) -> None:
        user_id = self._profiles.user(number)
        self._profiles.unreadable.failures.append(failure("failed_threshold", user_id, profile.clock, error))

    def _follow_bounds(self, user_id: str, profile: Profile) -> None:
        if not self._moved(profile):
            return
        starts = self._starts
        engine = self._timeline.engine(profile.release)
        if starts > profile.clock:
            engine.ask_again(profile, starts)
        else:
            self._profiles.recent.note_time(user_id, profile, profile.clock)
            engine.follow_population(user_id, profile, self.changes)
        self._profiles.schedule(user_id, profile.due)

    def _moved(self, profile: Profile) -> bool:
        """Say whether a bound that this user may not know of moves it."""
        for key, threshold in self._compiled(profile).items():
            for before, after in self._bounds.of(key).since(self._starts):
                value = threshold.number(profile, max(after.starts, profile.clock)).value
                if value is None or not threshold.counts(value):
                    continue
                if (value >= before.value) != (value >= after.value):
                    return True
        return False

    def next_round(self) -> int:
        """Return the watermark at which the next round is due, NEVER where none is known to come."""
        return self._schedule.next(self._specs())

    def _specs(self) -> dict[str, Threshold]:
        return {key: each.spec for key, each in self.thresholds.items()}

    def _due(self, watermark: int) -> list[tuple[str, int]]:
        if self._waiting or not self.thresholds:
            return []
        return self._schedule.due(self._specs(), watermark)

    def _numbers(self, key: str, now: int) -> Floats:
        """Return the numbers of all who count, as of `now`: those that time alone changed are found anew."""
        self._profiles.settle()
        column = self._columns.of(key)
        for number in column.outdated(now):
            profile = self._profiles.peek(number)
            try:
                self._columns.renew(key, number, profile, self._compiled(profile), now)
            except Exception as error:  # noqa: BLE001 - a bug concerns one user
                self._failed(number, profile, error)
        return column.known()

    def _wait(self, numbers: Sequence[int]) -> None:
        marked, waiting = self._marked, self._waiting
        marked.extend(bytes(max(0, self._profiles.numbered - len(marked))))
        for number in numbers:
            if not marked[number]:
                marked[number] = 1
                waiting.append(number)

    def _compiled(self, profile: Profile) -> Mapping[str, PopulationThreshold]:
        release, is_there = profile.release, profile.newest > 0
        return self._timeline.engine(release).plan.thresholds if is_there and self._timeline.knows(release) else {}
