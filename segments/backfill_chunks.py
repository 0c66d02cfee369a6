"""What a side job hands over: the states of many users as of a cut, by shard, in pieces of a record's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from segments.backfill import Backfill
from segments.control import Filled
from segments.engine import Engine
from segments.events import RejectedEvent
from segments.features.session import SESSION_ID
from segments.profile import Layout, Profile, decode_profile, encode_profile, mover

CHUNK_BYTES = 900_000  # of profiles in one record, below the 1 MB that Kafka takes unless told otherwise
_HEAD = b"\x97"  # of a chunk as MessagePack: a list of seven
_ENTRY_BYTES = 8  # at most, what MessagePack adds to a user id and a profile

UserEvents = Sequence[tuple[bytes, int]]  # a user's events by time, each with when (ms) its record was written


class Chunk(msgspec.Struct, frozen=True, array_like=True, tag="backfill", gc=False):
    """Piece `index` of what `run` of the side job for a release found in one shard; the ids are those of `features`."""

    release: int
    run: int
    shard: int
    index: int
    features: tuple[int, ...]
    profiles: dict[str, bytes]


_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Chunk] = msgspec.msgpack.Decoder(Chunk)


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the chunk as MessagePack."""
    return _encode(chunk)


def decode_chunk(payload: bytes) -> Chunk:
    """Return the chunk in a record; raises msgspec.DecodeError.

    >>> decode_chunk(encode_chunk(Chunk(2, 1, 118, 0, (), {}))).shard
    118
    """
    return _decoder.decode(payload)


def is_chunk(payload: bytes) -> bool:
    """Say whether a record looks like a chunk; what else the job is told is JSON.

    >>> is_chunk(encode_chunk(Chunk(2, 1, 118, 0, (), {}))), is_chunk(b"{}")
    (True, False)
    """
    return payload[:1] == _HEAD


def collected(engine: Engine, backfill: Backfill, users: Iterable[UserEvents], cut: int) -> Iterator[tuple[str, bytes]]:
    """Yield each user with a profile that holds what is to be filled in, as of `cut` (ms): events before it count.

    `engine` is of the release's plan with all segments warming.
    """
    kept = backfill.features | {SESSION_ID}
    for events in users:
        found: dict[str, Profile] = {}
        for payload, written in events:
            try:
                event = engine.plan.decoder.decode(payload, written)
            except RejectedEvent:
                continue
            if event.time < cut:
                engine.apply(found.setdefault(event.user_id, Profile()), event, [])
        for user_id, profile in found.items():
            states = {number: state for number, state in profile.features.items() if number in kept}
            if states:
                kept_of = Profile(due=profile.due, clock=profile.clock, newest=profile.newest, features=states)
                yield user_id, encode_profile(kept_of)


def chunks_of(
    release: int, run: int, shard: int, layout: Layout, profiles: Iterable[tuple[str, bytes]]
) -> Iterator[Chunk]:
    """Yield a shard's profiles as chunks whose profiles take 900 KB at most; one chunk when there are none."""
    index, size, part = 0, 0, dict[str, bytes]()
    for user_id, blob in profiles:
        more = len(blob) + 4 * len(user_id) + _ENTRY_BYTES
        if part and size + more > CHUNK_BYTES:
            yield Chunk(release, run, shard, index, layout.features, part)
            index, size, part = index + 1, 0, {}
        part[user_id] = blob
        size += more
    yield Chunk(release, run, shard, index, layout.features, part)


class Handed:
    """What side jobs handed over to one worker, until it is in the profiles."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}  # by shard: the newest release whose chunks are in the profiles for good
        self._chunks: dict[tuple[int, int], dict[tuple[int, int], Chunk]] = {}
        self._profiles: dict[tuple[int, int], dict[str, bytes]] = {}

    def take(self, chunk: Chunk) -> bool:
        """Take a chunk in; False when it is known, or no longer of use."""
        if chunk.release <= self.done(chunk.shard):
            return False
        run, place = (chunk.release, chunk.run), (chunk.shard, chunk.index)
        pieces = self._chunks.setdefault(run, {})
        if place in pieces:
            return False
        pieces[place] = chunk
        self._profiles.setdefault(run, {}).update(chunk.profiles)
        return True

    def is_whole(self, filled: Filled, shards: Iterable[int]) -> bool:
        """Say whether all chunks of these shards came, or are in the profiles already."""
        pieces = self._chunks.get((filled.of, filled.run), {})
        lacking = [shard for shard in shards if self.done(shard) < filled.of]
        return all((shard, index) in pieces for shard in lacking for index in range(filled.chunks[shard]))

    def users(self, filled: Filled) -> Mapping[str, bytes]:
        """Return the encoded states of all users that something was handed over of."""
        return self._profiles.get((filled.of, filled.run), {})

    def find(self, filled: Filled, user_id: str, layout: Layout) -> Profile | None:
        """Return a user's states as of the cut in a plan's layout, None when nothing was handed over of the user."""
        blob = self.users(filled).get(user_id)
        if blob is None:
            return None
        profile = decode_profile(blob)
        written = next(iter(self._chunks[filled.of, filled.run].values())).features
        if written != layout.features:
            mover(Layout(written), layout)(profile)
        return profile

    def of_shard(self, shard: int) -> list[Chunk]:
        """Return all chunks of a shard."""
        return [chunk for pieces in self._chunks.values() for place, chunk in pieces.items() if place[0] == shard]

    def forget(self, release: int) -> None:
        """Forget what was handed over for releases up to this one: it is in the profiles for good."""
        for run in [run for run in self._chunks if run[0] <= release]:
            for shard in {shard for shard, _ in self._chunks[run]}:
                self.finish(shard, release)
            del self._chunks[run], self._profiles[run]

    def finish(self, shard: int, release: int) -> None:
        """Note that what was handed over of a shard, for releases up to this one, is in its profiles for good."""
        self._done[shard] = max(self.done(shard), release)

    def done(self, shard: int) -> int:
        """Return the newest release for which nothing more is expected of a shard, 0 for none."""
        return self._done.get(shard, 0)
