"""What is asked of the running job's workers about their users, and what they answer: records of the internal topic."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec

from segments.changes import Memberships

Stands = tuple[int, dict[str, tuple[int, int]]]  # a user's newest change, and by segment its version and since (ms)
_ASKS, _TELLS = b'"kind":"inspect"', b'"kind":"inspected"'
_SPREAD = b"inspection "  # so that a slice has users of all shards


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some of all users: of the `slices` into which a hash divides them that of number `slice`, within a range of ids.

    >>> Choice(first="a", last="c").has("b"), Choice(first="a", last="c").has("d")
    (True, False)
    >>> sum(Choice(slice=number, slices=4).has("u1") for number in range(4))
    1
    """

    slice: int = 0
    slices: int = 1
    first: str | None = None
    last: str | None = None

    def has(self, user_id: str) -> bool:
        """Say whether a user is chosen."""
        spread = zlib.crc32(_SPREAD + user_id.encode("utf-8", "surrogatepass")) if self.slices > 1 else 0
        if spread % self.slices != self.slice:
            return False
        return (self.first is None or user_id >= self.first) and (self.last is None or user_id <= self.last)


class Renumber(msgspec.Struct, frozen=True, array_like=True):
    """That a user whose newest change is number `was` has it be number `becomes`: others know the numbers up to that.

    Not before event time has reached `after` (ms), nor if another change has come since.
    """

    was: int
    becomes: int
    after: int


class Inspect(msgspec.Struct, frozen=True, tag_field="kind", tag="inspect", omit_defaults=True):
    """A question: what are these users in? `users` names them, else all of the choice are meant.

    Each worker looks at `rate` users a second at most. After `until` (ms, wall clock) nobody waits for an answer.

    `told` has for each of `users` the number that the memberships topic is at, 0 for none: then the user's memberships
    are written there anew, unless the user's newest change is of a lower number. None: nothing is written.

    `renumber` has for each of `users` what the newest change's number is to be; who gets it is written anew, too.
    """

    id: str
    until: int
    choice: Choice = Choice()
    users: list[str] | None = None
    rate: int = 2_000
    told: list[int] | None = None
    renumber: list[Renumber] | None = None


class Inspected(msgspec.Struct, frozen=True, tag_field="kind", tag="inspected", omit_defaults=True):
    """Part of a worker's answer, each user as of the moment at which it was written; `done`: it was the last part.

    The worker has looked at `looked` of `of` users so far; of `written` users it wrote the memberships anew.
    """

    id: str
    shards: list[int]
    users: dict[str, Stands]
    done: bool = False
    looked: int = 0
    of: int = 0
    written: int = 0


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_question = msgspec.json.Decoder(Inspect).decode
_decode_answer = msgspec.json.Decoder(Inspected).decode


def encode_inspection(record: Inspect | Inspected) -> bytes:
    """Return a question or an answer as the JSON of the internal topic."""
    return _encode(record)


def decode_question(payload: bytes) -> Inspect:
    """Return the question in a record of the internal topic; raises msgspec.DecodeError.

    >>> decode_question(encode_inspection(Inspect("a", 5, users=["u1"]))).users
    ['u1']
    """
    return _decode_question(payload)


def answer_to(question: str, payload: bytes | None) -> Inspected | None:
    """Return the answer in a record of the internal topic if it is one to this question; raises msgspec.DecodeError.

    >>> answer_to("a", encode_inspection(Inspected("a", [0], {"u1": (1, {})}))).users
    {'u1': (1, {})}
    >>> answer_to("b", encode_inspection(Inspected("a", [0], {})))
    """
    if payload is None or not payload.startswith(b"{" + _TELLS):
        return None
    answer = _decode_answer(payload)
    return answer if answer.id == question else None


def is_question(payload: bytes) -> bool:
    """Say whether a record that the workers were told asks for users.

    >>> is_question(encode_inspection(Inspect("a", 5))), is_answer(encode_inspection(Inspected("a", [0], {})))
    (True, True)
    """
    return payload.startswith(b"{" + _ASKS)


def is_answer(payload: bytes) -> bool:
    """Say whether a record that the workers were told is an answer of one of them, which is not for them."""
    return payload.startswith(b"{" + _TELLS)


def stands(memberships: Memberships) -> Stands:
    """Return what is compared of a user's memberships."""
    segments: Mapping[str, tuple[int, int]] = {
        name: (each.segment_version, each.since) for name, each in memberships.segments.items()
    }
    return memberships.seq, dict(segments)
