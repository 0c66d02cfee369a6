"""The two sides of a verdict: the changes that the job wrote, and those that the replay makes of the same events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from jobs.player import HEARTBEAT_USER
from jobs.reconcile import NewestTimes
from jobs.settings import Settings
from jobs.topics import Record
from segments.changes import Change, encode_change
from segments.control import ControlRecord
from segments.outcome import Outcome
from segments.replay import Replay
from segments.shadow_names import in_shadow

Unprocessed = tuple[str, int, int]  # topic, partition and offset of an event that was not applied
_BATCH = 2_000


class _Head(msgspec.Struct, gc=False):
    user_id: str
    segment: str
    at: int
    seq: int


_head = msgspec.json.Decoder(_Head).decode


class Observed:
    """The segment topic, by user and `seq`: `repeated` ones came again, `misplaced` ones before their predecessor."""

    def __init__(self) -> None:
        self.by_user: dict[str, dict[int, bytes]] = {}
        self.repeated = 0
        self.misplaced = 0
        self.newest_instant = 0
        self.differences: list[str] = []

    @property
    def changes(self) -> int:
        """How many changes there are, each counted once."""
        return sum(map(len, self.by_user.values()))

    def add(self, value: bytes) -> None:
        """Take in a record's value; raises msgspec.DecodeError.

        >>> observed = Observed()
        >>> for seq in (1, 2, 2, 4):
        ...     observed.add(b'{"user_id": "u", "segment": "s", "at": 7, "seq": %d}' % seq)
        >>> observed.changes, observed.repeated, observed.misplaced
        (3, 1, 1)
        """
        head = _head(value)
        if head.user_id == HEARTBEAT_USER:
            return
        known = self.by_user.setdefault(head.user_id, {})
        self.newest_instant = max(self.newest_instant, head.at)
        if head.seq in known:
            self.repeated += 1
            if known[head.seq] != value:
                self._misplace(head, f"was written twice and differently: {value.decode()}")
            return
        if head.seq > 1 and head.seq - 1 not in known:
            self._misplace(head, f"comes before change {head.seq - 1}")
        known[head.seq] = value

    def kept(self) -> dict[str, list[bytes]]:
        """Return of each user the newest change of each segment, in order: what memberships follow from."""
        kept: dict[str, list[bytes]] = {}
        for user, known in self.by_user.items():
            newest = {_head(known[seq]).segment: seq for seq in sorted(known)}
            kept[user] = [known[seq] for seq in sorted(newest.values())]
        return kept

    def _misplace(self, head: _Head, how: str) -> None:
        self.misplaced += 1
        self.differences.append(f"user {head.user_id}: change {head.seq} {how}")


class Reference:
    """The replay of the events topic; `refused` are the events it did not apply, with the reason."""

    def __init__(self, told: Sequence[ControlRecord], settings: Settings) -> None:
        times = settings.event_time
        self.counts: Counter[str] = Counter()
        self.refused: dict[Unprocessed, str] = {}
        self._changes: dict[str, list[bytes]] = {}
        self._progress = NewestTimes(settings)
        self._processor = Replay(
            told, allowed_lateness=times.allowed_lateness, plausibility=settings.plausibility
        ).processor

    def add(self, events: Iterable[Record]) -> None:
        """Apply records of the events topic, each user's in order of arrival."""
        iterator = iter(events)
        while batch := list(islice(iterator, _BATCH)):
            watched = list(self._progress.watch(batch))
            outcome = self._processor.process([payload for payload, _ in watched], [at for _, at in watched])
            self.counts["events"] += sum(1 for record in batch if record.key != HEARTBEAT_USER.encode())
            self.counts["duplicates"] += outcome.duplicates
            for place, rejected in outcome.rejected:
                self._refuse(batch[place], rejected.reason)
            for place in outcome.late:
                self._refuse(batch[place], "late")
            self._keep(outcome)

    def changes(self, newest: int) -> tuple[dict[str, int], dict[str, list[bytes]]]:
        """Return how many changes of each user the job must have written, and all it may have written.

        It must have written those up to the event time that it has passed for sure, and may have written those up to
        `newest` (ms), the newest change that it wrote.
        """
        reached = self._progress.reached()
        self._advance(reached)
        required = {user: len(changes) for user, changes in self._changes.items()}
        self._advance(max(reached, newest))
        return required, self._changes

    def _advance(self, until: int) -> None:
        self._keep(self._processor.advance(until))
        while self._processor.sweeping:
            self._keep(self._processor.sweep(_BATCH))

    def _refuse(self, record: Record, reason: str) -> None:
        self.counts[reason] += 1
        self.refused[record.topic, record.partition, record.offset] = reason

    def _keep(self, outcome: Outcome) -> None:
        for change in outcome.changes:
            if _is_told(change):
                self._changes.setdefault(change.user_id, []).append(encode_change(change))


def _is_told(change: Change) -> bool:
    return change.user_id != HEARTBEAT_USER and not in_shadow(change.segment)
