"""What no shop should send and every shop does: to the dead letters, and the job goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.stack.processes import StackError
from jobs.stack.stack import Stack
from tests.conftest import ROOT
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline, track

pytestmark = pytest.mark.stack

DEFINITIONS = """
version: 1
properties: {price: number}
segments:
  - name: seen
    when: {recency: {event: any, within: 1h}}
  - name: spender
    when: {lifetime: {of: sum, event: Order Completed, property: price, gte: 10}}
"""
YEAR = 365 * 86_400_000
NOW = time.time_ns() // 1_000_000
GOOD = {"type": "track", "event": "Order Completed", "userId": "bad", "timestamp": NOW}


def bad(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def with_properties(text: bytes) -> bytes:
    return bad(properties={}).replace(b'"properties": {}', b'"properties": ' + text)


BAD_INPUT: dict[str, tuple[bytes | None, str]] = {
    "a null value": (None, "no_bytes"),
    "half a record": (b'{"type": "track", "userId', "not_json"),
    "a text": (b"hello", "not_json"),
    "an empty value": (b"", "not_json"),
    "not UTF-8": (b'{"type": "track", "event": "\xff\xfe", "userId": "bad", "timestamp": 1}', "not_json"),
    "a list": (b"[1, 2]", "wrong_type"),
    "no user": (bad(userId=None), "no_user"),
    "an empty user": (bad(userId="", anonymousId=""), "no_user"),
    "a user of 1,000 characters": (bad(userId="x" * 1_000), "no_user"),
    "a user that is an object": (bad(userId={"id": 1}), "no_user"),
    "unknown type": (bad(type="trackk"), "unknown_type"),
    "no event name": (bad(event=None), "no_event_name"),
    "no time": (bad(timestamp=None), "no_time"),
    "a time that is none": (bad(timestamp="yesterday"), "no_time"),
    "seven years ahead": (bad(timestamp=NOW + 7 * YEAR), "implausible_time"),
    "twenty years old": (bad(timestamp=NOW - 20 * YEAR), "implausible_time"),
    "seconds for milliseconds": (bad(timestamp=NOW // 1_000), "implausible_time"),
    "a time beyond 64 bits": (bad(timestamp=10**30), "implausible_time"),
    "5 MB": (with_properties(b'{"note": "' + b"x" * 5_000_000 + b'"}'), "too_large"),
    "a price that is a text": (bad(properties={"price": "abc"}), "wrong_type"),
    "properties that are a list": (bad(properties=[1]), "wrong_type"),
    "100,000 objects in each other": (with_properties(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "nested_too_deeply"),
    "a lone surrogate in the user": (bad(userId="u\ud83d"), "not_json"),
    "a lone surrogate in a property": (with_properties(rb'{"note": "\ud83d"}'), "not_json"),
    "a lone surrogate in a property's name": (with_properties(rb'{"\udc00": 1}'), "not_json"),
}


def headers(record: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def origin(record: Any) -> tuple[int, int]:
    found = headers(record)
    return int(found["partition"]), int(found["offset"])


@dataclass(frozen=True)
class Fed:
    """A job that was given all bad input, then a good event; `places` are partition and offset of each bad record."""

    pipeline: Pipeline
    job: str
    counted_before: int
    places: dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def fed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    with pipeline(stack, tmp_path_factory.mktemp("bad"), DEFINITIONS) as made:
        job = made.submit()
        before = made.counter(job, "dead_letters")
        written = made.send([payload for payload, _ in BAD_INPUT.values()], key=b"bad")
        made.send([track("good", "Order Completed", NOW, price=12.5)], key=b"bad")
        made.await_changes("good", 2)
        made.wait_for(lambda: len(made.read("dead_letters")) >= len(BAD_INPUT), "the dead letters")
        yield Fed(made, job, before, dict(zip(BAD_INPUT, written, strict=True)))


def test_every_kind_is_a_dead_letter_with_reason_origin_and_its_bytes(fed: Fed) -> None:
    made = fed.pipeline
    letters = {
        (int(headers(each)["partition"]), int(headers(each)["offset"])): each for each in made.read("dead_letters")
    }
    assert len(letters) == len(BAD_INPUT)
    found = {kind: (letters[place].value, headers(letters[place])["reason"]) for kind, place in fed.places.items()}
    assert {kind: reason for kind, (_, reason) in found.items()} == {kind: why for kind, (_, why) in BAD_INPUT.items()}
    assert all(found[kind][0] == (payload or b"") for kind, (payload, _) in BAD_INPUT.items())
    assert {headers(each)["topic"] for each in letters.values()} == {made.topics["events"]}
    assert all(headers(each)["detail"] for each in letters.values())


def test_the_job_goes_on_and_bad_input_changes_nobody(fed: Fed) -> None:
    made, job = fed.pipeline, fed.job
    assert made.changes().keys() == {"good"}
    assert [each.segment for each in made.changes()["good"]] == ["seen", "spender"]
    assert made.stack.rest.root_exception(job) == ""


def test_the_counter_of_dead_letters_grows(fed: Fed) -> None:
    made, job = fed.pipeline, fed.job
    assert fed.counted_before == 0
    made.wait_for(lambda: made.counter(job, "dead_letters") == len(BAD_INPUT), "the counter")


def test_duplicates_count_once_and_late_events_go_to_their_topic(fed: Fed) -> None:
    made, job = fed.pipeline, fed.job
    late = track("twice", "Order Completed", NOW - 3_600_001, "old", price=20)
    first = track("twice", "Order Completed", NOW, "m1", price=6)
    *_, (partition, offset) = made.send([first, first, late], key=b"twice")
    made.send([track("twice", "Order Completed", NOW + 1, "m2", price=4)], key=b"twice")
    changes = made.await_changes("twice", 2)
    assert [(each.segment, each.at) for each in changes] == [("seen", NOW), ("spender", NOW + 1)]
    (record,) = made.read("late_events")
    assert record.value == late
    assert {"reason": "late", "partition": str(partition), "offset": str(offset)}.items() <= headers(record).items()
    made.wait_for(lambda: made.counter(job, "duplicates") == 1, "the counter of duplicates")
    made.wait_for(lambda: made.counter(job, "late") == 1, "the counter of late events")


BAD_DEFINITIONS = """\
version: 1
segments:
  - name: active
    when: {cuont: {event: any, within: 1h, gte: 1}}
  - name: active
    when: {count: {event: any, within: -1h, gte: 1}}
"""


def test_bad_definitions_stop_before_submission_with_all_errors(stack: Stack, tmp_path: Path) -> None:
    jobs = stack.rest._call("GET", "/jobs/overview")["jobs"]
    with pipeline(stack, tmp_path, BAD_DEFINITIONS) as made, pytest.raises(StackError) as refused:
        made.submit()
    whole = str(refused.value)
    assert [
        each for each in ("segments.yaml:4", "did you mean 'count'", "segments.yaml:6") if each not in whole
    ] == [], whole
    assert len(stack.rest._call("GET", "/jobs/overview")["jobs"]) == len(jobs)


def test_bad_definitions_exit_with_2(tmp_path: Path) -> None:
    (tmp_path / "segments.yaml").write_text(BAD_DEFINITIONS)
    (tmp_path / "job.yaml").write_text("definitions: {path: segments.yaml}")
    command = [sys.executable, str(ROOT / "jobs/segmentation.py"), "--settings", str(tmp_path / "job.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    whole = ended(done, code=2)
    assert done.stderr.count("segments.yaml:") >= 3, whole
    assert "Traceback" not in whole, whole
