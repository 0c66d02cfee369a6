"""The population in a worker: reports go out through the internal topic, the coordinator makes bounds of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from segments.control import encode_control
from segments.inspection import is_answer, is_question
from segments.models.health import is_model_scores
from segments.population.rounds import Coordinator, decode_report, encode_report, is_report
from udfs.frames import OutputFrame, Target
from udfs.inspector import Inspector
from udfs.model_watch import ModelWatch
from udfs.redis_users import ProfileUsers
from udfs.releases import Releases

_COORDINATORS_SHARD = 0


class Census:
    """Says what a worker knows of the population, and what follows from what all say; `lead` None: nobody listens.

    How models fare goes the same way.
    """

    def __init__(self, releases: Releases, shards: int, lead: int | None, models: ModelWatch | None = None) -> None:
        self._releases = releases
        self._models = models
        self._inspector = Inspector(ProfileUsers(releases.processor))
        self._coordinator = None if lead is None else Coordinator(shards, releases.bounds, lead)

    def concerns(self, payload: bytes) -> bool:
        """Say whether a record that the worker was told is for its census: a report, a question, an answer."""
        return is_report(payload) or is_model_scores(payload) or is_question(payload) or is_answer(payload)

    def take_renumbered(self) -> bool:
        """Say whether users got other numbers since this was asked last: their profiles are to be written."""
        return self._inspector.take_renumbered()

    def report(self, watermark: int | None) -> Iterator[bytes]:
        """Yield frames with answers to questions about users, and with the reports that are due at a watermark (ms)."""
        yield from self._inspector.tell(self._releases.shards)
        if self._models is not None:
            yield from self._models.report(watermark)
        if watermark is None or self._coordinator is None or not self._releases.shards:
            return
        output = OutputFrame()
        for each in self._releases.processor.population.reports(watermark, self._releases.shards):
            output.add(Target.INTERNAL, b"population", encode_report(each), _now())
        if output:
            yield output.to_bytes()

    def hear(self, payload: bytes) -> Iterator[bytes]:
        """Take a worker's report in; yields a frame with the bound that follows, if this worker is the coordinator.

        A question about users is answered with the next frames. Raises msgspec.DecodeError.
        """
        if is_question(payload):
            self._inspector.hear(payload)
        if self._models is not None and is_model_scores(payload):
            yield from self._models.hear(payload)
        if not is_report(payload):
            return
        if self._coordinator is None or _COORDINATORS_SHARD not in self._releases.shards:
            return
        record = self._coordinator.take(decode_report(payload), self._releases.processor.population.thresholds)
        if record is not None:
            output = OutputFrame()
            output.add(Target.CONTROL, None, encode_control(record), _now())
            yield output.to_bytes()


def _now() -> int:
    """The wall clock (ms): Kafka keeps records of these topics by when they were written."""
    return int(time.time() * 1_000)
