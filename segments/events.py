"""Events as analytics SDKs send them (the Segment Spec), parsed and checked in one pass."""

from collections.abc import Callable, Iterable, Mapping
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
_RESERVED = {SESSION_STARTED, ANY_EVENT}
_DAY = 86_400_000


class RejectedEvent(ValueError):
    """An event that goes to the dead letters: `reason` is a fixed word to count by, `detail` is for people."""

    def __init__(self, reason: str, detail: str, **about: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.about = about  # what else the dead letter's headers say


class Plausibility(msgspec.Struct, frozen=True):
    """How far (ms) an event's time may lie from the time its record was written, and how large (bytes) it may be.

    `max_steps` is how much work a user may make in a minute (segments/hot_users.py); None: any.
    """

    max_ahead: int = _DAY
    max_age: int = 3_650 * _DAY
    max_bytes: int = 1_048_576
    max_steps: int | None = None


class Event(msgspec.Struct, gc=False):
    """One parsed event of one user; `time` in ms."""

    user_id: str
    name: str
    time: int
    message_id: str | None
    properties: Any
    context: Any
    traits: Any


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
            "Context", [("traits", traits_type | None, None)], bases=(context_type,), gc=False, frozen=True
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
        packed = msgspec.defstruct(
            "Packed",
            [
                ("time", int),
                ("name", str),
                ("properties", properties_type | None),
                ("context", context_type | None),
                ("traits", traits_type | None),
            ],
            array_like=True,
            gc=False,
        )
        self._unpack: Callable[[bytes], Any] = msgspec.json.Decoder(packed).decode
        self.no_properties = properties_type()
        self.no_context = context_type()
        self.no_traits = traits_type()
        bounds = plausibility or Plausibility()
        self._max_bytes = bounds.max_bytes
        self._newest_ahead, self._oldest_ahead = bounds.max_ahead, -bounds.max_age

    def made(self, user_id: str, name: str, time: int) -> Event:
        """Return an event that the engine makes itself: it has a name and a time (ms) and nothing else."""
        return Event(user_id, name, time, None, self.no_properties, self.no_context, self.no_traits)

    def pack(self, event: Event) -> bytes:
        """Return what an event tells the definitions, as a line of JSON; `unpack` reads it again."""
        properties, context, traits = event.properties, event.context, event.traits
        told = (
            event.time,
            event.name,
            None if properties is self.no_properties else properties,
            None if context is self.no_context else context,
            None if traits is self.no_traits else traits,
        )
        return _encode(told) + b"\n"  # not `encode_lines`: of a tuple it leaks an iterator (msgspec 0.22.0)

    def unpack(self, user_id: str, packed: bytes) -> Event:
        """Return a user's event of what `pack` made, here or with other definitions; it has no message id.

        Raises msgspec.ValidationError when a property has another type than these definitions declare.
        """
        each = self._unpack(packed)
        return Event(
            user_id,
            each.name,
            each.time,
            None,
            each.properties or self.no_properties,
            each.context or self.no_context,
            each.traits or self.no_traits,
        )

    def decode(self, payload: bytes, written_at: int | None = None) -> Event:
        """Return the event; `written_at` (ms) is its record's time, None when unknown. Raises RejectedEvent."""
        try:
            raw: Any = self._decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable(error) from None
        if not payload.isascii():
            _check_utf8(payload)
        if len(payload) > self._max_bytes:
            raise RejectedEvent("too_large", f"{len(payload)} bytes are more than the {self._max_bytes} allowed")
        time = raw.timestamp
        if type(time) is not int:
            time = _time_of_text(time) if type(time) is str else _time(time)
        ahead = 0 if written_at is None else time - written_at
        if not (_OLDEST <= time < _NEWEST and self._oldest_ahead <= ahead <= self._newest_ahead):
            raise _implausible(time, ahead)
        user, name = raw.user_id, raw.event
        if type(user) is not str or not user or len(user) > _MAX_ID:
            user = _user_id(raw.anonymous_id if user is None or user == "" else user)
        if raw.type != "track" or not name or name in _RESERVED:
            name = _name(raw.type, name)
        context: Any = raw.context or self.no_context
        traits = raw.traits or context.traits or self.no_traits
        return Event(user, name, time, raw.message_id, raw.properties or self.no_properties, context, traits)


_encode = msgspec.json.Encoder().encode


def packed_time(packed: bytes) -> int:
    """Return the time (ms) of a packed event without decoding the rest.

    >>> packed_time(b'[1795341600000,"Page Viewed",null,null,null]')
    1795341600000
    """
    return int(packed[1 : packed.index(b",")])


def _check_utf8(payload: bytes) -> None:
    """Raise RejectedEvent for bytes that are no UTF-8: the decoder does not look at what it skips, the bridge does."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> RejectedEvent:
    if isinstance(error, msgspec.ValidationError):
        return RejectedEvent("wrong_type", str(error))
    if isinstance(error, RecursionError):
        return RejectedEvent("nested_too_deeply", "objects or lists are nested too deeply")
    return RejectedEvent("not_json", str(error))


def _implausible(time: int, ahead: int) -> RejectedEvent:
    if not _OLDEST <= time < _NEWEST:
        detail = f"{str(time)[:32]} is not between the years 2000 and 2100; timestamps are milliseconds or ISO 8601"
    else:
        detail = f"{time} is {abs(ahead)} ms {'after' if ahead > 0 else 'before'} the time the record was written"
    return RejectedEvent("implausible_time", detail)


def _user_id(user: object) -> str:
    if type(user) is int:
        return str(user)
    if not isinstance(user, str) or not user:
        raise RejectedEvent("no_user", "neither userId nor anonymousId is given")
    if len(user) > _MAX_ID:
        raise RejectedEvent("no_user", f"the user's id is longer than {_MAX_ID} characters")
    return user


def _name(call: str, event: str | None) -> str:
    """Return the name of an event that is no plain track call; raises RejectedEvent."""
    name = CALL_EVENT_NAMES.get(call)
    if name is not None:
        return name
    if call != "track":
        known = ", ".join(("track", *CALL_EVENT_NAMES))
        raise RejectedEvent("unknown_type", f"'{call[:64]}' is none of {known}")
    if not event:
        raise RejectedEvent("no_event_name", "a track call needs 'event'")
    raise RejectedEvent("reserved_name", f"'{event}' is a name that only the engine gives")


_SECONDS_KEPT = 4_096
_FRACTIONS = {f".{ms:03}Z": ms for ms in range(1_000)}
_seconds: dict[str, int] = {}  # texts up to the second that were found to be times before, in ms


def _time_of_text(text: str) -> int:
    """Return `_time`, faster for what JavaScript writes: of `2026-11-22T10:00:00.250Z` the second is mostly known."""
    ms, second = _FRACTIONS.get(text[19:]), text[:19]
    if ms is None:
        return _time(text)
    start = _seconds.get(second)
    if start is None:
        if len(_seconds) >= _SECONDS_KEPT:
            _seconds.clear()
        start = _seconds[second] = _time(text) - ms
    return start + ms


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
