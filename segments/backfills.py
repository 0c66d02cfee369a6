"""Releases that lack something: their segments stand still, until what was handed over completes the profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from segments.backfill import Backfill, Knowledge, fill
from segments.backfill_chunks import Handed
from segments.control import Filled, Release
from segments.engine import Engine
from segments.events import Event
from segments.plan import Plan
from segments.profile import Profile

Kept = Callable[[str, int, int], list[Event]]  # a user's events from one instant (ms) up to and including another


class _Fill(NamedTuple):
    backfill: Backfill
    filled: Filled
    still: Engine


class Backfills:
    """What the releases of a timeline lack, and what is filled in as they are completed.

    `kept` returns events of a user since the release that lacks something, as its definitions read them.
    """

    def __init__(self) -> None:
        self.handed = Handed()
        self.kept: Kept = lambda _user, _first, _last: []
        self._knowledge = Knowledge()
        self._lacking: dict[int, Backfill] = {}
        self._fills: dict[int, _Fill] = {}

    def prepared(self, release: Release, engine: Engine) -> Engine:
        """Return the engine that judges under a release: with what it lacks, its segments stand still."""
        lacking, filled = self._knowledge.after(release, engine.plan)
        if filled and release.filled is not None:
            still = _with_warming(engine, {rule.name: rule.version for rule in engine.plan.rules})
            self._fills[release.number] = _Fill(filled, release.filled, still)
        if not lacking:
            return engine
        self._lacking[release.number] = lacking
        return _with_warming(engine, lacking.warming)

    def lacking(self, release: int) -> Backfill:
        """Return what a release lacks until another one completes it."""
        return self._lacking.get(release, Backfill())

    def filled(self, release: int) -> Filled | None:
        """Return what is filled in as a release takes effect, None when that is nothing."""
        found = self._fills.get(release)
        return None if found is None else found.filled

    def filled_from(self, release: int) -> tuple[Backfill, int]:
        """Return what is filled in as a release takes effect, and from events of when (ms) on."""
        found = self._fills.get(release)
        return (Backfill(), 0) if found is None else (found.backfill, found.filled.since)

    def fill(self, release: int, user_id: str, profile: Profile) -> None:
        """Fill in what the profile, of that release now and not yet judged by it, lacked under the one before."""
        found = self._fills.get(release)
        if found is None:
            return
        backfill, filled, still = found
        states = self.handed.find(filled, user_id, still.plan.layout) or Profile()
        for event in self.kept(user_id, filled.cut, profile.newest):
            still.step(states, event, [])
        fill(still.plan, backfill, profile.features, states.features, filled.since)


def _with_warming(engine: Engine, warming: Mapping[str, int]) -> Engine:
    was = engine.plan
    plan = Plan(was.definitions, was.plausibility, warming=warming, bounds=was.population, models=was.in_force)
    return Engine(plan, allowed_lateness=engine.allowed_lateness)
