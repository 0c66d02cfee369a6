"""The published JSON Schema accepts what the loader accepts, and refuses what it refuses."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from segments.definitions.schema import definitions_schema

SHIPPED = Path(__file__).resolve().parents[2] / "conf" / "segments.yaml"


def test_the_shipped_definitions_fit_the_schema() -> None:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(definitions_schema()).iter_errors(content)] == []


@pytest.mark.parametrize(
    "when",
    [
        {"count": {"event": "Click", "within": "10m", "gte": 1, "wthin": "1h"}},
        {"count": {"event": "Click", "within": 10, "gte": 1}},
        {"count": {"event": "Click", "within": "10m", "gte": 1}, "segment": "other"},
        {},
    ],
)
def test_mistakes_do_not_fit_the_schema(when: object) -> None:
    content = {"segments": [{"name": "some", "when": when}]}
    assert not Draft202012Validator(definitions_schema()).is_valid(content)
