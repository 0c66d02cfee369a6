"""A preview of recorded events: the file is indexed, its users are spread over processes, their tallies are added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobs.recording import Recording
from segments.changes import Reason
from segments.control import Thresholds
from segments.definitions import Definitions
from segments.events import Plausibility
from segments.explain import explain
from segments.mapping import ordered
from segments.models.released import ModelVersion
from segments.preview.population import bounds_of, comparing, in_one
from segments.preview.report import Preview, build_preview, nothing_differs
from segments.preview.tally import Question, Tally, empty_tally, tally_users
from segments.preview.versions import differences, restricted, sides
from segments.profiles import user_checksum
from segments.record_times import with_record_times

_BINS = 120


@dataclass(frozen=True)
class Request:
    """What to preview: two versions, a recording, and the segments whose members are compared (`others`)."""

    before: Definitions
    after: Definitions
    events: Path
    mapping: str | None
    others: list[str]
    user_sample: int
    workers: int
    allowed_lateness: int
    plausibility: Plausibility
    models: tuple[ModelVersion, ...] = ()  # in force, for both


Bar = Callable[[str, int], Callable[[int], None]]


def run_preview(request: Request, bar: Bar) -> Preview:
    """Return what the new version would change; `bar` begins a progress bar of a name and a size.

    Raises NoEvents, MappingError, DefinitionErrors, OSError.
    """
    from scoring.source import shared  # noqa: PLC0415 - what loads numpy is imported when it is used

    differing = differences(request.before, request.after)
    if not differing:
        return nothing_differs(request.after)
    with Recording.open(
        request.events, request.mapping, plausibility=request.plausibility, workers=request.workers, bar=bar
    ) as recording:
        first, last = recording.bounds()
        both = sides(request.before, request.after, differing, request.others)
        question = Question(
            sides=both,
            bounds=_bounds(both, request, bar),
            watched=[each.segment for each in differing],
            first=first,
            last=last,
            bins=_BINS,
            user_sample=request.user_sample,
            allowed_lateness=request.allowed_lateness,
            plausibility=request.plausibility,
            models=request.models,
            scorers=shared,
        )
        tally = _tally(recording, question, bar("replayed", recording.events))
        standing = _standing(recording, request, question)
        return build_preview(question, tally, (request.before, request.after), differing, request.others, standing)


def _tally(recording: Recording, question: Question, progress: Callable[[int], None]) -> Tally:
    total = empty_tally(question)
    for part in recording.each(tally_users, question, progress):
        total.add(part, question.user_sample)
    for counts in total.counts:
        counts.update(recording.rejected_counts())
    return total


def _bounds(both: list[Definitions], request: Request, bar: Bar) -> list[Thresholds]:
    """Return the population's bounds in the recorded events; nothing where no segment compares with them."""
    found = []
    for definitions in filter(None, map(comparing, both)):
        events = with_record_times(ordered(request.events, mapping=request.mapping))
        done = bar("population", 1)
        found.append(
            bounds_of(definitions, events, allowed_lateness=request.allowed_lateness, plausibility=request.plausibility)
        )
        done(1)
    return in_one(found)


def _standing(recording: Recording, request: Request, question: Question) -> Callable[[str, str], list[Reason]]:
    """Return a function that says how a user stands in a segment of the new version; no reasons where it is gone."""
    from scoring.source import shared  # noqa: PLC0415 - as above

    def standing(user_id: str, segment: str) -> list[Reason]:
        definitions = restricted(request.after, [segment])
        if not definitions.segments:
            return []
        events = recording.of_user(user_checksum(user_id))
        found = explain(
            definitions,
            [timed for user in events for timed in user],
            user_id,
            at=question.last,
            found=question.bounds,
            allowed_lateness=request.allowed_lateness,
            plausibility=request.plausibility,
            scorers=shared,
            models=request.models,
        )
        conditions = next(each.conditions for each in found.segments if each.segment == segment)
        return [Reason(each.condition, each.expected, each.value, each.holds) for each in conditions]

    return standing
