"""What tests with random definitions share."""

import os
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, settings

from segments.definitions import Definitions, parse_definitions

PROFILE = os.environ.get("HYPOTHESIS_PROFILE")
THOROUGH, BRIEF = PROFILE == "thorough", PROFILE == "brief"
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TIME_LIMIT_S = 7_200 if THOROUGH else 900  # on a machine that does five other things


def examples(quick: int, thorough: int, *, shrunk: bool = False) -> settings:
    """The same examples on every run; the profile `thorough` takes many, new and shrunk ones, `brief` a quarter."""
    if THOROUGH:
        return settings(max_examples=thorough, deadline=None, suppress_health_check=QUIET)
    shrinking = [Phase.shrink] if shrunk and not BRIEF else []  # a nested example shrinks for minutes
    return settings(
        max_examples=quick // 4 if BRIEF else quick,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=QUIET,
        phases=[Phase.generate, *shrinking],
    )


def parsed(definitions: dict[str, Any]) -> Definitions:
    """Return checked definitions of what YAML would hold."""
    return parse_definitions(yaml.safe_dump(definitions, sort_keys=False))
