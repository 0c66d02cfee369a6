"""Definitions: YAML in, checked and immutable models out."""

from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.loader import load_definitions, parse_definitions
from segments.definitions.model import Condition, Definitions, Segment
from segments.definitions.selecting import Selector

__all__ = [
    "Condition",
    "DefinitionErrors",
    "Definitions",
    "Problem",
    "Segment",
    "Selector",
    "load_definitions",
    "parse_definitions",
]
