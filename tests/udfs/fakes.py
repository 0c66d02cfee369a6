"""What Flink gives to the segment function, made of dicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from pyflink.common import Row

from segments.audit import ModelFailed, ReleaseDone, ReleaseRefused, decode_audit
from segments.profiles import shard_of
from tests.udfs.wire import Output, Raw, control_frame, events_frame, marker_frame, read_output, start_frame, tick_frame
from udfs.frames import Target
from udfs.function_options import FunctionOptions
from udfs.redis_writer import RedisWriter
from udfs.segment_function import SegmentFunction

Shards = dict[int, dict[int, bytes]]


class KeyedMapState:
    """Map state by key, as Flink keeps it: what is read and written belongs to the current key."""

    def __init__(self, shards: Shards, key: Callable[[], int]) -> None:
        self._shards = shards
        self._key = key

    def items(self) -> Iterator[tuple[int, bytes]]:
        return iter(list(self._shards.get(self._key(), {}).items()))

    def get(self, key: int) -> bytes | None:
        return self._shards.get(self._key(), {}).get(key)

    def put(self, key: int, value: bytes) -> None:
        self._shards.setdefault(self._key(), {})[key] = bytes(value)

    def remove(self, key: int) -> None:
        del self._shards[self._key()][key]


class CountedNumber:
    """One Flink counter, kept among the others."""

    def __init__(self, counts: Counter[str], name: str) -> None:
        self._counts = counts
        self._name = name

    def inc(self, number: int = 1) -> None:
        self._counts[self._name] += number


class Metrics:
    """A metric group; the groups below it count under their own names."""

    def __init__(self, counts: Counter[str], prefix: str = "") -> None:
        self._counts = counts
        self._prefix = prefix
        self.gauges: dict[str, Callable[[], int]] = {}

    def counter(self, name: str) -> CountedNumber:
        return CountedNumber(self._counts, self._prefix + name)

    def gauge(self, name: str, read: Callable[[], int]) -> None:
        self.gauges[self._prefix + name] = read

    def add_group(self, name: str, extra: str) -> Metrics:
        return Metrics(self._counts, f"{self._prefix}{name}.{extra}.")


class Worker:
    """One life of the segment function over its shards; it also stands for the contexts that Flink hands over."""

    def __init__(
        self,
        options: FunctionOptions,
        state: Shards | None = None,
        owned: Sequence[int] | None = None,
        subtask: int = 0,
    ) -> None:
        self.state: Shards = {} if state is None else state
        self.counts: Counter[str] = Counter()
        self.metrics = Metrics(self.counts)
        self.audit: list[ReleaseDone] = []
        self.refused: list[ReleaseRefused] = []
        self.failed: list[ModelFailed] = []
        self._subtask = subtask
        self._shards = options.shards
        self._owned = range(options.shards) if owned is None else owned
        self._key = self._owned[0]
        self._function = SegmentFunction(options)
        self._function.open(self)
        assert self.send(start_frame(self._owned)) == []

    def send(self, frame: bytes) -> list[Output]:
        """Hand over one row and return the records to Kafka, less those to the audit topic."""
        self._key = self._owned[0]
        frames = list(self._function.process_element(frame, self))
        assert all(frames)
        records = [record for output in frames for record in read_output(output)]
        said = [decode_audit(each.value or b"") for each in records if each.target == Target.AUDIT]
        self.audit += (each for each in said if isinstance(each, ReleaseDone))
        self.refused += (each for each in said if isinstance(each, ReleaseRefused))
        self.failed += (each for each in said if isinstance(each, ModelFailed))
        return [each for each in records if each.target != Target.AUDIT]

    def events(self, *events: Raw, watermark: int | None = None) -> list[Output]:
        return self.send(events_frame(events) if watermark is None else events_frame(events, watermark))

    def tick(self, watermark: int) -> list[Output]:
        return self.send(tick_frame(watermark))

    def tell(self, payload: bytes) -> list[Output]:
        return self.send(control_frame(payload))

    def checkpoint(self, number: int = 1) -> Shards:
        """Send a marker for all shards it owns and return the state as the checkpoint holds it."""
        assert self.send(marker_frame(number, self._owned)) == []
        return {shard: dict(segments) for shard, segments in self.state.items()}

    def shard_of(self, user_id: str) -> int:
        return shard_of(user_id, self._shards)

    @property
    def writer(self) -> RedisWriter | None:
        """What writes to Redis, if anything does."""
        return self._function._redis

    def close(self) -> None:
        self._function.close()

    def get_map_state(self, _: Any) -> KeyedMapState:
        return KeyedMapState(self.state, lambda: self._key)

    def get_metrics_group(self) -> Metrics:
        return self.metrics

    def get_index_of_this_subtask(self) -> int:
        return self._subtask

    @property
    def _keyed_state_backend(self) -> Worker:
        return self

    def set_current_key(self, key: Row) -> None:
        self._key = key[0]

    @property
    def _map_state_handler(self) -> SimpleNamespace:
        return SimpleNamespace(_underlying=None)

    def commit(self) -> None:
        """Nothing: this state is written at once."""
