"""A worker's step: a batch of raw events, or an instant, goes in; changes and what was not applied come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from segments.changes import Change, Memberships
from segments.engine import Engine
from segments.events import RejectedEvent
from segments.profiles import Profiles


@dataclass(slots=True)
class Outcome:
    """What a batch led to; places are indexes into the batch."""

    changes: list[Change] = field(default_factory=list)
    current: dict[str, Memberships] = field(default_factory=dict)  # of the users whose memberships changed
    rejected: list[tuple[int, RejectedEvent]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    duplicates: int = 0
    applied: int = 0

    @property
    def memberships(self) -> list[Memberships]:
        """What the users are in whose memberships changed."""
        return list(self.current.values())


_AT_HAND = 250  # events after which the profiles touched are still in the processor's caches


class Processor:
    """Applies batches to the profiles of a worker. The job and the replay run this same code."""

    def __init__(self, engine: Engine, profiles: Profiles | None = None) -> None:
        self.engine = engine
        self.profiles = profiles if profiles is not None else Profiles()

    def process(
        self,
        payloads: Iterable[bytes],
        written_at: Sequence[int | None],
        suspects: Mapping[int, RejectedEvent] | None = None,
    ) -> Outcome:
        """Apply raw events in order; `written_at` holds each record's time (ms, None: unknown).

        `suspects` are events, by place, that were found unreadable before: they are never applied.
        """
        outcome = Outcome()
        told = 0
        refused = suspects or {}
        profiles, decoded = self.profiles, self.profiles.decoded
        decode, apply, changes = self.engine.plan.decoder.decode, self.engine.apply, outcome.changes
        for place, payload in enumerate(payloads):
            try:
                suspect = refused.get(place)
                if suspect is not None and suspect.reason != "not_json":
                    raise suspect
                event = decode(payload, written_at[place])  # says more about what is unreadable than the suspicion
                if suspect is not None:
                    raise suspect
                user_id = event.user_id
                profile = decoded.get(user_id) or profiles.open(user_id)
                if profile.newest == 0 and not profiles.owns(user_id):
                    raise RejectedEvent("ambiguous_user", "the record names two users: userId is given twice")
            except RejectedEvent as rejected:
                outcome.rejected.append((place, rejected))
                continue
            due = profile.due
            result = apply(profile, event, changes)
            if profile.due < due:
                profiles.schedule(user_id, profile.due)
            if result == "applied":
                outcome.applied += 1
            elif result == "late":
                outcome.late.append(place)
            else:
                outcome.duplicates += 1
            if place % _AT_HAND == 0:
                told = self._tell(outcome, told)
        self._finish(outcome, told)
        return outcome

    def advance(self, until: int) -> Outcome:
        """Let all users' self-changes up to and including `until` (ms) happen."""
        outcome = Outcome()
        for user_id, profile in self.profiles.take_due(until):
            self.engine.advance(user_id, profile, until, outcome.changes)
        self._finish(outcome, 0)
        return outcome

    def _finish(self, outcome: Outcome, told: int) -> None:
        self._tell(outcome, told)
        self.profiles.settle_if_many()

    def _tell(self, outcome: Outcome, told: int) -> int:
        """Say what the users are in whose changes come after the first `told`; returns how many changes are told of."""
        open_, memberships, changes = self.profiles.open, self.engine.memberships, outcome.changes
        for user_id in {change.user_id: None for change in islice(changes, told, None)}:
            outcome.current[user_id] = memberships(user_id, open_(user_id))
        return len(changes)
