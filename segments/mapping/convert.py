"""Rows in, events out: the pure part of a mapping."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from segments.mapping.model import Column, MappingModel, TimeColumn

Row = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_UNIT_MS = {"epoch_ms": 1, "epoch_s": 1_000}


class _SkippedRowError(ValueError):
    """A row that becomes no event; its text is what it is counted under."""


class EventMapping:
    """Turns rows into events, each with an id made of the row's number and content.

    >>> from segments.mapping import load_mapping
    >>> taobao = EventMapping(load_mapping("taobao"))
    >>> row = {"user_id": "7", "item_id": "42", "category_id": "3", "behavior": "fav", "ts": "1511544070"}
    >>> event = orjson.loads(next(taobao.events([row], Counter())))
    >>> event["event"], event["timestamp"], event["properties"]
    ('Product Added to Wishlist', '2017-11-24T17:21:10.000Z', {'product_id': '42', 'category': '3'})
    """

    def __init__(self, model: MappingModel) -> None:
        self.model = model
        self._time = _time_reader(model.time)
        self._name = lru_cache(maxsize=65_536)(self._find_name)

    def events(self, rows: Iterable[Row], skipped: Counter[str]) -> Iterator[bytes]:
        """Yield one event a row (or a joined run of rows); `skipped` counts the rows left out, by reason."""
        run: list[Row] = []
        start = 0
        join = self.model.join
        for number, row in enumerate(rows, 1):
            joins = join is not None and bool(run) and _text(row, join.by) == _text(run[0], join.by) != ""
            if run and not joins:
                yield from self._event(run, start, skipped)
                run = []
            if not run:
                start = number
            run.append(row)
        if run:
            yield from self._event(run, start, skipped)

    def _event(self, run: list[Row], number: int, skipped: Counter[str]) -> Iterator[bytes]:
        try:
            yield orjson.dumps(self._build(run, number))
        except _SkippedRowError as reason:
            skipped[str(reason)] += len(run)

    def _build(self, run: list[Row], number: int) -> dict[str, Any]:
        row = run[0]
        user = _text(row, self.model.user)
        if not user:
            raise _SkippedRowError("no user")
        name = self._name(_text(row, self.model.event.column))
        properties = _properties(row, self.model.properties, name)
        if self.model.join is not None:
            properties |= self._joined(run, name)
        return {
            "type": "track",
            "messageId": message_id(run, number),
            "userId": user,
            "timestamp": self._time(row),
            "event": name,
            "properties": properties,
            "context": _filled(self.model.context, row),
        }

    def _joined(self, run: list[Row], name: str) -> dict[str, Any]:
        join = self.model.join
        if join is None:
            return {}
        totals = {
            total: round(sum(math.prod(_number(row, column) or 0.0 for column in columns) for row in run), 6)
            for total, columns in join.totals.items()
        }
        return {**totals, join.into: [_properties(row, join.properties, name) for row in run]}

    def _find_name(self, value: str) -> str:
        names = self.model.event.names
        pattern = value if value in names else next((key for key in names if fnmatchcase(value, key)), None)
        if pattern is None:
            raise _SkippedRowError("unknown event" if value else "no event")
        name = names[pattern]
        if name is None:
            raise _SkippedRowError(f"event left out by the mapping ({pattern})")
        return name


def message_id(run: list[Row], number: int) -> str:
    """Return the id of the event made from `run`, whose first row is the `number`-th: the same for the same file."""
    digest = hashlib.blake2b(str(number).encode(), digest_size=12)
    for row in run:
        for value in row.values():
            digest.update(b"\x1f" + str(value).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _number(row: Row, column: str) -> float | None:
    text = _text(row, column)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _SkippedRowError(f"{column} is no number")
    return number


def _integer(row: Row, column: str) -> int | None:
    number = _number(row, column)
    if number is None:
        return None
    if not number.is_integer() or abs(number) > 2**53:
        raise _SkippedRowError(f"{column} is no integer")
    return int(number)


_READERS: dict[str, Callable[[Row, str], Any]] = {"string": _text, "number": _number, "integer": _integer}


def _properties(row: Row, columns: Mapping[str, Column], event: str) -> dict[str, Any]:
    found = {}
    for name, column in columns.items():
        if column.only and event not in column.only:
            continue
        value = _READERS[column.type](row, column.column)
        if value is not None and value != "":
            found[name] = value
    return found


def _filled(template: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """Return the context with `{column: X}` replaced by the row's text; empty texts are left out."""
    filled: dict[str, Any] = {}
    for key, value in template.items():
        content: object = value
        if isinstance(value, dict):
            content = _text(row, str(value["column"])) if value.keys() == {"column"} else _filled(value, row)
        if content not in ("", {}):
            filled[key] = content
    return filled


def _time_reader(time: TimeColumn) -> Callable[[Row], str]:
    """Return a function from a row to its time in ISO 8601 (UTC, milliseconds)."""

    @lru_cache(maxsize=4_096)
    def convert(text: str) -> str:
        try:
            moment = _moment(text, time)
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except (ValueError, OverflowError):
            raise _SkippedRowError("unreadable time" if text else "no time") from None

    return lambda row: convert(_text(row, time.column))


def _moment(text: str, time: TimeColumn) -> datetime:
    unit_ms = _PER_UNIT_MS.get(time.format)
    if unit_ms is not None:
        return _EPOCH + timedelta(milliseconds=float(text) * unit_ms)
    parse = datetime.fromisoformat if time.format == "iso" else partial(_strptime, time.format)
    moment = parse(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time.zone))


def _strptime(time_format: str, text: str) -> datetime:
    return datetime.strptime(text, time_format)  # noqa: DTZ007 - the caller adds the zone where the text names none
