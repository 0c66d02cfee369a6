import json
from pathlib import Path

import pytest

from tests.jobs.test_cli import event, segments

DEFINITIONS = """\
segments:
  - name: carted
    when: {all: [{sequence: {steps: [Product Viewed, Product Added], within: 1h, per: product_id}}]}
  - name: plain
    when: {recency: {event: any, within: 1h}}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    definitions, events = tmp_path / "segments.yaml", tmp_path / "events.ndjson"
    definitions.write_text(DEFINITIONS)
    lines = [
        event("u1", "Product Viewed", 0, 1, product_id="p", category="coats"),
        event("u1", "Product Added", 5, 2, product_id="p"),
        event("u2", "Product Viewed", 0, 3, product_id="p"),
        event("u2", "Product Added", 1, 4, product_id="q"),
    ]
    events.write_bytes(b"\n".join(lines) + b"\n")
    return definitions, events


def test_the_funnel_of_a_segment(files: tuple[Path, Path]) -> None:
    definitions, events = files
    options = ("--definitions", definitions, "--events", events)
    result = segments("funnel", "carted", *options)
    assert result.exit_code == 0, result.output
    assert "4 events of 2 users" in result.output
    assert "within 1h, the steps joined on product_id" in result.output
    found = json.loads(segments("funnel", "carted", *options, "--format", "json").stdout)
    assert [(each["users"], each["lost"], each["median_ms"]) for each in found["steps"]] == [
        (2, 0, None),
        (1, 1, 300_000),
    ]


def test_the_funnel_of_steps(files: tuple[Path, Path]) -> None:
    definitions, events = files
    steps = ("--steps", "Product Viewed", "Product Added", "--within", "2m", "--by", "context:device.type")
    found = json.loads(
        segments("funnel", *steps, "--definitions", definitions, "--events", events, "--format", "json").stdout
    )
    assert [each["users"] for each in found["steps"]] == [2, 1]
    assert found["breakdown"] == {"unknown": [2, 1]}
    coats = ("--steps", "{event: Product Viewed, where: {category: coats}}", "Product Added", "--within", "1h")
    result = segments("funnel", *coats, "--definitions", definitions, "--events", events, "--format", "json")
    assert json.loads(result.stdout)["steps"][0]["step"] == "Product Viewed where category eq coats"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nobody",), "no segment is named 'nobody'"),
        (("plain",), "has 0 sequence conditions"),
        (("carted", "plain"), "give one segment's name"),
        (("carted", "--within", "1h"), "go with --steps"),
        (("--steps", "A", "B"), "--steps needs --within"),
        (("--steps", "A", "--within", "1h"), "steps"),
        (("--steps", "{a", "B", "--within", "1h"), "a step is an event's name"),
        (("--steps", "A", "B", "--within", "1h", "--by", "plan"), "write trait:NAME"),
    ],
)
def test_funnel_says_what_is_wrong(files: tuple[Path, Path], arguments: tuple[str, ...], text: str) -> None:
    definitions, events = files
    result = segments("funnel", *arguments, "--definitions", definitions, "--events", events)
    assert result.exit_code == 2
    assert text in result.output
    assert "Traceback" not in result.output


def test_a_file_without_events_fails(files: tuple[Path, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_bytes(b"")
    result = segments("funnel", "carted", "--definitions", files[0], "--events", empty)
    assert result.exit_code == 1
    assert "no event could be read" in result.output
