"""Files in, events out: CSV with a mapping, newline-delimited JSON with or without one, gzipped or not."""

import csv
import gzip
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from segments.events import EventDecoder, RejectedEvent
from segments.mapping.convert import EventMapping, Row
from segments.mapping.model import MappingError, MappingModel, load_mapping

MAX_LINE = 16 * 1024 * 1024  # bytes


def read_events(
    path: str | Path, mapping: str | MappingModel | None = None, skipped: Counter[str] | None = None
) -> Iterator[bytes]:
    """Yield the file's events in its order; with no mapping each line of an NDJSON file is one event already.

    `skipped` counts the rows left out, by reason. Bytes that are no UTF-8 become U+FFFD where a mapping reads them.
    Raises MappingError when the file's kind or columns do not fit or a .gz is damaged, OSError when it cannot be read.
    """
    source = Path(path)
    kind = source.name.lower().removesuffix(".gz").rpartition(".")[2]
    reader = _ROW_READERS.get(kind)
    if reader is None:
        raise MappingError(f"{source}: events are read from {', '.join(f'.{known}[.gz]' for known in _ROW_READERS)}")
    if mapping is None:
        if kind == "csv":
            raise MappingError(f"{source}: a CSV file needs a mapping, see conf/mappings/")
        return _lines(source)
    model = load_mapping(mapping) if isinstance(mapping, str) else mapping
    counter = Counter[str]() if skipped is None else skipped
    return EventMapping(model).events(reader(source, model, counter), counter)


def ordered(
    *paths: str | Path, mapping: str | MappingModel | None = None, skipped: Counter[str] | None = None
) -> Iterator[bytes]:
    """Yield the events of all files by event time; equal times keep the files' order.

    An event whose time cannot be read stays behind the one it follows. Holds everything in memory: the size of the
    events (about 300 bytes each when mapped) and 100 bytes more for each; 1 M mapped events need about 400 MB.
    """
    decode = EventDecoder().decode
    events: list[bytes] = []
    times = array("q")
    for event in chain.from_iterable(read_events(path, mapping, skipped) for path in paths):
        try:
            time = decode(event).time
        except RejectedEvent:
            time = times[-1] if times else 0
        events.append(event)
        times.append(time)
    for index in sorted(range(len(events)), key=times.__getitem__):
        yield events[index]


def _lines(path: Path) -> Iterator[bytes]:
    with _open(path) as file:
        for line in _bounded(path, file):
            event = line.rstrip(b"\r\n")
            if event:
                yield event


def _bounded(path: Path, file: gzip.GzipFile | BufferedReader) -> Iterator[bytes]:
    """Yield the lines of a file; raises MappingError for one that no memory could hold, as a packed file may have."""
    number = 0
    while line := _next_line(path, file):
        number += 1
        if len(line) > MAX_LINE:
            raise MappingError(f"{path}: line {number} has more than {MAX_LINE >> 20} MiB: this is no file of events")
        yield line


def _next_line(path: Path, file: gzip.GzipFile | BufferedReader) -> bytes:
    try:
        return file.readline(MAX_LINE + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MappingError(f"{path} is no whole .gz file, was it copied in part? {error}") from None


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _csv_rows(path: Path, model: MappingModel, _: Counter[str]) -> Iterator[Row]:
    with _open(path) as file:
        lines = (line.decode("utf-8", "replace") for line in _bounded(path, file))
        first = next(lines, "").removeprefix("\ufeff")
        names = _names(path, first)
        missing = [column for column in model.required_columns() if column not in names]
        if not missing:
            yield from _rows(path, lines, names)
        elif model.header and len(names) == len(model.header) and len(missing) == len(model.required_columns()):
            yield from _rows(path, chain([first], lines), model.header)
        else:
            raise MappingError(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(names)}")


def _names(path: Path, first: str) -> list[str]:
    try:
        return next(csv.reader([first]), [])
    except csv.Error as error:
        raise MappingError(f"{path} begins with a line that is no CSV: {error}") from None


def _rows(path: Path, lines: Iterable[str], names: Sequence[str]) -> Iterator[Row]:
    try:
        yield from csv.DictReader(lines, names)
    except csv.Error as error:
        raise MappingError(f"{path} has a line that is no CSV: {error}") from None


def _json_rows(path: Path, _: MappingModel, skipped: Counter[str]) -> Iterator[Row]:
    for line in _lines(path):
        try:
            row: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if isinstance(row, dict):
            yield row
        else:
            skipped["no JSON object"] += 1


_ROW_READERS: dict[str, Callable[[Path, MappingModel, Counter[str]], Iterable[Row]]] = {
    "csv": _csv_rows,
    "ndjson": _json_rows,
    "jsonl": _json_rows,
}
