"""What tests with random definitions share."""

import os
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, settings

from segments.definitions import Definitions, parse_definitions

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TIME_LIMIT_S = 7_200 if THOROUGH else 300


def examples(quick: int, thorough: int, *, shrunk: bool = False) -> settings:
    """The same examples on every run; many, new and shrunk ones with HYPOTHESIS_PROFILE=thorough."""
    if THOROUGH:
        return settings(max_examples=thorough, deadline=None, suppress_health_check=QUIET)
    return settings(
        max_examples=quick,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=QUIET,
        phases=[Phase.generate, Phase.shrink] if shrunk else [Phase.generate],  # a nested example shrinks for minutes
    )


def parsed(definitions: dict[str, Any]) -> Definitions:
    """Return checked definitions of what YAML would hold."""
    return parse_definitions(yaml.safe_dump(definitions, sort_keys=False))
