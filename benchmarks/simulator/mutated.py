"""Events changed at random, from a seed: in their structure (fields, types, nesting) and in their bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from benchmarks.simulator.simulate import simulate

STEP_MS = 2_000
_BASES = 2_000
_USERS = 1_500
_DAY = 86_400_000
_CROWD = 20_000  # records until other users come: who was moved a day ahead once finds all that follows late
_BYTEWISE = 0.25  # share of the records that are changed in their bytes only
_TWICE = 0.05  # share of the records that come once more, as they are
_KEPT = 64  # records of which one may come again
_DEPTHS = (5, 50, 700, 2_000, 20_000)
_BIG = (2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63) - 1, 10**400)
_FLOATS = (0.1, -0.0, 1e-320, 1e15, 1e22, 1.7976931348623157e308, 13.5)
_TEXTS = (
    "", " ", "\x00", "\n", "null", "0", "NaN", "a" * 257, "x" * 5_000, "\u00e4\u6f22\U0001f600", "\ufeff", "\u202e",
    "\u007f", "any", "Session Started", "Order Completed", "2026-11-22", "u" * 256,
)  # fmt: skip
_TIMES = (
    "2026-11-22T10:15:30Z", "2026-11-22T10:15:30.123456789Z", "2026-11-22 10:15:30", "2026-11-22T10:15", "2026-11-22",
    "20261122T101530Z", "2026-W47-7", "2026-11-22T24:00:00Z", "2026-11-22T10:15:60Z", "2026-02-30T00:00:00Z",
    "2026-11-22T10:15:30+25:00", "2026-11-22T10:15:30+0530", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "22.11.2026", "1795342530", "now", "T", "2026-11-22T10:15:30,5Z", "\u0662\u0660\u0662\u0666-11-22",
)  # fmt: skip
_RAW = (
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0", b"01", b"1.", b".5", b"+1", b'"\\ud800"', b'"\\udc00\\ud83d"',
    b'"\\x"', b"1e999999999", b"9" * 5_000, b"tru", b"{", b"[1,]", b"'a'", b"/**/1", b'"\t"',
)  # fmt: skip
_FIELDS = ("type", "userId", "anonymousId", "timestamp", "messageId", "event", "properties", "context", "traits")


class Record(NamedTuple):
    """A record as it comes from a topic, and its time there (ms)."""

    payload: bytes
    written_at: int


def mutated(seed: int, events: int, start_ms: int) -> Iterator[Record]:
    """Yield so many records, `STEP_MS` apart; the same for the same seed.

    >>> list(mutated(1, 50, 1_764_000_000_000)) == list(mutated(1, 50, 1_764_000_000_000))
    True
    """
    source = Random(seed)  # noqa: S311 - seeded random data
    bases = [json.loads(each) for each in simulate(_USERS, _BASES, seed, start_ms, broken_rate=0.0)]
    kept: list[bytes] = []
    for number in range(events):
        now = start_ms + number * STEP_MS
        if kept and source.random() < _TWICE:
            yield Record(source.choice(kept), now)
            continue
        event = copy.deepcopy(source.choice(bases))
        event["messageId"] = f"f{number}"
        if (crowd := number // _CROWD) and "userId" in event:
            event["userId"] = f"{event['userId']}-{crowd}"
        event["timestamp"] = now - source.choice((0, 0, 0, 1_000, 60_000, source.randrange(_DAY // 12)))
        bytewise = source.random() < _BYTEWISE
        made = _bytes(source, json.dumps(event).encode()) if bytewise else _structure(source, event)
        if len(kept) < _KEPT:
            kept.append(made)
        else:
            kept[source.randrange(_KEPT)] = made
        yield Record(made, now)


def _structure(source: Random, event: dict[str, Any]) -> bytes:
    raw: list[bytes] = []
    for _ in range(source.choice((0, 1, 1, 1, 2, 4))):
        source.choice(_CHANGES)(source, event, raw)
    text = json.dumps(event, ensure_ascii=source.random() < 0.5).encode("utf-8", "surrogatepass")
    for place, value in enumerate(raw):
        text = text.replace(b'"@%d@"' % place, value)
    return _bytes(source, text) if source.random() < 0.05 else text


def _value(source: Random, raw: list[bytes]) -> Any:
    kind = source.randrange(9)
    if kind == 0:
        return source.choice(_BIG)
    if kind == 1:
        return source.choice(_FLOATS)
    if kind == 2:
        return source.choice(_TEXTS)
    if kind == 3:
        return source.choice(_TIMES)
    if kind == 4:
        return source.choice((None, True, False, 0, 1, -1, [], {}, [[]], [None, {}], {"": 0}))
    if kind == 5:
        raw.append(source.choice(_RAW))
    elif kind == 6:
        depth = source.choice(_DEPTHS)
        opening, closing = source.choice(((b'{"a":', b"}"), (b"[", b"]")))
        raw.append(opening * depth + b"1" + closing * depth)
    elif kind == 7:
        return {source.choice(("price", "email", "a", "\ud800", "country")): _value(source, raw) for _ in range(3)}
    else:
        return [source.choice((1, "a", None)) for _ in range(source.choice((1, 20, 2_000)))]
    return f"@{len(raw) - 1}@"


def _replace(source: Random, event: dict[str, Any], raw: list[bytes]) -> None:
    event[source.choice(_FIELDS)] = _value(source, raw)


def _inside(source: Random, event: dict[str, Any], raw: list[bytes]) -> None:
    """Change something within properties, context or traits."""
    there = event.get(source.choice(("properties", "context", "traits")))
    while isinstance(there, dict) and there:
        key = source.choice(list(there))
        if not isinstance(there[key], dict) or source.random() < 0.5:
            there[key] = _value(source, raw)
            return
        there = there[key]


def _drop(source: Random, event: dict[str, Any], _: list[bytes]) -> None:
    event.pop(source.choice(_FIELDS), None)


def _add(source: Random, event: dict[str, Any], raw: list[bytes]) -> None:
    event[source.choice(("extra", "", "userid", "TIMESTAMP", "user\x00Id", "x" * 300))] = _value(source, raw)


def _time(source: Random, event: dict[str, Any], _: list[bytes]) -> None:
    event["timestamp"] = source.choice((source.choice(_TIMES), source.randrange(-(2**40), 2**44), source.choice(_BIG)))


def _shift(source: Random, event: dict[str, Any], _: list[bytes]) -> None:
    """Move an event by up to two days: it comes very late, or its clock runs ahead."""
    if isinstance(event.get("timestamp"), int):
        event["timestamp"] += source.randrange(-2 * _DAY, source.choice((1, 1, 1, 60_000, 2 * _DAY)))


def _order(source: Random, event: dict[str, Any], _: list[bytes]) -> None:
    items = list(event.items())
    source.shuffle(items)
    event.clear()
    event.update(items)


def _user(source: Random, event: dict[str, Any], _: list[bytes]) -> None:
    event["userId"] = source.choice(
        (7, -0, 10**30, "\u00e4", "\ud83d", "bot", "bot", "u\n1", 1.0, True, "x" * 256, "x" * 257)
    )


_CHANGES: Sequence[Callable[[Random, dict[str, Any], list[bytes]], None]] = (
    _replace, _inside, _inside, _inside, _drop, _add, _add, _time, _shift, _order, _order, _user,
)  # fmt: skip


def _bytes(source: Random, base: bytes) -> bytes:
    made = bytearray(base)
    for _ in range(source.choice((1, 1, 2, 8))):
        place = source.randrange(len(made) + 1)
        change = source.randrange(5)
        if change == 0 and place < len(made):
            made[place] ^= 1 << source.randrange(8)
        elif change == 1:
            del made[place:]
        elif change == 2:
            made[place:place] = source.randbytes(source.randrange(1, 9))
        elif change == 3:
            del made[place : place + source.randrange(1, 20)]
        else:
            made[place:place] = made[max(0, place - 30) : place]
    return bytes(made)
