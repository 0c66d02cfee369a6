import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from jobs.topics import Record
from segments.control import Release
from segments.history import History
from tests.jobs.test_cli import MINUTE, SHIPPED, T0, definitions, event, events, segments

__all__ = ["definitions", "events"]  # fixtures


def test_explain_as_json(events: Path, definitions: Path) -> None:
    arguments = ("explain", "u2", "--events", events, "--definitions", definitions, "--format", "json")
    found = json.loads(segments(*arguments, "--at", "2026-11-22T10:20:00Z").output)
    assert (found["user_id"], found["at"], found["events"]) == ("u2", T0 + 20 * MINUTE, 1)
    abandoner = next(each for each in found["segments"] if each["segment"] == "abandoner")
    assert (abandoner["inside"], abandoner["since"]) == (False, None)
    assert abandoner["next_change_at"] == T0 + 45 * MINUTE
    later = json.loads(segments(*arguments).output)
    abandoner = next(each for each in later["segments"] if each["segment"] == "abandoner")
    assert (later["at"], abandoner["inside"], abandoner["since"]) == (T0 + 50 * MINUTE, True, T0 + 45 * MINUTE)
    assert abandoner["conditions"][0]["value"] == "open for 35m"
    assert abandoner["conditions"][0]["events"] == [
        {"message_id": "m3", "event": "Product Added", "at": T0 + 15 * MINUTE, "adds": "c1"}
    ]
    assert abandoner["last_change"] == {
        "action": "entered", "at": T0 + 45 * MINUTE, "cause": {"kind": "timer"}, "event": None
    }  # fmt: skip
    assert abandoner["exit_conditions"][0]["holds"] is False


def test_explain_as_a_table(events: Path, definitions: Path) -> None:
    result = segments("explain", "u1", "--events", events, "--definitions", definitions)
    assert result.exit_code == 0
    said = [" ".join(line.split()) for line in result.output.replace("│", " ").splitlines()]
    assert said[0] == "User u1 at 2026-11-22 10:50:00 UTC, after 2 events"
    assert "buyer in + count of Order Completed in 1h: 2 (>= 2)" in said
    assert "2026-11-22 10:10:00 Order Completed m2" in said
    assert "entered at 2026-11-22 10:10:00 by Order Completed m2" in said
    assert "leaves at 2026-11-22 11:00:00 if nothing happens" in said
    assert "Events of this user that were not counted: 1 duplicate" in said


def test_explain_one_segment(events: Path, definitions: Path) -> None:
    arguments = ("explain", "u1", "--events", events, "--definitions", definitions, "--segment")
    assert [
        each["segment"] for each in json.loads(segments(*arguments, "buyer", "--format", "json").output)["segments"]
    ] == ["buyer"]
    result = segments(*arguments, "bayer")
    assert result.exit_code == 2
    assert "'bayer' is none" in result.output


def test_explain_knows_no_such_user(events: Path, definitions: Path) -> None:
    result = segments("explain", "u9", "--events", events, "--definitions", definitions)
    assert result.exit_code == 1
    assert "no events of user 'u9'" in result.output


def test_explain_before_the_users_first_event_says_when_that_is(events: Path, definitions: Path) -> None:
    result = segments("explain", "u2", "--events", events, "--definitions", definitions, "--at", T0)
    assert result.exit_code == 1
    assert "the first is at 2026-11-22 10:15:00" in result.output


def test_explain_in_the_files_order_has_late_events(definitions: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.ndjson"
    late.write_bytes(event("u1", "Order Completed", 0, 9) + b"\n" + event("u1", "Order Completed", -90, 8) + b"\n")
    result = segments("explain", "u1", "--events", late, "--definitions", definitions, "--order", "file")
    assert "2026-11-22 08:30:00  Order Completed  m8: late" in result.output
    assert "late" not in segments("explain", "u1", "--events", late, "--definitions", definitions).output


class FakeReader:
    """A topic with the events of a file."""

    made: ClassVar[list[tuple[object, ...]]] = []
    events: ClassVar[list[bytes]] = []

    def __init__(self, servers: str, topics: list[str], *, properties: dict[str, str]) -> None:
        self.made.append((servers, topics, properties))

    def __enter__(self) -> "FakeReader":
        return self

    def __exit__(self, *_: object) -> None: ...

    def to_the_end(self, on_progress: Callable[[int, int], None]) -> Iterator[Record]:
        for offset, value in enumerate(self.events, 1):
            yield Record("web", 0, offset, None, value, T0 + 60 * MINUTE)
            on_progress(offset, len(self.events))


def test_explain_reads_the_topics_of_the_settings(
    events: Path, definitions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.topics.TopicReader", FakeReader)
    monkeypatch.setattr("jobs.control_topic.read_history", lambda _: History([Release(1, 0, definitions.read_text())]))
    monkeypatch.setattr(FakeReader, "events", events.read_bytes().splitlines())
    settings = tmp_path / "job.yaml"
    settings.write_text(
        f"{{kafka: {{events_topics: [web], consumer_properties: {{client.id: me}}}}, definitions: {{path: {SHIPPED}}}}}"
    )
    options = ("--settings", settings, "--bootstrap-servers", "broker:1")
    result = segments("explain", "u1", *options, "--format", "json")
    assert FakeReader.made == [("broker:1", ["web"], {"client.id": "me"})]
    found = json.loads(result.output)
    assert [each["segment"] for each in found["segments"]] == ["buyer", "abandoner"]
    assert (found["events"], [each["reason"] for each in found["not_counted"]]) == (2, ["duplicate"])
    assert segments("explain", "u9", *options).exit_code == 1


def test_explain_a_file_finds_the_bounds_of_its_population(tmp_path: Path) -> None:
    top = tmp_path / "top.yaml"
    top.write_text(
        "segments: [{name: top, when: {threshold: {of: {count: {event: Order Completed, within: 1d}}, top: 20%, "
        "min_population: 5, refresh: 1m}}}]"
    )
    lines = [
        event(f"u{user}", "Order Completed", number, 10 * user + number)
        for number in range(10)
        for user in range(10)
        if number <= user
    ]
    recorded = tmp_path / "events.ndjson"
    recorded.write_bytes(b"\n".join(lines))
    found = {}
    for user in ("u9", "u0"):
        said = segments("explain", user, "--events", recorded, "--definitions", top, "--format", "json")
        (found[user],) = json.loads(said.output)["segments"]
    assert (found["u9"]["inside"], found["u0"]["inside"]) == (True, False)
    assert found["u9"]["conditions"][0]["expected"] not in ("", ">= none")
