"""The page on explanations explains every kind and every field."""

import msgspec
import pytest

from segments.conditions.contributions import CONTRIBUTIONS
from segments.explanation import Condition, CountedEvent, Explanation, LastChange, NotCounted, Standing
from tests.docs.pages import page

RECORDS = [Explanation, Standing, LastChange, Condition, CountedEvent, NotCounted]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_fields_are_explained(record: type[msgspec.Struct]) -> None:
    spans = set(page("docs/explain.md").spans())
    assert sorted(set(record.__struct_fields__) - spans) == []


def test_every_kind_has_its_row() -> None:
    assert sorted(CONTRIBUTIONS.keys() - set(page("docs/explain.md").spans())) == []
