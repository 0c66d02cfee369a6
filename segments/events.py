"""Events as analytics SDKs send them (the Segment Spec), parsed and checked in one pass."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from segments.fields import struct_for

CALL_EVENT_NAMES = {"page": "Page Viewed", "screen": "Screen Viewed", "identify": "Identify", "alias": "Alias"}
SESSION_STARTED = "Session Started"
ANY_EVENT = "any"
_OLDEST = 946_684_800_000  # 2000-01-01: a smaller number is seconds taken for milliseconds, or nonsense
_NEWEST = 4_102_444_800_000  # 2100-01-01
_MAX_ID = 256
_DAY = 86_400_000


class RejectedEvent(ValueError):
    """An event that goes to the dead letters: `reason` is a fixed word to count by, `detail` is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Plausibility(msgspec.Struct, frozen=True):
    """How far (ms) an event's time may lie from the time its record was written."""

    max_ahead: int = _DAY
    max_age: int = 3_650 * _DAY


class Event:
    """One parsed event of one user."""

    __slots__ = ("context", "message_id", "name", "properties", "time", "traits", "user_id")

    def __init__(
        self, user_id: str, name: str, time: int, message_id: str | None, properties: Any, context: Any, traits: Any
    ) -> None:
        self.user_id = user_id
        self.name = name
        self.time = time
        self.message_id = message_id
        self.properties = properties
        self.context = context
        self.traits = traits


class EventDecoder:
    """Turns JSON bytes into events; only the named properties, context paths and traits are read.

    >>> decoder = EventDecoder(properties={"price": "number"}, property_paths=["price"])
    >>> event = decoder.decode(b'{"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": "m1",'
    ...                        b' "timestamp": "2026-11-22T10:00:00Z", "properties": {"price": 12.5}}')
    >>> event.user_id, event.name, event.time, event.properties.price
    ('u1', 'Product Viewed', 1795341600000, 12.5)
    """

    def __init__(
        self,
        *,
        properties: Mapping[str, str] | None = None,
        property_paths: Iterable[str] = (),
        context_paths: Iterable[str] = (),
        trait_paths: Iterable[str] = (),
        plausibility: Plausibility | None = None,
    ) -> None:
        properties_type = struct_for("Properties", property_paths, properties or {})
        traits_type = struct_for("Traits", trait_paths, {})
        context_type = struct_for("Context", context_paths, {})
        context_type = msgspec.defstruct(
            "Context", [("traits", traits_type | None, None)], bases=(context_type,), gc=False
        )
        envelope = msgspec.defstruct(
            "Envelope",
            [
                ("type", str),
                ("user_id", str | int | None, None),
                ("anonymous_id", str | int | None, None),
                ("timestamp", int | float | str | None, None),
                ("message_id", str | None, None),
                ("event", str | None, None),
                ("properties", properties_type | None, None),
                ("context", context_type | None, None),
                ("traits", traits_type | None, None),
            ],
            rename={"user_id": "userId", "anonymous_id": "anonymousId", "message_id": "messageId"},
            gc=False,
        )
        self._decode = msgspec.json.Decoder(envelope).decode
        self.no_properties = properties_type()
        self._no_context = context_type()
        self._no_traits = traits_type()
        self._plausibility = plausibility or Plausibility()

    def decode(self, payload: bytes | memoryview, written_at: int | None = None) -> Event:
        """Return the event; `written_at` (ms) is its record's time, None when unknown. Raises RejectedEvent."""
        try:
            raw: Any = self._decode(payload)
        except msgspec.ValidationError as error:
            raise RejectedEvent("wrong_type", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RejectedEvent("not_json", str(error)) from None
        except RecursionError:
            raise RejectedEvent("nested_too_deeply", "objects or lists are nested too deeply") from None
        user = raw.user_id
        if user is None or user == "":
            user = raw.anonymous_id
        if type(user) is not str or not user or len(user) > _MAX_ID:
            user = _user_id(user)
        name = raw.event if raw.type == "track" else CALL_EVENT_NAMES.get(raw.type)
        if not name:
            raise _nameless(raw.type)
        time = raw.timestamp
        if type(time) is not int:
            time = _time(time)
        self._check_time(time, written_at)
        context = raw.context
        if context is None:
            context = self._no_context
        traits = raw.traits
        if traits is None:
            traits = context.traits or self._no_traits
        properties = raw.properties
        return Event(
            user,
            name,
            time,
            raw.message_id,
            self.no_properties if properties is None else properties,
            context,
            traits,
        )

    def _check_time(self, time: int, written_at: int | None) -> None:
        if not _OLDEST <= time < _NEWEST:
            detail = f"{str(time)[:32]} is not between the years 2000 and 2100; timestamps are milliseconds or ISO 8601"
            raise RejectedEvent("implausible_time", detail)
        if written_at is None:
            return
        if time > written_at + self._plausibility.max_ahead:
            raise RejectedEvent("implausible_time", f"{time} is {time - written_at} ms after the record was written")
        if time < written_at - self._plausibility.max_age:
            raise RejectedEvent("implausible_time", f"{time} is {written_at - time} ms before the record was written")


def _user_id(user: object) -> str:
    if type(user) is int:
        return str(user)
    if not user:
        raise RejectedEvent("no_user", "neither userId nor anonymousId is given")
    raise RejectedEvent("no_user", f"the user's id is longer than {_MAX_ID} characters")


def _nameless(call: str) -> RejectedEvent:
    if call == "track":
        return RejectedEvent("no_event_name", "a track call needs 'event'")
    known = ", ".join(("track", *CALL_EVENT_NAMES))
    return RejectedEvent("unknown_type", f"'{call[:64]}' is none of {known}")


def _time(value: float | str | None) -> int:
    if value is None:
        raise RejectedEvent("no_time", "'timestamp' is missing")
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000
        return round(value)
    except (ValueError, OverflowError):
        raise RejectedEvent("no_time", f"'{str(value)[:64]}' is no time; write ISO 8601 or milliseconds") from None
