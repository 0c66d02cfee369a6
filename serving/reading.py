"""From records to changes: what is known already is left out, what is missing or unreadable is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from segments.changes import Change, are_missing, decode_change
from serving.placing import At
from serving.seqs import Progress, SeqStore
from serving.troubles import Gap, Place, Trouble, Unreadable


class _Head(msgspec.Struct, gc=False):
    user_id: str
    seq: int


_head = msgspec.json.Decoder(_Head).decode


class Reading:
    """Reads the records of a partition after what the store knows; `repeated` counts those left out."""

    def __init__(self, store: SeqStore, on_trouble: Callable[[Trouble], None]) -> None:
        self._store, self._on_trouble = store, on_trouble
        self.repeated = 0

    def take(self, at: At, records: Sequence[Any], changes: list[Change]) -> Progress:
        """Append to `changes` what is to be handed out of the records; returns what reading them moves.

        Raises what `on_trouble` raises.
        """
        topic, partition = records[0].topic, records[0].partition
        progress = Progress(topic, partition, at.known, records[-1].offset + 1)
        read = [(record, self._read(record, at)) for record in records]
        known = self._store.known(topic, {head.user_id for _, head in read if head is not None})
        for record, head in read:
            if head is None:
                continue
            user, seq = head.user_id, head.seq
            last = known.get(user, 0)
            if isinstance(head, Change):
                if seq <= last:
                    self.repeated += 1
                else:
                    if are_missing(last, seq) and (last or at.whole):
                        self._on_trouble(Gap(_place(record), user, last + 1, seq))
                    changes.append(head)
            known[user] = max(last, seq)
            progress.seqs[user] = (known[user], record.offset)
        return progress

    def _read(self, record: Any, at: At) -> Change | _Head | None:
        """Return a change that may be handed out, only its head below `at.resume`, None when it cannot be read."""
        learnt = record.offset < at.resume
        try:
            return _head(record.value) if learnt else decode_change(record.value)
        except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
            if not learnt:
                reason = "it has no value" if record.value is None else str(error)
                self._on_trouble(Unreadable(_place(record), record.value, reason))
            return None


def _place(record: Any) -> Place:
    return Place(record.topic, record.partition, record.offset)
