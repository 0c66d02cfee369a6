"""Who entered and left which segment when, from a file of changes or from the segment topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from jobs.settings import KafkaSettings
from jobs.topics import TopicReader
from training.churn import Move


class BadChanges(ValueError):
    """A line that is no change; the text says which."""


def moves_of_file(path: Path) -> Iterator[Move]:
    """Yield the entries and exits of a file with one change a line; raises BadChanges, OSError."""
    with path.open("rb") as file:
        yield from _moves(file, f"{path}:")


def moves_of_topic(kafka: KafkaSettings) -> Iterator[Move]:
    """Yield the entries and exits that the segment topic still holds; raises TopicError, BadChanges."""
    servers, properties = kafka.bootstrap_servers, kafka.consumer_properties
    with TopicReader(servers, [kafka.changes_topic], committed_only=True, properties=properties) as reader:
        yield from _moves((each.value or b"" for each in reader.to_the_end()), f"{kafka.changes_topic}, record ")


def _moves(lines: Iterable[bytes], where: str) -> Iterator[Move]:
    """Yield entries and exits; what was written twice, after a failure of the job, counts once: by the user's `seq`."""
    newest: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            change = orjson.loads(line)
            segment, action, at = str(change["segment"]), change["action"], int(change["at"])
            user, seq = str(change["user_id"]), int(change["seq"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadChanges(f"{where}{number} is no change of a segment (docs/changes.md): {error}") from None
        if seq <= newest.get(user, 0):
            continue
        newest[user] = seq
        if action in ("entered", "exited"):
            yield segment, action == "entered", at
