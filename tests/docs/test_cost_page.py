"""docs/cost.md names every field of the report, and every kind of condition."""

from segments.conditions import KINDS
from segments.cost import CostReport, SegmentCost
from segments.definitions.hygiene import Budget
from tests.docs.pages import page


def test_every_field_is_named() -> None:
    fields = {*SegmentCost.__struct_fields__, *CostReport.__struct_fields__, *Budget.model_fields}
    plain = {"file", "events", "users", "timed_events", "segments", "segment"}
    assert fields - plain <= set(page("docs/cost.md").spans()) | {"bytes_per_user"}


def test_every_kind_has_its_bound() -> None:
    assert set(KINDS) <= set(page("docs/cost.md").first_cells())
