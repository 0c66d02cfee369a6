"""Why a user is in a segment or not: each condition, the events that count in it, since when, until when, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from segments.backfill_chunks import Chunk
from segments.changes import Change
from segments.conditions.base import Fact
from segments.control import ControlRecord, Release, Thresholds
from segments.definitions.model import Definitions
from segments.durations import format_duration
from segments.engine import Engine
from segments.events import SESSION_STARTED, Event, EventDecoder, Plausibility, RejectedEvent
from segments.explanation import Condition, CountedEvent, Explanation, LastChange, NotCounted, Standing
from segments.features.base import Feature, States
from segments.features.distinct import DistinctValues
from segments.features.event_log import EventLog
from segments.message_ids import MESSAGE_IDS_KEPT
from segments.models.released import ModelVersion
from segments.models.scores import InForce, ScorerSource, in_force, unscored
from segments.plan import Plan
from segments.population.bounds import Bounds
from segments.processor import Processor
from segments.profile import NEVER, Profile
from segments.rules import Rule, WarmingRule
from segments.shadow import definitions_of
from segments.timeline import Timeline, timeline_of

SHOWN = 10  # events of one condition, and events that were not counted
_ALL = 1 << 31


class UnknownUser(LookupError):
    """The events hold none of this user that counts up to the instant asked about; the text says what there is."""


def explain(  # noqa: PLR0913 - all that an explanation is made of
    told: Definitions | Sequence[ControlRecord],
    events: Iterable[tuple[bytes, int | None]],
    user_id: str,
    *,
    at: int | None = None,
    allowed_lateness: int = 3_600_000,
    plausibility: Plausibility | None = None,
    handed: Iterable[Chunk] = (),
    found: Iterable[Thresholds] = (),
    scorers: ScorerSource = unscored,
    models: Iterable[ModelVersion] = (),
) -> Explanation:
    """Return where a user stands at `at` (ms, default: the newest event of anybody); events come with record times.

    `told` is what always holds, or what a job was told: releases, and bounds of the population, of which more may have
    been `found`; `models` score where `told` names none. `handed` is what side jobs handed over. Events later than `at`
    are as if they had not come yet. Raises UnknownUser when none of the user's is left or the user was forgotten,
    DefinitionErrors when a release is wrong.

    >>> from segments.definitions import parse_definitions
    >>> definitions = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    >>> found = explain(definitions, [(b'{"type": "page", "userId": "u", "timestamp": 1795341600000}', None)], "u")
    >>> [(standing.segment, standing.inside, standing.next_change_at) for standing in found.segments]
    [('seen', True, 1795345200000)]
    """

    def compiled(definitions: Definitions, models: tuple[InForce, ...] = ()) -> Engine:
        plan = WholePlan(definitions, plausibility, bounds=bounds, models=models)
        return Engine(plan, allowed_lateness=allowed_lateness)

    records: Sequence[ControlRecord] = () if isinstance(told, Definitions) else told
    bounds = Bounds([*(record for record in records if isinstance(record, Thresholds)), *found])

    if isinstance(told, Definitions):
        timeline = Timeline.of(compiled(told, in_force(models, scorers)))
    else:
        releases = [record for record in told if isinstance(record, Release)]
        timeline = timeline_of(
            releases, lambda release: compiled(definitions_of(release), in_force(release.models, scorers))
        )
    run = _Run(timeline, allowed_lateness)
    run.take(handed)
    selection = _Selection(EventDecoder(plausibility=plausibility), user_id, at)
    for seen, payload, written in selection.of(events):
        run.apply(seen, payload, written)
    if not run.events:
        raise UnknownUser(_nothing(selection, run))
    now = selection.newest if at is None else at
    return run.explanation(user_id, now)


class WholePlan(Plan):
    """A plan whose counts keep all events of their window, not only as many as their bound needs."""

    def feature(self, feature: Feature) -> int:
        if isinstance(feature, EventLog | DistinctValues):
            feature.capacity = _ALL
        return super().feature(feature)


class _Selection:
    """A user's events up to an instant; `newest` is anybody's newest time (ms), `later` the user's first after."""

    def __init__(self, decoder: EventDecoder, user_id: str, until: int | None) -> None:
        self.user_id = user_id
        self.newest = 0
        self.later: int | None = None
        self._decode = decoder.decode
        self._until = NEVER if until is None else until

    def of(self, events: Iterable[tuple[bytes, int | None]]) -> Iterator[tuple[Event, bytes, int | None]]:
        decode, user_id = self._decode, self.user_id
        for payload, written in events:
            try:
                event = decode(payload, written)
            except RejectedEvent:
                continue
            self.newest = max(self.newest, event.time)
            if event.user_id != user_id:
                continue
            if event.time <= self._until:
                yield event, payload, written
            else:
                self.later = min(event.time, self.later or NEVER)


