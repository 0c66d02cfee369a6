"""Rounds: every `refresh` each worker reports its users' numbers, and one worker makes the new bound of them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segments.conditions.threshold import PopulationThreshold
from segments.control import Thresholds
from segments.definitions.threshold import Threshold
from segments.population.bounds import NOBODY, Bounds
from segments.population.summary import Summary, bound_of, merge, smoothed
from segments.profile import NEVER

LEAD = 10_000  # ms of event time in which a bound reaches all workers before it takes effect
_TAG = b'"kind":"population"'
_ROUNDS_KEPT = 2  # of a threshold, not complete yet


class Report(msgspec.Struct, frozen=True, tag_field="kind", tag="population"):
    """The numbers of one worker's users for one threshold, as of the watermark (ms); `instant` (ms) names the round.

    `shards` are the shards whose users are in it.
    """

    threshold: str
    instant: int
    watermark: int
    shards: list[int]
    summary: Summary


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Report).decode


def encode_report(report: Report) -> bytes:
    """Return the report as the JSON of the internal topic."""
    return _encode(report)


def decode_report(payload: bytes) -> Report:
    """Return the report in a record of the internal topic; raises msgspec.DecodeError.

    >>> decode_report(encode_report(Report("a", 0, 5, [1], Summary(1, 2.0, 0.0)))).summary.mean
    2.0
    """
    return _decode(payload)


def is_report(payload: bytes) -> bool:
    """Say whether a record that the workers were told is a report of one of them.

    >>> is_report(encode_report(Report("a", 0, 5, [1], Summary(1, 2.0, 0.0)))), is_report(b'{"kind":"release"}')
    (True, False)
    """
    return _TAG in payload[: len(_TAG) + 1]


class Schedule:
    """When the next round of each threshold is due.

    >>> from segments.definitions.threshold import Threshold
    >>> spec = Threshold.model_validate({"of": {"score": {"points": {"Add": 1}}}, "top": "20%", "refresh": "10s"})
    >>> schedule = Schedule()
    >>> [schedule.due({"a": spec}, watermark) for watermark in (5_000, 9_999, 10_000, 45_000)]
    [[], [], [('a', 10000)], [('a', 40000)]]
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def due(self, thresholds: Mapping[str, Threshold], watermark: int) -> list[tuple[str, int]]:
        """Return the thresholds whose interval has ended by the watermark (ms), each with the instant of its round.

        Intervals that event time jumped over have no round; the one in which a worker begins is not one.
        """
        due = []
        for key, spec in thresholds.items():
            instant = watermark - watermark % spec.refresh
            last = self._last.setdefault(key, instant)
            if instant > last:
                self._last[key] = instant
                due.append((key, instant))
        return due

    def next(self, thresholds: Mapping[str, Threshold]) -> int:
        """Return the watermark (ms) at which the next round is due, NEVER before `due` was asked for the first time."""
        return min(
            (self._last[key] + spec.refresh for key, spec in thresholds.items() if key in self._last), default=NEVER
        )


class Coordinator:
    """Collects reports until all shards have reported for one instant, then makes the record for the control topic.

    What it has collected is nowhere else: after a restart the round under way never completes, the next one does.
    """

    def __init__(self, shards: int, bounds: Bounds, lead: int = LEAD) -> None:
        """Collect for so many shards; a bound takes effect `lead` ms of event time after the furthest watermark."""
        self._lead = lead
        self._shards = frozenset(range(shards))
        self._bounds = bounds
        self._rounds: dict[str, dict[int, list[Report]]] = {}
        self._done: dict[str, int] = {}
        self._version = 0

    def take(self, report: Report, thresholds: Mapping[str, PopulationThreshold]) -> Thresholds | None:
        """Take in a report; returns the new bound when it was the last one of its round.

        A threshold that the definitions no longer have is passed over, and so is what comes after its round.
        """
        key, instant = report.threshold, report.instant
        if key not in thresholds or instant <= self._done.get(key, self._bounds.of(key).newest().starts - self._lead):
            return None
        rounds = self._rounds.setdefault(key, {})
        shards = set(report.shards)
        others = [each for each in rounds.get(instant, ()) if shards.isdisjoint(each.shards)]  # told again: replaced
        reports = rounds[instant] = [*others, report]
        for older in sorted(rounds)[:-_ROUNDS_KEPT]:
            del rounds[older]
        if not self._shards <= {shard for each in reports for shard in each.shards}:
            return None
        self._done[key] = instant
        self._rounds[key] = {later: waiting for later, waiting in rounds.items() if later > instant}
        self._version = max(self._version, self._bounds.version) + 1
        starts = max(each.watermark for each in reports) + self._lead
        found = merge(each.summary for each in sorted(reports, key=_first_shard))
        threshold = thresholds[key]
        bound = bound_of(threshold.spec, found)
        return next_record(threshold, bound, found.count, self._bounds, self._version, starts)


def next_record(
    threshold: PopulationThreshold, found: float | None, population: int, bounds: Bounds, version: int, starts: int
) -> Thresholds:
    """Return the record of a bound that was found, smoothed with the one before; it takes effect at `starts` (ms)."""
    before = bounds.of(threshold.key).newest().value
    bound = smoothed(threshold.spec, None if before == NOBODY else before, found)
    return Thresholds(version, starts, {threshold.key: bound}, {threshold.key: population})


def _first_shard(report: Report) -> int:
    return min(report.shards, default=0)
