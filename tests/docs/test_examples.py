"""Examples are accepted by the code, and the tables of fields are complete."""

import json
from typing import Any

import msgspec
import pytest
import yaml

from segments.changes import Cause, Change, Memberships, Reason, decode_change, decode_memberships
from segments.definitions import load_definitions, parse_definitions
from segments.events import EventDecoder
from segments.plan import Plan
from tests.docs.pages import ROOT, Page, page, pages
from udfs.redis_entries import SegmentEntry

DEFINITIONS = [
    pytest.param(block, id=f"{each.name}-{number}")
    for each in pages()
    for number, block in enumerate(each.blocks("yaml"))
    if "segments:" in block
]


@pytest.mark.parametrize("text", DEFINITIONS)
def test_definitions_are_accepted(text: str) -> None:
    Plan(parse_definitions(text))


def test_the_readme_shows_a_segment_that_ships() -> None:
    shipped = {segment.name: segment for segment in load_definitions(ROOT / "conf/segments.yaml").segments}
    shown = parse_definitions(page("README.md").blocks("yaml")[0]).segments[0]
    assert shown == shipped[shown.name]


def objects(where: Page) -> list[Any]:
    found: list[Any] = []
    for block in where.blocks("json"):
        try:
            found.append(json.loads(block))
        except json.JSONDecodeError:
            found += map(json.loads, block.splitlines())
    return found


def test_events_are_accepted() -> None:
    decoder = Plan(load_definitions(ROOT / "conf/segments.yaml")).decoder
    events = [each for name in ("README.md", "docs/events.md") for each in objects(page(name)) if "type" in each]
    assert len(events) >= 5
    for event in events:
        assert decoder.decode(json.dumps(event).encode(), 1_795_342_530_250).name
        assert EventDecoder().decode(json.dumps(event).encode()).user_id


def test_changes_are_accepted() -> None:
    shown = [each for name in ("README.md", "docs/changes.md") for each in objects(page(name)) if "user_id" in each]
    kinds = set()
    for each in shown:
        decode: Any = decode_memberships if "segments" in each else decode_change
        record = decode(json.dumps(each).encode())
        kinds.add(type(record))
        assert record.user_id
        optional = {"top_features", "warming"}
        assert set(each) | optional == {*record.__struct_fields__, *optional}
    assert kinds == {Change, Memberships}


@pytest.mark.parametrize(
    "record", [Change, Memberships, Reason, SegmentEntry, Cause], ids=lambda record: record.__name__
)
def test_fields_are_explained(record: type[msgspec.Struct]) -> None:
    text = page("docs/changes.md").text
    names = [f"cause.{name}" if record is Cause else name for name in record.__struct_fields__]
    assert [name for name in names if f"`{name}`" not in text and f'"{name}"' not in text] == []


def test_change_fields_have_rows() -> None:
    cells = page("docs/changes.md").first_cells()
    documented = {cell.partition(".")[0] for cell in cells}
    assert set(Change.__struct_fields__) <= documented


def test_yaml_examples_are_yaml() -> None:
    for each in pages():
        for block in each.blocks("yaml"):
            assert yaml.safe_load(block)
