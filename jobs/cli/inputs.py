"""What commands take in alike: settings, definitions, events, instants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from jobs.cli.errors import BadInput, Failed
from jobs.settings import DEFAULT_PATH, DefinitionsSettings, Settings, load_settings
from segments.changes import Reason
from segments.cost import check_budget
from segments.definitions import Definitions, load_definitions
from segments.mapping import ordered, read_events
from segments.plan import Plan
from segments.record_times import with_record_times

ROOT = Path(__file__).resolve().parents[2]
SHIPPED_DEFINITIONS = Path("conf/segments.yaml")

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="The job's settings.", show_default=str(DEFAULT_PATH))
]
DefinitionsOption = Annotated[
    Path | None, typer.Option("--definitions", help="The segments.", show_default="those that the settings name")
]
MappingOption = Annotated[
    str | None, typer.Option(help="How columns become events: a name from conf/mappings/, or a YAML file.")
]


class Order(StrEnum):
    """In which order a file's events are applied."""

    time = "time"
    file = "file"


OrderOption = Annotated[Order, typer.Option(help="By event time, or as the file has them.")]


def checked_settings(
    path: Path | None, definitions: Path | None, environment: Mapping[str, str] | None = None
) -> tuple[Settings, Definitions]:
    """Return settings and compiled-once definitions; raises SettingsError, DefinitionErrors, OSError.

    Without `path` conf/job.yaml is read, and where there is none every setting has its default.
    """
    settings = settings_only(path, environment)
    if definitions is not None:
        settings = settings.model_copy(update={"definitions": DefinitionsSettings(path=definitions)})
    return settings, checked_definitions(settings.definitions.path)


def settings_only(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings, for what does not ask for definitions; raises SettingsError, OSError."""
    if path is None and not DEFAULT_PATH.is_file():
        return Settings(definitions=DefinitionsSettings(path=SHIPPED_DEFINITIONS))
    return load_settings(path or DEFAULT_PATH, environment)


def checked_definitions(path: Path) -> Definitions:
    """Return definitions that load and compile; raises DefinitionErrors with every mistake, OSError, BadInput."""
    try:
        definitions = load_definitions(path)
        Plan(definitions)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not a text in UTF-8: {error}") from None
    return definitions


def budgeted_definitions(path: Path) -> Definitions:
    """Return definitions that load, compile and stay within their budget; raises as `checked_definitions` does."""
    definitions = checked_definitions(path)
    check_budget(path.read_text(encoding="utf-8"), str(path))
    return definitions


def events_of(
    path: Path, mapping: str | None, *, by_time: bool, skipped: Counter[str] | None = None
) -> Iterator[bytes]:
    """Return a file's events, sorted by time or as they stand; raises MappingError, DefinitionErrors, OSError."""
    _require(path)
    return ordered(path, mapping=mapping, skipped=skipped) if by_time else read_events(path, mapping, skipped)


def sorted_events(files: Sequence[Path], mapping: str | None) -> list[bytes]:
    """Return the events of all files by time; raises MappingError, OSError, Failed when none can be read."""
    for path in files:
        _require(path)
    with Console(stderr=True).status(f"reading {', '.join(path.name for path in files)}"):
        events = list(ordered(*files, mapping=mapping))
    if all(at is None for _, at in with_record_times(events)):
        raise Failed(
            f"{', '.join(map(str, files))}: no event could be read: the files have {len(events):,} lines, none of"
            " which is an event (docs/events.md); a file in another format needs --mapping"
        )
    return events


def _require(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file", str(path))


def parse_instant(text: str) -> int:
    """Return milliseconds since 1970 for ISO 8601 (UTC unless it says otherwise) or for milliseconds.

    >>> parse_instant("2026-11-22T10:00:00Z") == parse_instant("1795341600000")
    True
    """
    try:
        if text.isascii() and text.isdigit():
            datetime.fromtimestamp(int(text) // 1_000, UTC)  # raises for what no calendar has
            return int(text)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise BadInput(f"'{text}' is no instant: write 2026-11-22T10:00:00Z, or milliseconds since 1970") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def instant_text(milliseconds: int) -> str:
    """Return an instant as people read it, in UTC.

    >>> instant_text(1795341600000)
    '2026-11-22 10:00:00'
    """
    return datetime.fromtimestamp(milliseconds // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def reason_text(reason: Reason) -> str:
    """Return a condition with its value as people read it.

    >>> reason_text(Reason("count of Order Completed in 1h", ">= 2", 1, False))
    '- count of Order Completed in 1h: 1 (>= 2)'
    """
    return f"{'+' if reason.holds else '-'} {reason.condition}: {value_text(reason)} ({reason.expected})"


def value_text(reason: Reason) -> str:
    """Return a condition's value as people read it."""
    if isinstance(reason.value, bool):
        return "yes" if reason.value else "no"
    return "nothing known" if reason.value is None else str(reason.value)


def refuse_password(url: str | None) -> None:
    """Raise BadInput for an address with a password in it: a command's arguments can be read by everybody (`ps`)."""
    if url is not None and urlsplit(url).password is not None:
        raise BadInput("no password on a command line, where others can read it: set SEGMENTS__REDIS__PASSWORD_FILE")
