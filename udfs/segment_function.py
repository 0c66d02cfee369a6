"""The function that Flink calls: one frame in, at most one frame out. Everything it decides, it asks the domain."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from scoring.scorer import Tally
from scoring.source import scorers
from segments.audit import UserLimited, encode_audit
from segments.backfill_chunks import Chunk, decode_chunk, is_chunk
from segments.changes import Change, Memberships
from segments.definitions import DefinitionErrors
from segments.failures import failure, traceback_of, unscored
from segments.models.released import ModelRefused
from segments.outcome import Outcome
from segments.profiles import Profiles
from segments.shadow_names import in_shadow
from udfs import beam_sampler
from udfs.census import Census
from udfs.failing import BUGS, Failing
from udfs.frames import (
    END_OF_INPUT,
    ControlFrame,
    EventFrame,
    Kind,
    OutputFrame,
    Target,
    checkpoint_of,
    kind_of,
    shards_of,
    watermark_of,
)
from udfs.function_options import FunctionOptions
from udfs.handed_log import HandedLog
from udfs.huge_pages import keep_on_huge_pages
from udfs.keyed_state import ShardKeys
from udfs.memory import Collector, collect_only_on_demand
from udfs.metrics import WorkerMetrics
from udfs.model_watch import ModelWatch
from udfs.profile_log import ProfileLog
from udfs.redis_users import ProfileUsers, RedisGap
from udfs.redis_writer import RedisWriter
from udfs.releases import IDLE_SLICE_S, SLICE_S, Releases
from udfs.told import Told
from udfs.write_ahead import WriteAhead

_log = logging.getLogger(__name__)
T = TypeVar("T", Change, Memberships)


class SegmentFunction(KeyedProcessFunction):  # type: ignore[misc]  # pyflink is untyped
    """Keeps the profiles of the shards this worker owns; reads state on START, writes it on MARKER and after EVENTS."""

    def __init__(self, options: FunctionOptions) -> None:
        self._options = options

    def open(self, context: RuntimeContext) -> None:
        """Compile the definitions and connect to Redis."""
        options = self._options
        collect_only_on_demand()
        beam_sampler.switch_off()
        keep_on_huge_pages()
        self._told = Told(options.told)
        self._profiles = Profiles(options.shards)
        models = scorers(options.model_folder)
        self._releases = Releases(
            self._told, self._profiles, options.plausibility, options.allowed_lateness, models, models.of_history
        )
        self._processor = self._releases.processor
        self._failing = Failing(options.max_failed_share)
        watch = ModelWatch(self._releases, models.tallies, options.bounds_lead, self._scored)
        self._census = Census(self._releases, options.shards, options.bounds_lead, watch)
        self._log = ProfileLog(self._profiles)
        self._handed = HandedLog(self._processor)
        self._is_first = context.get_index_of_this_subtask() == 0
        self._keys = ShardKeys(context)
        self._ahead = WriteAhead(self._log, self._keys)
        self._garbage = Collector()
        self._state = context.get_map_state(
            MapStateDescriptor("profiles", Types.LONG(), Types.PRIMITIVE_ARRAY(Types.BYTE()))
        )
        self._redis = RedisWriter(options.redis, ProfileUsers(self._processor)) if options.redis else None
        self._gap = RedisGap()
        trace = Path(options.trace) / f"worker-{context.get_index_of_this_subtask()}.json" if options.trace else None
        self._metrics = WorkerMetrics(context.get_metrics_group(), trace)
        releases = self._releases
        self._metrics.tell(lambda: releases.number, lambda: releases.behind, lambda: releases.warming)
        if self._redis:
            self._metrics.watch_redis(self._redis)
        self._swept = False  # since the last marker: then shards have changed that it does not name

    def close(self) -> None:
        """Leave Redis and write the trace."""
        if self._redis:
            self._redis.close()
        self._metrics.close()

    def process_element(self, value: Any, _: Any) -> Iterator[bytes]:
        """Handle one frame."""
        frame = bytes(value)
        started = time.perf_counter()
        kind = kind_of(frame)
        if kind == Kind.EVENTS:
            yield from self._events(EventFrame(frame))
            yield from self._follow(SLICE_S)
            yield from self._census.report(watermark_of(frame))
            shards, following = self._releases.shards, self._releases.behind > 0
            self._metrics.written.inc(self._ahead.write(shards, self._state, all_follow=following))
            self._mend_redis(SLICE_S)
        elif kind == Kind.TICK:
            yield from self._tick(watermark_of(frame))
            yield from self._follow(IDLE_SLICE_S)
            yield from self._census.report(watermark_of(frame))
            self._mend_redis(IDLE_SLICE_S)
        elif kind == Kind.MARKER:
            if checkpoint_of(frame) == END_OF_INPUT:
                yield from self._follow(None)
                if self._redis:
                    self._redis.tell(self._releases.warming_for_some())
                    self._redis.flush()
            self._save(shards_of(frame))
        elif kind == Kind.CONTROL:
            yield from self._hear(ControlFrame(frame))
        else:
            self._start(shards_of(frame))
        self._metrics.handled(kind, time.perf_counter() - started)

    def _start(self, shards: list[int]) -> None:
        self._releases.shards = shards
        self._profiles.own(shards)
        for shard in shards:
            self._keys.turn_to(shard)
            for record in self._told.load(shard, self._state):
                self._releases.remember(record)
            self._handed.load(shard, self._state)
        for shard in shards:
            self._keys.turn_to(shard)
            self._log.load(shard, self._state)
            self._gap.load(shard, self._state)
        if self._redis:
            self._redis.own(shards, lacking=self._gap.lacking)

    def _mend_redis(self, seconds: float) -> None:
        """Write users that Redis lacks, if any, for so long, and what is warming where that is another than before."""
        if self._redis:
            self._redis.tell(self._releases.warming_for_some())
            if self._redis.has_to_catch_up:
                self._redis.catch_up(seconds)

    def _hear(self, frame: ControlFrame) -> Iterator[bytes]:
        try:
            if self._census.concerns(frame.payload):
                yield from self._census.hear(frame.payload)
                return
            if is_chunk(frame.payload):
                self._take(decode_chunk(frame.payload))
                return
            record = self._told.hear(frame.payload)
            if record is not None:
                self._releases.accept(record)
        except msgspec.DecodeError as error:
            yield from self._refuse(frame, "not_control", str(error))
        except (DefinitionErrors, ModelRefused) as error:
            yield from self._refuse(frame, "not_usable", str(error))
        except OSError:  # a model is away: the task starts anew and tries again, lest workers differ
            raise
        except Exception as error:  # noqa: BLE001 - a record that trips a bug must not do so for ever
            yield from self._refuse(frame, "not_usable", traceback_of(error))
        yield from self._follow(SLICE_S)

    def _take(self, chunk: Chunk) -> None:
        """Take in what a side job found, if it is of a shard that is owned here."""
        if chunk.shard in self._releases.shards:
            self._processor.hand(chunk)

    def _scored(self, name: str, version: int, tally: Tally) -> None:
        """Count what became of scores by a version of a model, and log the first failure."""
        self._metrics.scored(name, version, tally)
        if tally.failures:
            self._failing.say("failed_scores", "", f"{name}:{version}", tally.first)

    def _tick(self, watermark: int | None) -> Iterator[bytes]:
        if watermark is not None:
            self._releases.passed(watermark)
            yield from self._publish(self._processor.advance(watermark), OutputFrame())

    def _follow(self, seconds: float | None) -> Iterator[bytes]:
        """Have users follow the releases, and say so when all of this worker do."""
        for outcome in self._releases.sweep(seconds):
            self._swept = True
            yield from self._publish(outcome, OutputFrame())
        output = OutputFrame()
        for done in self._releases.finished():
            self._swept = True
            output.add(Target.AUDIT, None, encode_audit(done), done.finished)
        for refused in self._releases.refused():  # by all workers alike: one says so
            if self._is_first:
                output.add(Target.AUDIT, None, encode_audit(refused), refused.refused)
        if output:
            yield output.to_bytes()

    def _refuse(self, frame: ControlFrame, reason: str, detail: str) -> Iterator[bytes]:
        """Leave a control record aside: one subtask of all that got it says so in a dead letter."""
        _log.error("the control record at offset %d is refused (%s): %s", frame.offset, reason, detail)
        self._metrics.rejected(reason)
        if self._is_first:
            output, origin = OutputFrame(), (self._options.control_topic, 0, frame.offset, frame.written_at)
            output.add_unprocessed(Target.DEAD_LETTERS, frame.payload, origin, reason, detail)
            yield output.to_bytes()

    def _save(self, shards: Iterable[int]) -> None:
        """Write what changed to Flink's state, and whether Redis has all that led there."""
        is_new = self._gap.note(lacking=not (self._redis and self._redis.settle())) or self._census.take_renumbered()
        with self._keys.writing_together():
            for shard in self._releases.shards if self._swept or is_new else shards:
                self._keys.turn_to(shard)
                written = self._log.append(shard, self._state) + self._told.save(shard, self._state)
                written += self._gap.save(shard, self._state)
                self._metrics.written.inc(written + self._handed.save(shard, self._state))
        self._metrics.forgotten.inc(self._profiles.forgotten.take_users())
        self._swept = False
        self._ahead.marker_came()
        self._garbage.look()  # now, when all profiles are bytes

    def _events(self, frame: EventFrame) -> Iterator[bytes]:
        suspects = frame.suspects() if any(frame.faults) else None
        outcome = self._processor.process(frame.payloads, frame.written_at, suspects)
        output, topics, bugs = OutputFrame(), self._options.topics, 0
        for place, rejected in outcome.rejected:
            output.add_unprocessed(
                Target.DEAD_LETTERS,
                frame.payloads[place],
                frame.origin(place, topics),
                rejected.reason,
                rejected.detail,
                rejected.about,
            )
            self._metrics.rejected(rejected.reason)
            if rejected.reason in BUGS:
                bugs += 1
                about = rejected.about
                self._failing.say(rejected.reason, about["user"], about.get("definition", ""), rejected.detail)
        for place in outcome.late:
            older = f"more than {self._options.allowed_lateness} ms older than the user's newest event"
            detail = f"{older}, or of an unknown user and as old as the retention"
            output.add_unprocessed(
                Target.LATE_EVENTS, frame.payloads[place], frame.origin(place, topics), "late", detail
            )
        self._metrics.processed(outcome, len(frame.payloads))
        self._failing.count(len(frame.payloads), bugs)
        if frame.watermark is not None:
            self._releases.passed(frame.watermark)
            passed = self._processor.advance(frame.watermark)
            outcome.changes += passed.changes
            outcome.failures += passed.failures
            outcome.hot += passed.hot
            outcome.current |= passed.current
            outcome.unscored += passed.unscored
        yield from self._publish(outcome, output)

    def _publish(self, outcome: Outcome, output: OutputFrame) -> Iterator[bytes]:
        changes = outcome.changes
        if self._releases.has_shadow:
            hidden = [change for change in changes if in_shadow(change.segment)]
            changes = [change for change in changes if not in_shadow(change.segment)]
            output.add_shadow_changes(hidden)
            self._metrics.shadow_changes.inc(len(hidden))
        if self._redis:  # with no changes too: so an idle worker soon learns what became of its last batch
            self._redis.write(changes)
        if changes:
            unsaid = output.add_each(output.add_changes, changes)
            unsaid_memberships = output.add_each(output.add_memberships, outcome.memberships)
            for user_id, at, error in (*_about(unsaid), *_about(unsaid_memberships)):
                outcome.failures.append(failure("failed_output", user_id, at, error))
            self._metrics.changes.inc(len(changes) - len(unsaid))
        for hot in outcome.hot:
            output.add(Target.AUDIT, None, encode_audit(UserLimited(*hot)), int(time.time() * 1_000))
        outcome.failures += [unscored(*each) for each in outcome.unscored]
        for each in outcome.failures:
            output.add_failure(each, each.at or int(time.time() * 1_000))
            self._metrics.rejected(each.reason)
            self._failing.tell(each)
        if output:
            yield output.to_bytes()


def _about(failed: list[tuple[T, Exception]]) -> Iterator[tuple[str, int, Exception]]:
    """Yield user and instant (ms) of changes and memberships that cannot be encoded."""
    for each, error in failed:
        yield each.user_id, each.at, error
