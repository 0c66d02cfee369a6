"""Releases in a worker: what it was told is compiled, users follow a slice at a time, and it says when all have."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile

from segments.audit import ReleaseDone, ReleaseRefused
from segments.control import ControlRecord, Release, Thresholds
from segments.engine import Engine
from segments.events import Plausibility
from segments.history import History
from segments.models.scores import ScorerSource, unscored
from segments.outcome import Outcome
from segments.population.bounds import Bounds
from segments.processor import Processor
from segments.profiles import Profiles
from segments.shadow import plan_of
from segments.shadow_names import in_shadow
from segments.timeline import Timeline
from segments.warming import Warming, warming_for_some, warming_in
from udfs.told import Told

SLICE_S = 0.15  # of each frame with events: those that wait come next
IDLE_SLICE_S = 0.4  # of each frame without
_USERS_A_SLICE = 500

_log = logging.getLogger(__name__)


class Releases:
    """The processor of a worker, and how far its users are with what it was told."""

    def __init__(
        self,
        told: Told,
        profiles: Profiles,
        plausibility: Plausibility,
        allowed_lateness: int,
        scorers: ScorerSource = unscored,
        of_history: ScorerSource | None = None,
    ) -> None:
        """Compile what was told so far; raises DefinitionErrors when no release of it can be used.

        `scorers` run the models of the newest release, `of_history` those of releases that others follow. Raises
        OSError when a model cannot be reached now.
        """
        self.bounds = Bounds()

        def compiled(release: Release) -> Engine:
            newest = max((each.number for each in told.history.releases), default=0)
            source = scorers if release.number >= newest else of_history or scorers
            plan = plan_of(release, plausibility, bounds=self.bounds, scorers=source)
            return Engine(plan, allowed_lateness=allowed_lateness)

        timeline = Timeline(compiled)
        self._profiles = profiles
        self._passed: set[int] = set()  # releases whose instant event time had passed when the worker heard of them
        self._told = told
        self._known: dict[int, Release] = {}
        self._watermark = 0
        self._users = self._changes = self._shadow_changes = self._failed = 0
        self._refused: list[ReleaseRefused] = []
        self._warming: tuple[tuple[int, bool], Mapping[str, Warming]] = ((0, False), {})
        records = told.history.records
        at_once = list(takewhile(lambda record: not (isinstance(record, Release) and record.filled), records))
        self._take_all(at_once, timeline)
        self.processor = Processor(timeline, profiles)
        for record in told.history.records:
            if isinstance(record, Thresholds):
                self.processor.accept(record)
        self.shards: list[int] = []
        for record in records[len(at_once) :]:  # these wait for what was handed over
            self.remember(record)

    def _take_all(self, records: Iterable[ControlRecord], timeline: Timeline) -> None:
        """Have the timeline begin with all that can be used; an old release may say what this version does not know."""
        failed: Exception | None = None
        for record in records:
            if isinstance(record, Release):
                try:
                    timeline.accept(record)
                    self._known[record.number] = record
                except OSError:  # a model is away: no worker may go on without what the others have
                    raise
                except Exception as error:  # noqa: BLE001 - a bug that one release trips must not keep out the others
                    failed = error
                    self._refuse(record, error)
                    _log.error("release %d cannot be used: %s", record.number, error)
        if failed is not None and not timeline.newest:
            raise failed

    @property
    def number(self) -> int:
        """The release that event time has reached."""
        return self.processor.reached

    @property
    def history(self) -> History:
        """All that the worker was told, with what it could not use."""
        history = History(self._told.history.records)
        history.refused = {each.number for each in history.releases} - self._known.keys()
        return history

    @property
    def has_shadow(self) -> bool:
        """Say whether any known release evaluates segments that nobody sees."""
        return any(release.shadow is not None for release in self._known.values())

    @property
    def behind(self) -> int:
        """How many users are still to be looked at."""
        return self.processor.sweeping

    @property
    def warming(self) -> int:
        """How many segments stand still because the release that holds lacks something."""
        return len(self.processor.timeline.backfills.lacking(self.number).warming)

    def warming_for_some(self) -> Mapping[str, Warming] | None:
        """Return the segments that stand still for some users here; None while event time is not known."""
        timeline, reached = self.processor.timeline, self.number
        if not self._watermark and reached != timeline.newest:
            return None
        key = reached, reached in self._told.done
        if self._warming[0] != key:
            self._warming = key, warming_for_some(timeline, reached, all_follow=key[1])
        return self._warming[1]

    def remember(self, record: ControlRecord) -> None:
        """Take in a record of Flink's state: what cannot be used any more is left out."""
        try:
            self.accept(record)
        except OSError:  # as above
            raise
        except Exception as error:  # noqa: BLE001 - as above
            _log.error("a release in the state cannot be used: %s", error)

    def accept(self, record: ControlRecord) -> None:
        """Take in a record that is new; raises DefinitionErrors, or what bug it trips, when it cannot be used.

        Raises OSError when a model cannot be reached now, which is no fault of the record.
        """
        try:
            accepted = self.processor.accept(record)
        except OSError:
            raise
        except Exception as error:
            self._refuse(record, error)
            raise
        if accepted and isinstance(record, Release):
            self._known[record.number] = record
            if record.effective_at <= self._watermark:
                self._passed.add(record.number)

    def _refuse(self, record: ControlRecord, error: Exception) -> None:
        if isinstance(record, Release):
            now = int(time.time() * 1_000)
            self._refused.append(ReleaseRefused(record.number, record.effective_at, "not_usable", str(error), now))

    def refused(self) -> Iterator[ReleaseRefused]:
        """Yield the releases that cannot be used, each once."""
        while self._refused:
            yield self._refused.pop(0)

    def passed(self, watermark: int) -> None:
        """Note that event time has come to `watermark` (ms)."""
        self._watermark = max(self._watermark, watermark)

    def sweep(self, seconds: float | None) -> Iterator[Outcome]:
        """Have users follow for about so many seconds, None: until all have; yields what that leads to."""
        until = time.perf_counter() + seconds if seconds is not None else float("inf")
        while self.processor.sweeping and time.perf_counter() < until:
            outcome = self.processor.sweep(_USERS_A_SLICE)
            self._users += outcome.followed
            self._failed += sum(each.reason == "failed_release" for each in outcome.failures)
            led = [change for change in outcome.changes if change.cause.kind != "threshold"]
            hidden = sum(in_shadow(change.segment) for change in led)
            self._shadow_changes += hidden
            self._changes += len(led) - hidden
            yield outcome

    def finished(self) -> Iterator[ReleaseDone]:
        """Yield the releases that all users of this worker follow now, each once."""
        waiting = self._known.keys() - self._told.done
        if not waiting or self.processor.sweeping:
            return
        reached = self.processor.reached if self._watermark else 0
        for number in sorted(waiting):
            if number > reached and (reached or len(self._profiles)):
                return
            release = self._known[number]
            self._told.done.add(number)
            yield ReleaseDone(
                number,
                release.effective_at,
                number in self._passed,
                self.shards,
                self._users,
                self._changes,
                self._shadow_changes,
                int(time.time() * 1_000),
                self._failed,
                sorted(warming_in(self.processor.timeline, number)),
            )
            self._users = self._changes = self._shadow_changes = self._failed = 0