class _Run:
    """One user's events, applied one by one, with what became of each."""

    def __init__(self, timeline: Timeline, allowed_lateness: int) -> None:
        self.events = 0
        self.refused: list[NotCounted] = []
        self._timeline = timeline
        self._lateness = allowed_lateness
        self._processor = Processor(timeline)
        self._applied: list[tuple[bytes, int | None]] = []
        self._names: dict[str | None, str] = {}  # of events, by message id
        self._last: dict[str, Change] = {}

    def take(self, handed: Iterable[Chunk]) -> None:
        """Take in what side jobs handed over."""
        for chunk in handed:
            self._processor.hand(chunk)

    def apply(self, seen: Event, payload: bytes, written: int | None) -> None:
        outcome = self._processor.process([payload], [written])
        self._note(outcome.changes)
        if outcome.applied:
            self.events += 1
            self._applied.append((payload, written))
            self._names[seen.message_id] = seen.name
        elif outcome.late:
            older = format_duration(self._lateness)
            self._refuse(seen, "late", f"it came after an event that is more than {older} newer")
        elif outcome.duplicates:
            kept = f"the {MESSAGE_IDS_KEPT} events before it"
            self._refuse(seen, "duplicate", f"an event with this message id is among {kept}")
        for _, rejected in outcome.rejected:
            self._refuse(seen, rejected.reason, rejected.detail)

    def explanation(self, user_id: str, now: int) -> Explanation:
        """Return where the user stands at `now` (ms)."""
        self._note(self._processor.advance(now).changes)
        profile, adopting = self._processor.profiles.open(user_id), list[Change]()
        self._timeline.advance(user_id, profile, now, adopting)
        self._note(adopting)
        plan = self._timeline.engine(profile.release).plan
        events = in_order(plan, self._read_by(plan))
        retention = plan.definitions.retention
        if retention is not None:
            events = _since_forgotten(events, retention)
            if not profile.newest:
                raise UnknownUser(_forgotten(user_id, events[-1].time + retention, retention))
        view = _View(profile, events, now, _known_since(self._timeline, profile.release))
        live = (rule for rule in plan.rules if not rule.is_shadow)  # the shadow matters once it is promoted
        standings = [view.standing(rule, self._last_change(rule.name)) for rule in live]
        more = max(0, len(self.refused) - SHOWN)
        return Explanation(user_id, now, profile.release, self.events, self.refused[more:], more, standings)

    def _read_by(self, plan: Plan) -> Iterator[Event]:
        """Yield the applied events as the plan reads them; one that it refuses came under an older release."""
        for payload, written in self._applied:
            with suppress(RejectedEvent):
                yield plan.decoder.decode(payload, written)

    def _last_change(self, segment: str) -> LastChange | None:
        last = self._last.get(segment)
        if last is None:
            return None
        event = self._names.get(last.cause.message_id) if last.cause.kind == "event" else None
        return LastChange(last.action, last.at, last.cause, event)

    def _note(self, changes: Iterable[Change]) -> None:
        self._last.update((change.segment, change) for change in changes)

    def _refuse(self, event: Event, reason: str, detail: str) -> None:
        self.refused.append(NotCounted(event.message_id, event.name, event.time, reason, detail))


