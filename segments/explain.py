"""Why a user is in a segment or not: every condition with its value, since when, and when that changes by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from segments.changes import Reason
from segments.definitions.model import Definitions
from segments.engine import Engine
from segments.events import EventDecoder, Plausibility, RejectedEvent
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import NEVER, Profile
from segments.rules import DUE, INSIDE, SINCE, Rule

_encode = msgspec.json.Encoder(order="deterministic").encode


class UnknownUser(LookupError):
    """The events hold none of this user up to the instant asked about."""


class Standing(msgspec.Struct, frozen=True):
    """One segment for one user; `since` and `next_change_at` in ms, None when outside and when nothing is to come."""

    segment: str
    segment_version: int
    inside: bool
    since: int | None
    next_change_at: int | None
    score: float | None
    confidence: float
    conditions: list[Reason]
    exit_conditions: list[Reason]


class Explanation(msgspec.Struct, frozen=True):
    """All segments of one user at one instant (`at`, ms); `events` counts what was applied."""

    user_id: str
    at: int
    events: int
    segments: list[Standing]


def explain(
    definitions: Definitions,
    events: Iterable[tuple[bytes, int | None]],
    user_id: str,
    *,
    at: int | None = None,
    allowed_lateness: int = 3_600_000,
    plausibility: Plausibility | None = None,
) -> Explanation:
    """Return where a user stands at `at` (ms, default: the newest event of anybody); events come with record times.

    Events later than `at` are as if they had not come yet. Raises UnknownUser when none of the user's is left.

    >>> from segments.definitions import parse_definitions
    >>> definitions = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    >>> found = explain(definitions, [(b'{"type": "page", "userId": "u", "timestamp": 1795341600000}', None)], "u")
    >>> [(standing.segment, standing.inside, standing.next_change_at) for standing in found.segments]
    [('seen', True, 1795345200000)]
    """
    plan = Plan(definitions, plausibility)
    processor = Processor(Engine(plan, allowed_lateness=allowed_lateness))
    selection = _Selection(plan.decoder, user_id, at)
    chosen = list(selection.of(events))
    outcome = processor.process([payload for payload, _ in chosen], [written for _, written in chosen])
    if not outcome.applied:
        raise UnknownUser(f"there are no events of user '{user_id}'{'' if at is None else ' up to then'}")
    now = selection.newest if at is None else at
    processor.advance(now)
    profile = processor.profiles.open(user_id)
    return Explanation(user_id, now, outcome.applied, [_standing(rule, profile, now) for rule in plan.rules])


def encode_explanation(explanation: Explanation) -> bytes:
    """Return the explanation as JSON."""
    return _encode(explanation)


class _Selection:
    """One user's events up to an instant; `newest` is the newest event time (ms) of anybody."""

    def __init__(self, decoder: EventDecoder, user_id: str, until: int | None) -> None:
        self.newest = 0
        self._decode = decoder.decode
        self._user_id = user_id
        self._until = NEVER if until is None else until

    def of(self, events: Iterable[tuple[bytes, int | None]]) -> Iterator[tuple[bytes, int | None]]:
        for payload, written in events:
            try:
                event = self._decode(payload, written)
            except RejectedEvent:
                continue
            self.newest = max(self.newest, event.time)
            if event.user_id == self._user_id and event.time <= self._until:
                yield payload, written


def _standing(rule: Rule, profile: Profile, now: int) -> Standing:
    member = profile.members.get(rule.segment_id)
    inside = member is not None and member[INSIDE] == 1
    since, due = (member[SINCE], member[DUE]) if member is not None else (0, NEVER)
    conditions = rule.because(profile, now, entered=True)
    leaving = rule.because(profile, now, entered=False)
    return Standing(
        segment=rule.name,
        segment_version=rule.version,
        inside=inside,
        since=since if inside else None,
        next_change_at=rule.next_flip(profile, inside, since, due),
        score=rule.score(profile, now),
        confidence=rule.confidence(profile, now),
        conditions=conditions,
        exit_conditions=[] if leaving == conditions else leaving,
    )
