"""Timeline cases: YAML files of events in and changes out, turned into what the oracle and the engine take."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.oracle.oracle import Change

CASES = Path(__file__).parents[1] / "cases"
START = "2026-03-02T00:00:00Z"  # a Monday; what an offset counts from where a case names no `start`


@dataclass(frozen=True)
class Case:
    """One timeline of one user; instants in ms."""

    name: str
    definitions: dict[str, Any]
    events: list[tuple[int, dict[str, Any]]]
    until: int
    expected: list[Change]
    bounds: list[tuple[int, float | None]]

    def definitions_text(self) -> str:
        """The definitions as a file's text."""
        return yaml.safe_dump(self.definitions, sort_keys=False)


def load_cases() -> list[Case]:
    """All cases of all files, named `file/case`."""
    return [
        read_case(path.stem, case) for path in sorted(CASES.glob("*.yaml")) for case in yaml.safe_load(path.read_text())
    ]


def read_case(stem: str, case: dict[str, Any]) -> Case:
    """One case from its YAML mapping; an unknown key is an error."""
    unknown = case.keys() - {"name", "why", "start", "definitions", "events", "until", "expected", "bounds"}
    if unknown or not case.get("why"):
        raise ValueError(f"{stem}/{case.get('name')}: unknown keys {unknown} or no reason")
    start = instant(case.get("start", START), 0)
    events = [read_event(number, event, start) for number, event in enumerate(case["events"])]
    expected = [
        Change(instant(change["at"], start), change["segment"], change["action"]) for change in case["expected"]
    ]
    bounds = [(instant(bound["at"], start), bound["bound"]) for bound in case.get("bounds", ())]
    name = f"{stem}/{case['name']}"
    return Case(name, case["definitions"], events, instant(case["until"], start), expected, bounds)


def read_event(number: int, short: dict[str, Any], start: int) -> tuple[int, dict[str, Any]]:
    """A short event (`at`, `event` or `type`, `id`, properties, traits, context) as a Segment Spec event."""
    unknown = short.keys() - {"at", "event", "type", "id", "properties", "traits", "context"}
    if unknown:
        raise ValueError(f"event {number}: unknown keys {unknown}")
    t = instant(short["at"], start)
    message = short.get("id", f"m{number}")
    event = {"type": short.get("type", "track"), "userId": "u1", "messageId": message, "timestamp": t}
    return t, event | {name: short[name] for name in ("event", "properties", "traits", "context") if name in short}


def instant(text: str | datetime, start: int) -> int:
    """Milliseconds of an ISO instant, or of an offset such as `00:10:00.500` or `2d 01:00:00` from a start."""
    if isinstance(text, datetime):
        return round(text.replace(tzinfo=text.tzinfo or UTC).timestamp() * 1000)
    offset = re.fullmatch(r"(?:(\d+)d )?(\d+):(\d\d):(\d\d)(?:\.(\d{3}))?", text)
    if offset is None:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    days, hours, minutes, seconds, millis = (int(part or 0) for part in offset.groups())
    return start + (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + millis
