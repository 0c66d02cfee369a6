"""Which segments may need more than their budget allows: known before anything runs."""

from __future__ import annotations

from segments.cost.bounds import largest_part, state_bound
from segments.definitions import DefinitionErrors, Problem, parse_definitions
from segments.definitions.model import Definitions, Segment
from segments.definitions.yaml_source import YamlSource


def check_budget(text: str, source: str = "<text>") -> Definitions:
    """Return the definitions; raises DefinitionErrors with each segment whose state may outgrow its budget, and why.

    >>> check_budget('''
    ... budget: {bytes_per_user: 100}
    ... segments: [{name: a, when: {count: {event: X, within: 1h, gte: 50}}}]
    ... ''')
    Traceback (most recent call last):
    segments.definitions.errors.DefinitionErrors: <text>:3: a: its state may take 493 bytes a user, its budget is 100 \
(the largest part is 50 times of X: 460 bytes; lower its bound or raise budget.bytes_per_user)
    """
    definitions = parse_definitions(text, source)
    yaml = YamlSource(text, source)
    problems = []
    for index, segment in enumerate(definitions.segments):
        budget = budget_bytes(segment, definitions)
        bound = state_bound(segment, definitions)
        if budget is not None and bound > budget:
            message = f"its state may take {bound:,} bytes a user, its budget is {budget:,}"
            part = largest_part(segment, definitions)
            hint = f"the largest part is {part}; lower its bound or raise budget.bytes_per_user"
            line = yaml.line_of(("segments", index, "name"))
            problems.append(Problem(source, line, segment.name, message, hint))
    if problems:
        raise DefinitionErrors(problems)
    return definitions


def budget_bytes(segment: Segment, definitions: Definitions) -> int | None:
    """Return how many bytes a user's state may take, None for any; the segment's own budget goes before the file's."""
    own = segment.budget.bytes_per_user if segment.budget else None
    return own if own is not None else definitions.budget.bytes_per_user


def budget_us(segment: Segment, definitions: Definitions) -> float | None:
    """Return how many microseconds an event may take, None for any; the segment's own budget goes before the file's."""
    own = segment.budget.us_per_event if segment.budget else None
    return own if own is not None else definitions.budget.us_per_event
