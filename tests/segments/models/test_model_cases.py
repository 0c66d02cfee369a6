"""Timelines of a `model` condition by hand: at which instants a user is scored, and what is in that score."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from segments.control import Release
from segments.models.features import Vector
from segments.models.released import ModelVersion
from segments.replay import replay

START = 1_772_409_600_000
CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "model.yaml").read_text(encoding="utf-8"))
FEATURES = {
    "features": [
        {"name": "views", "count": {"event": "View", "within": "1m"}},
        {"name": "tier", "trait": {"path": "tier"}},
    ]
}
POINTS = ModelVersion("points", 1, "classify", FEATURES, "", "", delay=10_000, max_age=300_000)
DEFINITIONS = "segments: [{name: likely, when: {model: {name: points, gte: 2}}}]"


class Points:
    def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
        return [float(views or 0) + (tier == "gold") for views, tier in vectors]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_changes_of_the_case(case: dict[str, Any]) -> None:
    events = [
        json.dumps(
            {
                "type": "track",
                "event": each["event"],
                "userId": "u",
                "messageId": str(number),
                "timestamp": START + each["at"] * 1_000,
                "context": {"traits": {"tier": each["tier"]} if "tier" in each else {}},
            }
        ).encode()
        for number, each in enumerate(case["events"])
    ]
    told = [Release(1, 0, DEFINITIONS, models=(POINTS,))]
    made = replay(told, events, until=START + 1_000_000, scorers=lambda _: Points())
    found = [{"at": (change.at - START) // 1_000, "action": change.action} for change in made]
    assert found == case["expected"]
    assert all((each.at - START) % 1_000 == 0 for each in made)
