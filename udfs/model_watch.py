"""Models in a worker: how they fare is counted and told, and one that fails too often is taken out of force."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from scoring.scorer import Tally
from segments.audit import ModelFailed, encode_audit
from segments.control import encode_control
from segments.models.health import ModelHealth, ModelScores, decode_scores, encode_scores, without
from udfs.frames import OutputFrame, Target
from udfs.releases import Releases

_COORDINATORS_SHARD = 0
_EVERY_S = 1.0  # while a model fails
_SCORES = 10_000  # after which a worker says how a model fares that does not
_KEY = b"models"

Tallies = Callable[[], Mapping[tuple[str, int], Tally]]
Counted = Callable[[str, int, Tally], None]


class ModelWatch:
    """Says what became of this worker's scores; in one worker, what follows from what all say.

    A failing version is taken out of force by a release like any other, from `lead` ms of event time on; None: nobody
    listens. `counted` is told of each version's scores, for metrics and the log.
    """

    def __init__(
        self,
        releases: Releases,
        tallies: Tallies,
        lead: int | None,
        counted: Counted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._releases = releases
        self._tallies = tallies
        self._lead = lead
        self._counted = counted
        self._clock = clock
        self._untold: dict[tuple[str, int], Tally] = {}
        self._told_at = -_EVERY_S
        self._watermark = 0
        self._health = ModelHealth()
        self._said: set[tuple[str, int]] = set()
        self._written: dict[tuple[str, int], int] = {}  # by version: the release that is to take it out of force

    def report(self, watermark: int | None) -> Iterator[bytes]:
        """Yield a frame with what is to be told of models now, at a watermark (ms) or while time stands still."""
        # users are scored ahead of the watermark: what failed there must not lie after the release that follows from it
        self._watermark = max(self._watermark, watermark or 0, self._releases.processor.scored_until)
        for key, tally in self._tallies().items():
            if tally.scores:
                self._counted(*key, tally)
                self._untold[key] = self._untold.get(key, Tally()).plus(tally)
        if self._lead is None or not self._untold:
            return
        failing = any(each.failures for each in self._untold.values()) and self._clock() - self._told_at >= _EVERY_S
        if not failing and all(each.scores < _SCORES for each in self._untold.values()):
            return
        output, self._told_at = OutputFrame(), self._clock()
        for (name, version), each in self._untold.items():
            told = ModelScores(name, version, each.scores, each.failures, self._watermark, each.first)
            output.add(Target.INTERNAL, _KEY, encode_scores(told), _now())
        self._untold.clear()
        yield output.to_bytes()

    def hear(self, payload: bytes) -> Iterator[bytes]:
        """Take a worker's report in; yields a frame with what follows from it, if this worker is the coordinator.

        Raises msgspec.DecodeError.
        """
        if self._lead is None or _COORDINATORS_SHARD not in self._releases.shards:
            return
        report = decode_scores(payload)
        self._watermark = max(self._watermark, report.watermark)
        output, key = OutputFrame(), (report.name, report.version)
        fails = self._health.take(report)
        if fails is not None and self._may_write(key):
            output = self._taken_out(key, *fails, report.detail)
        elif report.failures and key not in self._said:
            self._said.add(key)
            record = ModelFailed(*key, report.scores, report.failures, report.detail, _now())
            output.add(Target.AUDIT, None, encode_audit(record), record.at)
        if output:
            yield output.to_bytes()

    def _may_write(self, key: tuple[str, int]) -> bool:
        """Say whether no release is under way that takes a version out; somebody else's may have had its number."""
        written = self._written.get(key)
        return written is None or self._releases.history.release(written) is not None

    def _taken_out(self, key: tuple[str, int], scores: int, failures: int, detail: str) -> OutputFrame:
        output, history, now = OutputFrame(), self._releases.history, _now()
        why, at = f"failed for {failures:,} of {scores:,} scores", self._watermark + (self._lead or 0)
        release = without(history, *key, why, at=at, now=now)
        if release is not None:
            self._written[key] = release.number
            self._said.add(key)  # what else fails until the release is in force needs nobody's attention
            record = ModelFailed(*key, scores, failures, detail, now, release.number)
            output.add(Target.CONTROL, None, encode_control(release), now)
            output.add(Target.AUDIT, None, encode_audit(record), now)
        return output


def _now() -> int:
    """The wall clock (ms): Kafka keeps records of these topics by when they were written."""
    return int(time.time() * 1_000)
