"""The page on funnels explains every field of the report."""

import msgspec
import pytest

from segments.funnel import FunnelReport, StepReport
from tests.docs.pages import page


@pytest.mark.parametrize("record", [FunnelReport, StepReport], ids=lambda record: record.__name__)
def test_fields_are_explained(record: type[msgspec.Struct]) -> None:
    assert sorted(set(record.__struct_fields__) - set(page("docs/funnel.md").spans())) == []