def in_order(plan: Plan, applied: Iterable[Event]) -> list[Event]:
    """Return a user's events by time, each session's made start, with the id of the event that began it, after that."""
    ordered = sorted(applied, key=lambda event: event.time)
    starts = plan.update_session
    if starts is None:
        return ordered
    sessions: States = {}
    events = []
    for event in ordered:
        events.append(event)
        if starts(sessions, event, event.time):
            made = plan.decoder.made(event.user_id, SESSION_STARTED, event.time)
            made.message_id = event.message_id
            events.append(made)
    return events


class _View:
    """A profile at an instant, with the events behind it. `since` says from when (ms) on each feature was kept."""

    def __init__(self, profile: Profile, history: Sequence[Event], now: int, since: Mapping[int, int]) -> None:
        self._profile = profile
        self._history = history
        self._now = now
        self._since = since

    def standing(self, rule: Rule, last_change: LastChange | None) -> Standing:
        profile, now = self._profile, self._now
        inside, since, due = rule.standing(profile)
        return Standing(
            segment=rule.name,
            segment_version=rule.version,
            inside=inside,
            since=since if inside else None,
            last_change=last_change,
            next_change_at=rule.next_flip(profile, inside, since, due),
            score=rule.score(profile, now),
            confidence=rule.confidence(profile, now),
            conditions=[self._condition(fact) for fact in rule.facts],
            exit_conditions=[self._condition(fact) for fact in rule.exit_facts],
            warming=isinstance(rule, WarmingRule),
            model_version=rule.scored_by(profile) if rule.scorings else None,
        )

    def _condition(self, fact: Fact) -> Condition:
        profile, now = self._profile, self._now
        since = max((self._since.get(feature, 0) for feature in fact.features), default=0)
        seen = [event for event in self._history if event.time >= since]
        found = fact.contributing(profile, seen, now) if fact.contributing else []
        counted = sorted(found, key=lambda each: each.event.time)
        more = max(0, len(counted) - SHOWN)
        events = [CountedEvent(e.message_id, e.name, e.time, adds) for e, adds in counted[more:]]
        expected = fact.bound(now) if fact.bound else fact.expected
        return Condition(fact.text, expected, fact.value(profile, now), fact.ask(profile, now)[0], events, more)


def _known_since(timeline: Timeline, release: int) -> dict[int, int]:
    """Return by feature id from when (ms) on a profile of the release has kept it without a break; 0: always."""
    known: dict[int, int] = {}
    features: tuple[int, ...] = ()
    for place, (start, number) in enumerate(timeline.starts()):
        if number <= release:
            features = timeline.engine(number).plan.layout.features
            known = {key: known.get(key, start if place else 0) for key in features}
            backfill, since = timeline.backfills.filled_from(number)
            known |= {features[feature]: since for feature in backfill.features}
    return {feature: known[key] for feature, key in enumerate(features)}


def _since_forgotten(events: list[Event], retention: int) -> list[Event]:
    """Return the user's events since the user was forgotten last; they come in order of time."""
    times = [event.time for event in events]
    gaps = (place for place in range(1, len(times)) if times[place] > times[place - 1] + retention)
    return events[max(gaps, default=0) :]


def _forgotten(user_id: str, at: int, retention: int) -> str:
    return f"user '{user_id}' was forgotten at {_instant(at)}: no event for {format_duration(retention)} (retention)"


def _nothing(selection: _Selection, run: _Run) -> str:
    user = f"user '{selection.user_id}'"
    if run.refused:
        return f"no event of {user} counts: the last of {len(run.refused)} is {_said(run.refused[-1])}"
    if selection.later is not None:
        return f"there are no events of {user} up to then: the first is at {_instant(selection.later)}"
    return f"there are no events of {user}"


def _said(refused: NotCounted) -> str:
    return f"'{refused.event}' at {_instant(refused.at)}, {refused.reason}: {refused.detail}"


def _instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
