"""Writes of many shards on their way at once, on a stand-in for PyFlink's backend and Beam's connection."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from udfs.keyed_state import ShardKeys


class Answer:
    """An answer that arrives when it is waited for."""

    def __init__(self, log: list[str], name: str, error: str = "", *, lost: bool = False) -> None:
        self._log, self._name, self._error, self._lost = log, name, error, lost

    def wait(self, timeout: float) -> bool:
        assert timeout > 0
        self._log.append(f"waited for {self._name}")
        return not self._lost

    def get(self) -> Any:
        return SimpleNamespace(error=self._error)


class Backend:
    """Commits the write of a shard when the next one becomes the current key, as PyFlink does with a cache of one."""

    def __init__(self, answers: dict[int, dict[str, Any]] | None = None) -> None:
        self.log: list[str] = []
        self.current = -1
        self._answers = answers or {}
        self._exception: Exception | None = None
        self._map_state_handler = SimpleNamespace(_underlying=self)

    @property
    def _keyed_state_backend(self) -> Backend:
        return self

    def set_current_key(self, key: Any) -> None:
        self.commit()
        self.current = key[0]

    def commit(self) -> None:
        if self.current >= 0:
            self._map_state_handler._underlying.append_raw(self.current, b"").get()
            self.current = -1

    def append_raw(self, state_key: int, _: bytes) -> Answer:
        self.log.append(f"sent {state_key}")
        return Answer(self.log, str(state_key), **self._answers.get(state_key, {}))

    def fails(self) -> None:
        self._exception = ConnectionError("stream closed")


def write(backend: Backend, *shards: int) -> None:
    keys = ShardKeys(backend)
    with keys.writing_together():
        for shard in shards:
            keys.turn_to(shard)


def test_all_writes_are_sent_before_one_is_waited_for_and_all_are_waited_for() -> None:
    backend = Backend()
    write(backend, 3, 5)
    assert backend.log == ["sent 3", "sent 5", "waited for 3", "waited for 5"]


def test_afterwards_a_write_is_waited_for_as_before() -> None:
    backend = Backend()
    write(backend, 3)
    assert backend._map_state_handler._underlying is backend


def test_a_refused_write_fails_the_checkpoint() -> None:
    with pytest.raises(RuntimeError, match="could not be written: disk full"):
        write(Backend({5: {"error": "disk full"}}), 3, 5)


def test_a_lost_connection_is_not_waited_for_for_ever() -> None:
    backend = Backend({3: {"lost": True}})
    backend.fails()
    with pytest.raises(RuntimeError, match="could not be written"):
        write(backend, 3)
