"""PyFlink's keyed state, shard after shard in one call, with all writes under way at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyflink.common import Row


class ShardKeys:
    """Says whose state a worker reads and writes; PyFlink itself knows one key a row and one write at a time."""

    def __init__(self, context: Any) -> None:
        self._backend = context._keyed_state_backend  # noqa: SLF001 - PyFlink offers no other way

    def turn_to(self, shard: int) -> None:
        """Make a shard the current key: one row can so reach the state of all shards of this worker."""
        self._backend.set_current_key(Row(shard))

    @contextmanager
    def writing_together(self) -> Iterator[None]:
        """Send the writes of this block without waiting for each; returns when Flink has them all."""
        states = self._backend._map_state_handler  # noqa: SLF001 - as above
        connection = states._underlying  # noqa: SLF001
        writes = _Writes(connection)
        states._underlying = writes  # noqa: SLF001
        try:
            yield
            self._backend.commit()
        finally:
            states._underlying = connection  # noqa: SLF001
            writes.wait()


class _Sent:
    """What a write returns while its answer is awaited elsewhere."""

    def get(self) -> None:
        """Return at once."""


class _Writes:
    """Beam's connection to the state, with the answers to writes put off."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._answers: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def append_raw(self, state_key: Any, data: bytes) -> _Sent:
        """Send a write."""
        self._answers.append(self._connection.append_raw(state_key, data))
        return _Sent()

    def wait(self) -> None:
        """Return when all writes are answered; raises RuntimeError when Flink refused one or is gone."""
        for answer in self._answers:
            while not answer.wait(timeout=1):
                gone = getattr(self._connection, "_exception", None)
                if gone is not None:
                    raise RuntimeError("the state of the shards could not be written") from gone
            if error := answer.get().error:
                raise RuntimeError(f"the state of the shards could not be written: {error}")
