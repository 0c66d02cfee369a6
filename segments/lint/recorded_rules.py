"""S501 to S508: what recorded events show and no definition can."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import combinations

from segments.definitions.model import Condition, Segment
from segments.definitions.references import with_references
from segments.definitions.yaml_source import Path
from segments.events import ANY_EVENT, SESSION_STARTED
from segments.lint.findings import Finding
from segments.lint.places import conditions_of
from segments.lint.recorded import Recorded
from segments.lint.relations import inside, refers, shared_exclusive_tag
from segments.lint.selecting import selectors_of
from segments.lint.subject import Subject
from segments.lint.upkeep import event_names

_NEARLY_ALL = 0.5  # a segment that takes up more of the users' time than this holds most others by chance


def on_recorded(subject: Subject) -> Iterator[Finding]:
    """Find what only recorded events show; nothing without them."""
    recorded = subject.recorded
    if recorded is None or not recorded.users:
        return
    yield from _small(subject, recorded)
    yield from _pairs(subject, recorded)
    yield from _unknown_names(subject, recorded)
    yield from _unknown_values(subject, recorded)
    for keeper in recorded.keepers:
        if keeper.overflowed:
            message = f"{len(keeper.overflowed):,} users have more {keeper.what} at once than the {keeper.kept:,} kept"
            yield subject.finding("S508", keeper.path, message, "shorten the window, or narrow it with where")


def _replayed(subject: Subject) -> list[tuple[int, Segment]]:
    """Return the segments whose members a replay knows: those that ask a model, directly or not, have none in it."""
    segments = {segment.name: segment for _, segment in subject.segments}
    asking = {
        segment.name
        for index, segment in subject.segments
        if any(condition.kind()[0] == "model" for condition, _ in conditions_of(segment, index))
    }
    return [each for each in subject.segments if asking.isdisjoint(with_references([each[1].name], segments))]


def _small(subject: Subject, recorded: Recorded) -> Iterator[Finding]:
    least = subject.options.min_share
    for index, segment in _replayed(subject):
        count = len(recorded.members[segment.name])
        if count == 0:
            message = f"none of {recorded.users:,} users ever entered it"
            yield subject.about("S505", index, message, "check its bounds against the data, or drop it")
        elif count / recorded.users < least:
            message = f"{count:,} of {recorded.users:,} users ever entered it, less than {least:.2%}"
            yield subject.about(
                "S505", index, message, "widen it or merge it with another; lint.min_share is the limit"
            )


def _pairs(subject: Subject, recorded: Recorded) -> Iterator[Finding]:
    spent, both, whole = recorded.time_in(), recorded.time_in_both(), recorded.user_time()
    for (_, one), (_, other) in combinations(_replayed(subject), 2):
        together = both[min(one.name, other.name), max(one.name, other.name)]
        if not together:
            continue
        narrow, wide = (one, other) if spent[one.name] < spent[other.name] else (other, one)
        tag = shared_exclusive_tag(subject, one, other)
        if tag is not None:
            yield _conflict(subject, recorded, narrow, wide, tag, together / spent[narrow.name])
            continue
        expected = refers(subject, narrow, wide) or inside(subject, narrow, wide) or inside(subject, wide, narrow)
        enough = len(recorded.members[narrow.name]) >= subject.options.min_users
        if enough and not expected:
            union = spent[narrow.name] + spent[wide.name] - together
            wide_share = spent[wide.name] / whole
            yield from _overlap(subject, narrow, wide, together / spent[narrow.name], together / union, wide_share)


def _conflict(subject: Subject, recorded: Recorded, narrow: Segment, wide: Segment, tag: str, share: float) -> Finding:
    user = recorded.someone_in(narrow.name, wide.name)
    message = (
        f"tag {tag} is exclusive, but its members spend {_percent(share)} of their time "
        f"in '{wide.name}' too, for example user {user}"
    )
    advice = f"add {{not: {{segment: {wide.name}}}}} to one of them"
    return subject.about("S504", subject.definitions.segments.index(narrow), message, advice)


def _overlap(
    subject: Subject, narrow: Segment, wide: Segment, share: float, similarity: float, wide_share: float
) -> Iterator[Finding]:
    index, limits = subject.definitions.segments.index(narrow), subject.options
    if similarity >= limits.max_similarity:
        message = f"nearly the same members as '{wide.name}': {_percent(similarity)} of the time in either is in both"
        yield subject.about("S501", index, message, "keep one of them; lint.max_similarity is the limit")
    elif wide_share > _NEARLY_ALL:
        return
    elif share == 1:
        message = f"its members were in '{wide.name}' all the time too"
        yield subject.about("S502", index, message, "merge them, or build it on that segment")
    elif share >= limits.max_overlap:
        message = f"its members spend {_percent(share)} of their time in '{wide.name}' too"
        yield subject.about("S503", index, message, "merge or separate them; lint.max_overlap is the limit")


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _unknown_names(subject: Subject, recorded: Recorded) -> Iterator[Finding]:
    for name, path in event_names(subject).items():
        if name in recorded.names or name in (ANY_EVENT, SESSION_STARTED):
            continue
        close = difflib.get_close_matches(name, recorded.names, n=1, cutoff=0.8)
        advice = f"did you mean '{close[0]}'?" if close else "check the name, or whether this source sends it"
        yield subject.finding("S506", path, f"no recorded event is named '{name}'", advice)


def _unknown_values(subject: Subject, recorded: Recorded) -> Iterator[Finding]:
    """Properties, traits and places in the context that conditions read and no recorded event has."""
    for index, segment in subject.segments:
        for condition, path in conditions_of(segment, index):
            kind, spec = condition.kind()
            if kind in ("trait", "context"):
                place = f"{kind} {spec.name if kind == 'trait' else spec.path}"
                if place not in recorded.known:
                    yield subject.finding("S507", (*path, kind), f"no recorded event has {place}", "check its name")
            for read, names in _reads(condition, path):
                seen = _seen(names, recorded)
                if seen and not any(read in recorded.paths[name] for name in seen):
                    message = f"no recorded {' or '.join(sorted(seen)[:3])} has the property {read}"
                    yield subject.finding(
                        "S507", (*path, kind), message, "check its name, or whether the source sends it"
                    )


def _reads(condition: Condition, path: Path) -> Iterator[tuple[str, list[str]]]:
    """Return each property that a condition reads, with the events it reads it from."""
    kind, spec = condition.kind()
    shared = {each for name in ("property", "per") if (each := getattr(spec, name, None))}
    for selector, where in selectors_of(condition, path):
        joins = kind != "absence" or where[-1] == "after"  # an `of` event without the property closes all, by intent
        for read in sorted((shared if joins else set()) | set(selector.where)):
            yield read, selector.event


def _seen(names: list[str], recorded: Recorded) -> set[str]:
    return set(recorded.names) if ANY_EVENT in names else {name for name in names if name in recorded.names}
