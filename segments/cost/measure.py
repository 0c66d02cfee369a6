"""What segments cost on recorded data: bytes of state, updates, asks and microseconds; shared work is shared out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

import msgspec

from segments.changes import Change
from segments.cost.bounds import features_of, state_bound
from segments.cost.metered import MeteredPlan
from segments.cost.report import CostReport, SegmentCost
from segments.definitions.model import Condition, Definitions, Recency, Segment
from segments.definitions.references import with_references
from segments.engine import Engine
from segments.processor import Processor
from segments.profile import encode_profile
from segments.replay import Replay

Clock = Callable[[], float]  # seconds
Show = Callable[[Sequence[frozenset[str]]], Iterable[frozenset[str]]]
_ROUNDS = 5
_encode = msgspec.msgpack.Encoder().encode


class _Bytes:
    """Sizes of what the users have, for one segment."""

    def __init__(self) -> None:
        self.shared: list[float] = []
        self.alone: list[int] = []


def measure(
    definitions: Definitions,
    source: str,
    events: Iterable[bytes],
    timed: Sequence[bytes],
    clock: Clock,
    show: Show = iter,
) -> CostReport:
    """Replay `events` for sizes and counts and `timed` for times, both sorted by time; `clock` tells seconds."""
    plan = MeteredPlan(definitions)
    run = Replay(definitions)
    run.processor = Processor(Engine(plan))
    _drain(run.run(events))
    return _report(definitions, source, run, plan, time_segments(definitions, timed, clock, show))


class Work:
    """Microseconds an event: of everything, of an engine without segments, and of each segment beyond what it needs."""

    def __init__(self, whole: float, empty: float, alone: dict[str, float], events: int) -> None:
        self.whole = whole
        self.empty = empty
        self.alone = alone
        self.events = events

    def fair(self, name: str) -> float:
        """Return a segment's part of the whole, in proportion to what it takes alone: the parts add up."""
        total = sum(self.alone.values())
        return (self.whole - self.empty) * self.alone[name] / total if total else 0.0


def time_segments(definitions: Definitions, events: Sequence[bytes], clock: Clock, show: Show = iter) -> Work:
    """Time the engine with all segments, with none, and with each beside those it refers to; the best of 5, in turns.

    `show` passes the runs on and may show how many are done.
    """
    by_name = {segment.name: segment for segment in definitions.segments}
    needed = {name: frozenset(with_references([name], by_name) - {name}) for name in by_name}
    nothing, everything = frozenset[str](), frozenset(by_name)
    best = dict.fromkeys(
        [nothing, everything, *needed.values(), *(needed[name] | {name} for name in by_name)], math.inf
    )
    for names in show(list(best) * _ROUNDS):
        kept = [segment for segment in definitions.segments if segment.name in names] or [_NOBODY]
        took = _time(definitions.model_copy(update={"segments": kept}), events, clock)
        best[names] = min(best[names], took * 1e6 / max(1, len(events)))
    alone = {name: max(0.0, best[needed[name] | {name}] - best[needed[name]]) for name in by_name}
    return Work(max(best[everything], best[nothing]), best[nothing], alone, len(events))


_NOBODY = Segment(name="nobody", when=Condition(recency=Recency(event=["(no event has this name)"], within="1d")))


def _time(definitions: Definitions, events: Sequence[bytes], clock: Clock) -> float:
    run = Replay(definitions)
    start = clock()
    _drain(run.run(events))
    return clock() - start


def _drain(changes: Iterable[Change]) -> None:
    for _ in changes:
        pass


def _report(definitions: Definitions, source: str, run: Replay, plan: MeteredPlan, work: Work) -> CostReport:
    features = {segment.name: set(features_of(segment, definitions)) for segment in definitions.segments}
    readers = Counter(key for keys in features.values() for key in keys)
    sizes, whole, base = _sizes(run, plan, features, readers)
    events = max(1, run.counts["applied"])
    segments = []
    for segment in definitions.segments:
        name, keys = segment.name, features[segment.name]
        shared = sorted(sizes[name].shared)
        segments.append(
            SegmentCost(
                segment=name,
                bytes_mean=_mean(shared),
                bytes_p99=shared[len(shared) * 99 // 100] if shared else 0.0,
                bytes_alone_mean=_mean(sizes[name].alone),
                bytes_alone_max=max(sizes[name].alone, default=0),
                bytes_bound=state_bound(segment, definitions),
                shared_with=sorted(other for other, theirs in features.items() if other != name and theirs & keys),
                updates_per_event=sum(plan.updates[key] / readers[key] for key in keys) / events,
                asks_per_event=plan.asks[name] / events,
                us_per_event=work.fair(name),
                us_alone=work.alone[name],
            )
        )
    return CostReport(source, events, len(whole), work.events, _mean(whole), base, work.whole, work.empty, segments)


def _sizes(
    run: Replay, plan: MeteredPlan, features: dict[str, set[str]], readers: Counter[str]
) -> tuple[dict[str, _Bytes], list[int], float]:
    """Return the sizes by segment, those of whole profiles, and the mean of what belongs to no segment."""
    profiles, sizes = run.processor.profiles, {name: _Bytes() for name in features}
    whole: list[int] = []
    for user in list(profiles.users()):
        profile = profiles.open(user)
        whole.append(len(encode_profile(profile)))
        parts = {key: _part(profile.features, plan.feature_ids[key]) for key in readers}
        for name, found in sizes.items():
            member = _part(profile.members, plan.segment_id(name))
            found.shared.append(member + sum(parts[key] / readers[key] for key in features[name]))
            found.alone.append(member + sum(parts[key] for key in features[name]))
        profiles.settle_if_many()
    profiles.settle()
    return sizes, whole, _mean(whole) - sum(_mean(found.shared) for found in sizes.values())


def _part(states: dict[int, Any], number: int) -> int:
    return len(_encode(number)) + len(_encode(states[number])) if number in states else 0


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
