"""A funnel over recorded events, its users spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from jobs.preview import NoEvents
from jobs.recording import Recording, Timed
from segments.funnel import FunnelQuestion, FunnelReport, FunnelTally, count_funnel, empty_funnel, funnel_report


def run_funnel(
    question: FunnelQuestion,
    events: Path,
    mapping: str | None,
    workers: int,
    bar: Callable[[str, int], Callable[[int], None]],
) -> FunnelReport:
    """Return the counted funnel; `bar` begins a progress bar. Raises NoEvents, MappingError, OSError."""
    with Recording.open(events, mapping, plausibility=question.plausibility, workers=workers, bar=bar) as recording:
        if recording.span is None:
            raise NoEvents(f"{events}: no event could be read ({dict(recording.rejected)})")
        total = empty_funnel(question)
        for part in recording.each(_count_partition, question, bar("counted", recording.events)):
            total.add(part)
        total.counts["rejected"] += recording.rejected.total()
        total.counts.update({f"rejected.{reason}": count for reason, count in recording.rejected.items()})
        return funnel_report(question, total, recording.span)


def _count_partition(question: FunnelQuestion, users: Iterator[list[Timed]]) -> FunnelTally:
    return count_funnel(question, users)
