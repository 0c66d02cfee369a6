"""What side jobs handed over, in Flink's state: with each shard what its users still need."""

from __future__ import annotations

import msgspec

from segments.backfill_chunks import decode_chunk, encode_chunk
from segments.processor import Processor
from udfs.kept_format import with_format, without_format
from udfs.told import ToldState

PLACE = -2  # in the map state of a shard
WHAT = "the chunks of a backfill"


class _Kept(msgspec.Struct, array_like=True):
    """The newest release whose completion is in the profiles for good, and the chunks that are not."""

    done: int
    chunks: list[bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class HandedLog:
    """Moves what was handed over between memory and the state of a shard; call it only under that shard's key."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._handed = processor.timeline.backfills.handed
        self._written: dict[int, tuple[int, int]] = {}  # by shard: the newest release done, and how many chunks

    def load(self, shard: int, state: ToldState) -> None:
        """Hand over what a shard's state holds; raises ValueError when a newer version wrote it."""
        found = state.get(PLACE)
        if found is None:
            return
        kept = _decode(without_format(bytes(found), WHAT))
        self._written[shard] = (kept.done, len(kept.chunks))
        for chunk in map(decode_chunk, kept.chunks):
            self._processor.hand(chunk)
        self._processor.handed_before(shard, kept.done)

    def save(self, shard: int, state: ToldState) -> int:
        """Write what a shard needs if its state lacks some of it, or has too much; returns the bytes written."""
        chunks, done = self._handed.of_shard(shard), self._handed.done(shard)
        if (done, len(chunks)) == self._written.get(shard, (0, 0)):
            return 0
        self._written[shard] = (done, len(chunks))
        content = with_format(_encode(_Kept(done, [encode_chunk(chunk) for chunk in chunks])))
        state.put(PLACE, content)
        return len(content)
