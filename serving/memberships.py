"""The compacted memberships topic as a table in memory: what every user is in now."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from segments.changes import Memberships, decode_memberships
from serving.whole_topic import WholeTopic


class SegmentMemberships(WholeTopic):
    """All users who are in a segment, by name, as the bytes of their records. `refresh` brings it up to date."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic: str = "segment-memberships",
        records: MutableMapping[str, bytes] | None = None,
        **options: Any,
    ) -> None:
        """Connect; `options` are those of kafka-python's consumer. Raises LookupError without the topic, KafkaError.

        The table is kept in `records`, by default in memory.
        """
        super().__init__(bootstrap_servers, topic, options)
        self._records: MutableMapping[str, bytes] = {} if records is None else records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def of(self, user_id: str) -> Memberships | None:
        """Return what a user is in, None when in nothing or unknown; raises msgspec.DecodeError."""
        value = self._records.get(user_id)
        return None if value is None else decode_memberships(value)

    def members(self, segment: str) -> Iterator[str]:
        """Yield the users who are in a segment, in no order; raises msgspec.DecodeError."""
        return (user for user, value in self._records.items() if segment in decode_memberships(value).segments)

    def _keep(self, record: Any) -> None:
        user_id, value = record.key.decode(), record.value
        if value is None:
            self._records.pop(user_id, None)
        else:
            self._records[user_id] = value
