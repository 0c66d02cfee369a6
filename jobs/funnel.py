"""A funnel over recorded events, its users spread over processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from jobs.recording import Recording
from segments.funnel import FunnelQuestion, FunnelReport, empty_funnel, funnel_report
from segments.funnel_count import count_funnel


def run_funnel(
    question: FunnelQuestion,
    events: Path,
    mapping: str | None,
    workers: int,
    bar: Callable[[str, int], Callable[[int], None]],
) -> FunnelReport:
    """Return the counted funnel; `bar` begins a progress bar. Raises NoEvents, MappingError, OSError."""
    with Recording.open(events, mapping, plausibility=question.plausibility, workers=workers, bar=bar) as recording:
        span = recording.bounds()
        question = msgspec.structs.replace(question, until=span[1])
        total = empty_funnel(question)
        for part in recording.each(count_funnel, question, bar("counted", recording.events)):
            total.add(part)
        total.counts.update(recording.rejected_counts())
        return funnel_report(question, total, span)
