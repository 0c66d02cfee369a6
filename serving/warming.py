"""Which segments stand still now, as the job says in the audit topic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from segments.audit import ReleaseDone, decode_audit, note_done, standing_still
from serving.whole_topic import WholeTopic


class SegmentsWarming(WholeTopic):
    """The names of the segments that are warming: nobody enters or leaves them until a side job has filled them in.

    `refresh` brings them up to date. One counts as warming until all workers have completed it for all their users.
    """

    def __init__(self, bootstrap_servers: str, *, topic: str = "segment-audit", **options: Any) -> None:
        """Connect; `options` are those of kafka-python's consumer. Raises LookupError without the topic, KafkaError."""
        super().__init__(bootstrap_servers, topic, options)
        self._newest: dict[int, ReleaseDone] = {}
        self._names = frozenset[str]()

    def __contains__(self, segment: object) -> bool:
        return segment in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def _keep(self, record: Any) -> None:
        with suppress(msgspec.DecodeError):  # of a newer job, about something else
            said = decode_audit(record.value or b"")
            if isinstance(said, ReleaseDone):
                note_done(self._newest, said)
                self._names = standing_still(self._newest)
