"""Foreign data as events: flat CSV or JSON records, turned into Segment Spec events by a small YAML file.

A mapping names the columns that hold the user, the time and the event; `conf/mappings/` holds those that ship.
"""

from segments.mapping.convert import EventMapping
from segments.mapping.files import ordered, read_events
from segments.mapping.model import MappingError, load_mapping, parse_mapping, shipped_mappings

__all__ = [
    "EventMapping",
    "MappingError",
    "load_mapping",
    "ordered",
    "parse_mapping",
    "read_events",
    "shipped_mappings",
]
