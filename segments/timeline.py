"""Which definitions hold from when on: a profile follows them through event time, whenever it is looked at."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from segments.backfills import Backfills
from segments.changes import Cause, Change
from segments.control import Release
from segments.engine import Engine
from segments.events import Event, EventDecoder, RejectedEvent
from segments.features.scored import BY
from segments.hierarchy import over_a_release
from segments.plan import Plan
from segments.profile import NEVER, UNJUDGED, Layout, Profile, encode_profile, mover, restore_profile
from segments.shadow import promoted
from segments.shadow_names import SHADOW

DEFINITION = Cause("definition")


class _Way(NamedTuple):
    """What all users share who go from one release to another."""

    move: Callable[[Profile], None]
    staying: frozenset[str]
    promoted: tuple[str, ...]
    dismisses: bool
    scores: tuple[tuple[int, int, int], ...]  # of versions asked under another name now: feature before, now, version


def _way(old: Plan, new: Plan) -> _Way:
    staying = frozenset(rule.name for rule in new.rules)
    dismisses = any(rule.name not in staying for rule in old.rules)
    renamed = tuple(_renamed_scores(old, new))
    return _Way(mover(old.layout, new.layout), staying, promoted(old, new), dismisses, renamed)


def _renamed_scores(old: Plan, new: Plan) -> Iterator[tuple[int, int, int]]:
    """Yield the scores that are kept under another name: a challenger that won is asked without its number."""
    was = {each.version.label: (label, each.feature) for label, each in old.scorings.items()}
    for label, scoring in new.scorings.items():
        known, feature = was.get(scoring.version.label, (label, 0))
        if known != label:
            yield feature, scoring.feature, scoring.version.version


class Timeline:
    """Engines by release: what a profile becomes depends on its events and the releases, not on when it is asked.

    `compile_release` raises what is wrong with definitions. Times in ms.
    """

    def __init__(self, compile_release: Callable[[Release], Engine]) -> None:
        self._compile = compile_release
        self._engines: dict[int, Engine] = {}
        self._starts: list[tuple[int, int]] = []  # effective_at and number, in order
        self._periods: list[tuple[int, int, int]] = []  # the same, each with the next one's instant
        self.newest = 0
        self.starts_at = 0
        self.backfills = Backfills()
        self._ways: dict[tuple[int, int], _Way] = {}

    @classmethod
    def of(cls, engine: Engine) -> Timeline:
        """Return a timeline of one engine that always holds."""
        timeline = cls(lambda _: engine)
        timeline.accept(Release(1, 0, ""))
        return timeline

    def accept(self, release: Release) -> bool:
        """Take in a release; False when its number is known already. It never holds before an earlier number does."""
        if release.number in self._engines:
            return False
        self._engines[release.number] = self.backfills.prepared(release, self._compile(release))
        forgetting = [number for number, engine in self._engines.items() if engine.counts_from_time]
        for number, engine in self._engines.items():
            engine.counts_from_time = bool(forgetting) and number >= min(forgetting)
        earlier = [start for start, number in self._starts if number < release.number]
        insort(self._starts, (max([release.effective_at, *earlier]), release.number))
        self.starts_at, self.newest = self._starts[-1]
        ends = [start for start, _ in self._starts[1:]] + [NEVER]
        self._periods = [(start, each, end) for (start, each), end in zip(self._starts, ends, strict=True)]
        return True

    def period(self, release: int) -> tuple[int, int]:
        """Return from when and until when (ms, exclusive) a release holds; the first one from the beginning of time."""
        start, until = next((start, until) for start, number, until in self._periods if number == release)
        return 0 if release == self._periods[0][1] else start, until

    def starts(self) -> list[tuple[int, int]]:
        """Return from when (ms) on which release holds, in order."""
        return list(self._starts)

    def layouts(self) -> dict[int, Layout]:
        """Return what the ids in profiles stand for, by release."""
        return {number: engine.plan.layout for number, engine in self._engines.items()}

    def engine(self, release: int) -> Engine:
        """Return the engine of a release."""
        return self._engines[release]

    def decoder_at(self, time: int) -> EventDecoder:
        """Return what reads events of an instant (ms)."""
        return self._engines[self.release_at(time)].plan.decoder

    def decode_refused(self, payload: bytes, written_at: int | None, release: int, refusal: RejectedEvent) -> Event:
        """Return an event that the definitions of a release refuse as those read it that hold at its time.

        Raises `refusal` when those refuse it too. `written_at` (ms) is its record's time, None when unknown.
        """
        for _, number in reversed(self._starts):
            if number == release:
                continue
            decoder = self._engines[number].plan.decoder
            with suppress(RejectedEvent):
                event = decoder.decode(payload, written_at)
                if self.decoder_at(event.time) is decoder:
                    return event
        raise refusal

    def release_at(self, time: int) -> int:
        """Return the number of the release that holds at `time` (ms); the first one before that."""
        place = bisect_right(self._starts, (time, 1 << 62)) - 1
        return self._starts[max(0, place)][1]

    def catch_up(self, user_id: str, profile: Profile, until: int, changes: list[Change]) -> None:
        """Have the profile follow all releases up to `until` (ms), each at its instant.

        One whose instant the next one shares holds for nobody: nothing of it may be seen.
        """
        if profile.release & UNJUDGED:
            profile.release ^= UNJUDGED
            engine, first = self.engine(profile.release), len(changes)
            engine.judge_all(user_id, profile, profile.clock, DEFINITION, changes)
            over_a_release(changes, first, engine.plan, engine.plan)
        elif not profile.release:
            profile.release = self.release_at(until)
        for start, number, ends in self._periods:
            if profile.release < number and start <= until and start < ends:
                self._adopt_or_pass(user_id, profile, start, number, until, changes)

    def _adopt_or_pass(
        self, user_id: str, profile: Profile, start: int, number: int, until: int, changes: list[Change]
    ) -> None:
        """Have the profile follow a release; one that it cannot follow is passed over once a later one holds."""
        if number == self.release_at(until):
            self._adopt(user_id, profile, start, number, changes)
            return
        before, told = encode_profile(profile), len(changes)
        try:
            self._adopt(user_id, profile, start, number, changes)
        except Exception:  # noqa: BLE001 - whatever it is: the later release decides
            del changes[told:]
            restore_profile(profile, before)

    def _adopt(self, user_id: str, profile: Profile, start: int, number: int, changes: list[Change]) -> None:
        old, new = self._engines[profile.release], self._engines[number]
        old.advance(user_id, profile, start - 1, changes)
        way = self._ways.get((profile.release, number))
        if way is None:
            way = self._ways[profile.release, number] = _way(old.plan, new.plan)
        if not profile.newest:  # nobody is there to be judged (segments/retention.py)
            profile.release = number
            return
        for scoring in old.scorings:
            scoring.settle(profile)
        now, first = max(start, profile.clock), len(changes)
        profile.clock = now
        stood = {name: old.standing(profile, name + SHADOW) for name in way.promoted}
        if way.dismisses:
            old.dismiss(user_id, profile, way.staying, now, DEFINITION, changes)
        scores = [(place, version, profile.features.get(before)) for before, place, version in way.scores]
        way.move(profile)
        for place, version, score in scores:
            if score is not None and score[BY] == version:
                profile.features[place] = list(score)
        profile.release = number
        self.backfills.fill(number, user_id, profile)
        new.judge_all(user_id, profile, now, DEFINITION, changes, stood)
        over_a_release(changes, first, old.plan, new.plan)

    def knows(self, release: int) -> bool:
        """Say whether a profile's release is known, and its rules have judged the profile."""
        return release in self._engines

    def plans(self) -> list[Plan]:
        """Return the compiled definitions of all releases that are known, and not yet forgotten."""
        return [engine.plan for engine in self._engines.values()]

    def renew(self, profile: Profile) -> None:
        """Let an old copy of a profile know of the population's bounds that were found since."""
        engine = self._engines.get(profile.release)
        if engine is not None and engine.plan.following:
            starts = min(
                history.next_start(profile.clock) for rule in engine.plan.following for history in rule.thresholds
            )
            if starts < NEVER:
                engine.ask_again(profile, starts)

    def advance(self, user_id: str, profile: Profile, until: int, changes: list[Change]) -> None:
        """Let everything happen that happens without events up to and including `until` (ms)."""
        if profile.release != self.newest:
            self.catch_up(user_id, profile, until, changes)
        self._engines[profile.release].advance(user_id, profile, until, changes)

    def step(self, user_id: str, profile: Profile, event: Event, changes: list[Change]) -> None:
        """Apply an event that is the user's newest, under the definitions that hold at its time."""
        if profile.release != self.newest:
            self.catch_up(user_id, profile, event.time, changes)
        self._engines[profile.release].step(profile, event, changes)


def timeline_of(releases: Iterable[Release], compile_release: Callable[[Release], Engine]) -> Timeline:
    """Return the timeline of releases; raises what `compile_release` raises."""
    timeline = Timeline(compile_release)
    for release in releases:
        timeline.accept(release)
    return timeline
