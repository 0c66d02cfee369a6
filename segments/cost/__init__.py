"""What a segment costs: the bytes of state it guarantees not to exceed, and what it takes on recorded data."""

from segments.cost.bounds import features_of, largest_part, state_bound
from segments.cost.budget import budget_bytes, budget_us, check_budget
from segments.cost.measure import measure
from segments.cost.report import CostReport, SegmentCost, cost_schema

__all__ = [
    "CostReport",
    "SegmentCost",
    "budget_bytes",
    "budget_us",
    "check_budget",
    "cost_schema",
    "features_of",
    "largest_part",
    "measure",
    "state_bound",
]
