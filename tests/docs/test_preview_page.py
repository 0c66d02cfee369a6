"""The page on previews explains every field of the report."""

import msgspec
import pytest

from segments.preview.report import History, MovedUser, Moves, Overlap, Preview, SegmentPreview
from tests.docs.pages import page


@pytest.mark.parametrize(
    "record", [Preview, SegmentPreview, History, Moves, MovedUser, Overlap], ids=lambda record: record.__name__
)
def test_fields_are_explained(record: type[msgspec.Struct]) -> None:
    spans = set(page("docs/preview.md").spans())
    assert sorted(set(record.__struct_fields__) - spans) == []
