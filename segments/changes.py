"""What goes out: one record for each transition of a membership, and each user's current memberships."""

from typing import Any, Literal

import msgspec

Action = Literal["entered", "exited", "updated"]


class Cause(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why something changed: an event with its message id, time alone, a release, a bound, the user's age."""

    kind: Literal["event", "timer", "definition", "model", "threshold", "retention", "consent", "merge"]
    message_id: str | None = None


class Reason(msgspec.Struct, frozen=True, gc=False):
    """One condition: what was asked, what was expected, what it was."""

    condition: str
    expected: str
    value: str | bool | int | float | list[Any] | None
    holds: bool


class Share(msgspec.Struct, frozen=True, gc=False):
    """A column of a model's input, its value, what is typical, and how much more the score is than with that."""

    feature: str
    value: float | str | None
    typical: float | str | None
    adds: float


class Change(msgspec.Struct, frozen=True, gc=False):
    """One transition of one user; `at` and `next_change_at` in ms, `seq` counts the user's changes from 1.

    `model_version` names who gave the score, such as `churn_risk:3`; `top_features` are what makes most of it, and only
    there where a model did. `warming` is there, and true, while the segment's memberships stand still: only the parent,
    the user's age or a release led to it.
    """

    user_id: str
    segment: str
    segment_version: int
    action: Action
    at: int
    seq: int
    cause: Cause
    because: list[Reason]
    score: float | None
    model_version: str | None
    confidence: float
    next_change_at: int | None
    top_features: list[Share] | msgspec.UnsetType = msgspec.UNSET
    warming: bool | msgspec.UnsetType = msgspec.UNSET


class Membership(msgspec.Struct, frozen=True, gc=False):
    """One current membership; `since` in ms."""

    segment_version: int
    since: int
    score: float | None
    confidence: float


class Memberships(msgspec.Struct, frozen=True, gc=False):
    """All current memberships of a user, true from `at` (ms) and change number `seq` on.

    `warming` names, where there are any, the segments whose memberships stand still then, be the user in them or not.
    """

    user_id: str
    seq: int
    at: int
    segments: dict[str, Membership]
    warming: list[str] | msgspec.UnsetType = msgspec.UNSET


_LIVES_APART = 1_800_000  # half of `segments.retention.GAP`: the other half is for changes of one instant

TIMER = Cause("timer")
THRESHOLD = Cause("threshold")
MODEL = Cause("model")
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_change = msgspec.json.Decoder(Change).decode
_decode_memberships = msgspec.json.Decoder(Memberships).decode


def are_missing(last: int, seq: int) -> bool:
    """Say whether changes of a user are missing between two numbers, 0 for before the first.

    Numbers go up by one. Those of a user who was forgotten and comes back begin an hour of milliseconds higher or more.

    >>> are_missing(3, 4), are_missing(3, 6), are_missing(0, 1), are_missing(1_795_341_600_004, 1_795_600_800_001)
    (False, True, False, False)
    """
    return last + 1 < seq <= last + _LIVES_APART


def encode_change(change: Change) -> bytes:
    """Return the change as the JSON of the segment topic: the same change gives the same bytes."""
    return _encode(change)


def decode_change(payload: bytes) -> Change:
    """Return the change in a record of the segment topic; raises msgspec.DecodeError."""
    return _decode_change(payload)


def encode_memberships(memberships: Memberships) -> bytes:
    """Return the memberships as the JSON of the compacted topic."""
    return _encode(memberships)


def decode_memberships(payload: bytes) -> Memberships:
    """Return the memberships in a record of the compacted topic; raises msgspec.DecodeError."""
    return _decode_memberships(payload)


def changes_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record of the segment topic.

    >>> changes_schema()["$ref"]
    '#/$defs/Change'
    """
    return msgspec.json.schema(Change)


def memberships_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record of the compacted membership topic."""
    return msgspec.json.schema(Memberships)
