"""S401: segments whose state may get large; `segments cost` says how large it is."""

from __future__ import annotations

from collections.abc import Iterator

from segments.cost.bounds import largest_part, state_bound
from segments.lint.findings import Finding
from segments.lint.subject import Subject


def state(subject: Subject) -> Iterator[Finding]:
    """Find segments that may keep more bytes of a user than `lint.max_state`."""
    limit = subject.options.max_state
    for index, segment in subject.segments:
        bound = state_bound(segment, subject.definitions)
        if bound > limit:
            message = f"its state may take {bound:,} bytes a user, more than {limit:,}"
            part = largest_part(segment, subject.definitions)
            yield subject.about("S401", index, message, f"the largest part is {part}; lint.max_state is the limit")
