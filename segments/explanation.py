"""What `explain` says about one user, as JSON with a schema."""

from __future__ import annotations

from typing import Any

import msgspec

from segments.changes import Action, Cause

_encode = msgspec.json.Encoder(order="deterministic").encode


class CountedEvent(msgspec.Struct, frozen=True):
    """An event that counts in a condition; `at` in ms, `adds` is its amount, points, value or step, None: it counts."""

    message_id: str | None
    event: str
    at: int
    adds: str | bool | int | float | list[Any] | None


class Condition(msgspec.Struct, frozen=True):
    """One condition: what was asked, what it is now, the newest events that count in it, and how many `more` do."""

    condition: str
    expected: str
    value: str | bool | int | float | list[Any] | None
    holds: bool
    events: list[CountedEvent]
    more: int


class LastChange(msgspec.Struct, frozen=True):
    """The last entry or exit: when (ms), and why; `event` names the event of that message id."""

    action: Action
    at: int
    cause: Cause
    event: str | None


class Standing(msgspec.Struct, frozen=True):
    """One segment for one user; `since` and `next_change_at` in ms, None when outside and when nothing is to come.

    `model_version` names who gave the `score`, such as `churn_risk:3`, None when no model did.
    While `warming` the conditions do not decide: what they read is being filled in, and members stay as they were.
    """

    segment: str
    segment_version: int
    inside: bool
    since: int | None
    last_change: LastChange | None
    next_change_at: int | None
    score: float | None
    confidence: float
    conditions: list[Condition]
    exit_conditions: list[Condition]
    warming: bool = False
    model_version: str | None = None


class NotCounted(msgspec.Struct, frozen=True):
    """An event of the user that was not applied: `reason` is a word to count by, `detail` is for people; `at` in ms."""

    message_id: str | None
    event: str
    at: int
    reason: str
    detail: str


class Explanation(msgspec.Struct, frozen=True):
    """All segments of one user at one instant (`at`, ms), as that release defines them; `events` were applied.

    `not_counted` has the last ones that were not applied, `not_counted_more` says how many came before them.
    """

    user_id: str
    at: int
    release: int
    events: int
    not_counted: list[NotCounted]
    not_counted_more: int
    segments: list[Standing]


def encode_explanation(explanation: Explanation) -> bytes:
    """Return the explanation as JSON."""
    return _encode(explanation)


def explanation_schema() -> dict[str, Any]:
    """Return the JSON Schema of an explanation.

    >>> explanation_schema()["$ref"]
    '#/$defs/Explanation'
    """
    return msgspec.json.schema(Explanation)
