"""A worker's step: a batch of raw events, or an instant, goes in; changes and what was not applied come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from segments.backfill_chunks import Chunk
from segments.changes import Memberships
from segments.control import ControlRecord, Release, Thresholds
from segments.engine import Engine
from segments.events import Event, Plausibility, RejectedEvent
from segments.failures import failure
from segments.following import Following
from segments.isolation import Isolation, Mark
from segments.message_ids import seen_before
from segments.outcome import Outcome
from segments.population.population import Population
from segments.profile import Profile
from segments.profiles import Profiles
from segments.rewind import Rewinder
from segments.scoring_ahead import ScoringAhead
from segments.shadow_names import in_shadow
from segments.slow_path import SlowPath
from segments.timeline import Timeline

__all__ = ["Outcome", "Processor"]
_FORGOTTEN_BY = 1 << 20  # ms after which recent events are forgotten that could still be asked for
_AT_HAND = 128  # users whose decoded profiles are still in the processor's caches


class Processor:
    """Applies batches to the profiles of a worker. The job and the replay run this same code."""

    def __init__(self, timeline: Timeline | Engine, profiles: Profiles | None = None) -> None:
        self.timeline = timeline if isinstance(timeline, Timeline) else Timeline.of(timeline)
        self.profiles = profiles if profiles is not None else Profiles()
        self.profiles.layouts = self.timeline.layouts()
        self.profiles.recent.allowed_lateness = self.engine.allowed_lateness
        self._hot = self.profiles.recent.hot
        self._hot.most = (self.engine.plan.plausibility or Plausibility()).max_steps
        rewinder = Rewinder(self.timeline, self.profiles.recent)
        self._isolation = Isolation(self.timeline, self.profiles, rewinder)
        bounds, let_happen = self.engine.plan.population, self._isolation.let_happen
        self.population = Population(self.timeline, self.profiles, bounds, let_happen)
        self._following = Following(self.timeline, self.profiles, self.population, self._isolation)
        self._slow = SlowPath(self.timeline, self.profiles, rewinder, self._isolation, self._following.follow)
        self.timeline.backfills.kept = rewinder.events
        self._ahead = ScoringAhead(self.timeline, self.profiles)
        self._waiting: list[Release] = []  # for what is to be filled in as they take effect
        self._settled = 0  # the newest release that no late event can have adopted anew
        self._keep_events()

    @property
    def engine(self) -> Engine:
        """The engine of the newest release."""
        return self.timeline.engine(self.timeline.newest)

    def accept(self, record: ControlRecord) -> bool:
        """Take in a release or bounds, which each user follows from its instant on; False when it is known already.

        Raises what is wrong with a release's definitions.
        """
        if isinstance(record, Thresholds):
            return self.population.accept(record)
        if self._waiting or not self._has_all_for(record):
            self._waiting.append(record)
            return True
        if not self.timeline.accept(record):
            return False
        self.profiles.layouts = self.timeline.layouts()
        self._ahead.follow()
        self._following.reach(self._following.watermark)
        self._keep_events()
        self.population.follow()
        return True

    def hand(self, chunk: Chunk) -> bool:
        """Take in aggregates that a side job found; False when they are known already.

        A release that they complete takes effect once all of the shards that are owned here have come.
        """
        if not self.timeline.backfills.handed.take(chunk):
            return False
        self._accept_waiting()
        return True

    def handed_before(self, shard: int, release: int) -> None:
        """Note that what was handed over of a shard is in its profiles, for releases up to this one."""
        self.timeline.backfills.handed.finish(shard, release)
        self._accept_waiting()

    def _accept_waiting(self) -> None:
        while self._waiting and self._has_all_for(self._waiting[0]):
            waiting, self._waiting = self._waiting, []
            for release in waiting:
                self.accept(release)

    def _has_all_for(self, release: Release) -> bool:
        filled = release.filled
        if filled is None or release.number <= self.timeline.newest:
            return True
        return self.timeline.backfills.handed.is_whole(filled, self.profiles.owned or range(len(filled.chunks)))

    def _keep_events(self) -> None:
        """Keep all events since a release that lacks something: they will be filled in with the rest."""
        lacking = self.timeline.backfills.lacking
        starts = (start for start, number in self.timeline.starts() if number > self._settled and lacking(number))
        self.profiles.recent.keep_from = min(starts, default=None)

    def _forget_backfills(self) -> None:
        """Let go of what is in the profiles for good: no late event makes them adopt an earlier release anew."""
        timeline, recent = self.timeline, self.profiles.recent
        settled = timeline.starts_at + recent.allowed_lateness + _FORGOTTEN_BY
        if recent.keep_from is not None and self._following.watermark > settled and not self.sweeping:
            self._settled = timeline.newest - 1
            timeline.backfills.handed.forget(self._settled)
            self._keep_events()

    def process(  # noqa: C901, PLR0912, PLR0915 - the inner loop of everything; its calls are what it saves
        self,
        payloads: Iterable[bytes],
        written_at: Sequence[int | None],
        suspects: Mapping[int, RejectedEvent] | None = None,
    ) -> Outcome:
        """Apply raw events in order; `written_at` holds each record's time (ms, None: unknown).

        `suspects` are events, by place, that were found unreadable before: they are never applied.
        """
        outcome = self._outcome()
        known, refused = 0, suspects or {}  # known: changes whose users' memberships were told
        timeline, profiles, decoded = self.timeline, self.profiles, self.profiles.decoded
        release = self.reached
        engine, (holds_from, holds_until) = timeline.engine(release), timeline.period(release)
        decode, pack, step = engine.plan.decoder.decode, engine.plan.decoder.pack, engine.step
        note, keeps, over = profiles.recent.note, profiles.recent.wanted, self._hot.over
        changes, scores_ahead = outcome.changes, self._ahead.wanted
        touched, passing = self._ahead.foregone.forget, profiles.passing
        for place, payload in enumerate(payloads):
            try:
                suspect = refused.get(place) if refused else None
                if suspect is not None and suspect.reason != "not_json":
                    raise suspect
                try:
                    event = decode(payload, written_at[place])  # says more of what is unreadable than the suspicion
                except RejectedEvent as rejected:
                    event = timeline.decode_refused(payload, written_at[place], release, rejected)
                if suspect is not None:
                    raise suspect
                time = event.time
                if not holds_from <= time < holds_until:
                    event = timeline.decoder_at(time).decode(payload, written_at[place])
                user_id, settled = event.user_id, None
                if scores_ahead:
                    touched(user_id)
                profile = decoded.get(user_id)
                if profile is None:
                    profile, settled = profiles.open_settled(user_id)
                    passing.append((user_id, max(time, profile.newest)))
                if over and user_id in over:
                    self._hot.check(user_id, time, profile.newest)
                if profile.newest == 0 and self._is_too_old(event, profile):
                    outcome.late.append(place)
                    continue
            except RejectedEvent as rejected:
                outcome.rejected.append((place, rejected))
                continue
            except Exception as error:  # noqa: BLE001 - a bug concerns one event
                outcome.rejected.append((place, self._isolation.rejection("", error)))
                continue
            due, clock, told = profile.due, profile.clock, len(changes)
            seq, shadow_seq = profile.seq, profile.shadow_seq
            try:
                if time <= clock and time < profile.open_from():
                    self._slow.insert(place, profile, event, outcome)
                elif event.message_id is not None and seen_before(profile, event.message_id):
                    outcome.duplicates += 1
                else:
                    if keeps and profile.release == release and time < holds_until:
                        note(user_id, profile, time, pack(event), settled)
                        step(profile, event, changes)
                    else:
                        self._slow.step(profile, event, changes)
                    outcome.applied += 1
            except Exception as error:  # noqa: BLE001 - a bug concerns one user
                self._slow.isolate(place, event, Mark(told, clock, seq, shadow_seq), error, outcome)
            if profile.due < due:
                profiles.schedule(user_id, profile.due)
            if place % _AT_HAND == 0:
                known = self._rest(outcome, known)
                if scores_ahead:
                    self._ahead.look(time)
        self._finish(outcome, known)
        return outcome

    def _is_too_old(self, event: Event, profile: Profile) -> bool:
        """Say whether a new user's first event is late; raises RejectedEvent where the user is another worker's."""
        if not self.profiles.owns(event.user_id):
            raise RejectedEvent("ambiguous_user", "the record names two users: userId is given twice")
        return profile.clock == 0 and event.time <= self._following.too_old()

    def advance(self, until: int) -> Outcome:
        """Let all users' self-changes up to and including `until` (ms) happen; no older event is expected to come."""
        outcome = self._outcome()
        recent, let_happen, ahead = self.profiles.recent, self._isolation.let_happen, self._ahead
        self.profiles.reached = max(self.profiles.reached, until)
        scores_ahead, passing, known = ahead.wanted, self.profiles.passing, 0
        if scores_ahead:
            ahead.advance(until)
        for user_id, profile, settled in self.profiles.take_due(until, ahead.foregone.passes if scores_ahead else None):
            if scores_ahead:
                ahead.due(user_id, profile, until)
            let_happen(user_id, profile, until, outcome.changes, settled)
            if len(passing) >= _AT_HAND:
                known = self._rest(outcome, known)
        if until > self._following.watermark:
            self._following.reach(until)
            recent.forget(until)
            self._forget_backfills()
        self._finish(outcome, known)
        return outcome

    @property
    def scored_until(self) -> int:
        """The instant (ms) up to which models were asked for scores; event time may not be there yet."""
        return self._ahead.reached

    @property
    def reached(self) -> int:
        """The release that event time has reached."""
        return self._following.reached

    @property
    def sweeping(self) -> int:
        """How many users are still to be looked at: they may be behind the release, or the newest bounds."""
        return self._following.left

    def sweep(self, users: int) -> Outcome:
        """Have up to so many of the users that are behind follow the release and the bounds that are in force.

        Those who were at rest are so again: nobody in use makes room for them, and a checkpoint finds few in use.
        """
        outcome = self._outcome()
        rested = self._following.sweep(users, outcome)
        self._finish(outcome, 0)
        self.profiles.settle_these(rested)
        return outcome

    def _outcome(self) -> Outcome:
        """Return an outcome, to which is added what follows for users that are opened."""
        outcome = Outcome()
        self.population.changes = outcome.changes
        return outcome

    def _finish(self, outcome: Outcome, told: int) -> None:
        self._rest(outcome, told)
        self.profiles.settle_if_many()
        for failures in (self._isolation.failures, self.profiles.unreadable.failures):
            if failures:
                outcome.failures += failures
                failures.clear()
        if self._ahead.wanted:
            self._ahead.tell_shares()
            outcome.unscored += self._ahead.take_unscored()
        if self._hot.found:
            outcome.hot += self._hot.found
            self._hot.found.clear()

    def _rest(self, outcome: Outcome, told: int) -> int:
        """Say what users are in, and have those who are passing rest if they are many; returns what `_tell` does."""
        told = self._tell(outcome, told)
        if len(self.profiles.passing) >= _AT_HAND:
            if self._ahead.wanted:  # they will soon be scored: decoded until then
                self.profiles.passing.clear()
            else:
                self.profiles.rest()
        return told

    def _tell(self, outcome: Outcome, told: int) -> int:
        """Say what the users are in whose changes come after the first `told`; returns how many changes are told of."""
        open_, engine, changes = self.profiles.open, self.timeline.engine, outcome.changes
        seen = {each.user_id: each for each in islice(changes, told, None) if not in_shadow(each.segment)}
        for user_id, newest in seen.items():
            try:
                profile = open_(user_id)
                if profile.newest:
                    outcome.current[user_id] = engine(profile.release).memberships(user_id, profile)
                else:
                    outcome.current[user_id] = Memberships(user_id, newest.seq, newest.at, {})
            except Exception as error:  # noqa: BLE001 - a bug concerns one user
                self._isolation.failures.append(failure("failed_output", user_id, 0, error))
        return len(changes)
