"""Releases on Kafka: what is written to the control topic next, and how far the job is with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from jobs.audit_topic import audit_of, audit_reader
from jobs.control_topic import append, newest_event, read_history
from jobs.release_planning import Intent, ReleaseError, failed_again, planned
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic
from segments.audit import Audit, ReleaseDone, refusals
from segments.control import Release

_POLL_S = 0.2


class RefusedError(RuntimeError):
    """The job cannot use a release and goes on as before; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the job is with a release: shards that are done, users judged, changes made, users whom a bug keeps."""

    shards: int
    users: int
    changes: int
    failed: int = 0


class Planned(NamedTuple):
    """The release in force, the one to be written, and what is to be said of versions of models that failed before."""

    before: Release | None
    release: Release
    warnings: list[str]


def plan_release(kafka: KafkaSettings, intent: Intent) -> Planned:
    """Return what an intent leads to; raises ReleaseError, TopicError."""
    history = read_history(kafka)
    newest = newest_event(kafka) if intent.at is None else None
    release = planned(history, intent, int(time.time() * 1_000), newest)
    return Planned(history.current, release, failed_again(history, release))


def in_force(kafka: KafkaSettings) -> Release:
    """Return the release that is followed now; raises ReleaseError where no job was started, TopicError."""
    try:
        current = read_history(kafka).current
    except NoTopic:
        current = None
    if current is None:
        raise ReleaseError("no job was started on this control topic yet: segments submit starts one")
    return current


def write_release(kafka: KafkaSettings, release: Release) -> None:
    """Append a release to the control topic; raises TopicError, TakenError."""
    append(kafka, release)


def progress_of(release: Release, records: Iterable[Audit]) -> Progress:
    """Return how far the workers are with a release, by what the audit topic says.

    >>> done = [ReleaseDone(2, 5, False, [0, 2], 10, 3, 0, 9), ReleaseDone(1, 0, False, [0, 1, 2], 5, 5, 0, 1)]
    >>> progress_of(Release(2, 5, ""), done)
    Progress(shards=2, users=10, changes=3, failed=0)
    """
    instant = (release.number, release.effective_at)
    own = [each for each in records if isinstance(each, ReleaseDone) and (each.number, each.effective_at) == instant]
    shards = {shard for each in own for shard in each.shards}
    users, changes, failed = (sum(getattr(each, name) for each in own) for name in ("users", "changes", "failed"))
    return Progress(len(shards), users, changes, failed)


def await_release(
    kafka: KafkaSettings, release: Release, shards: int, timeout_s: float, on_progress: Callable[[Progress], None]
) -> Progress | None:
    """Return what all shards did with a release, None when some have not said so in time.

    Raises RefusedError when the job says that it cannot use it, TopicError.
    """
    deadline = time.monotonic() + timeout_s
    records: list[Audit] = []
    with audit_reader(kafka) as reader:
        while time.monotonic() < deadline:
            said = (audit_of(each) for each in reader.poll(_POLL_S))
            records += (each for each in said if each is not None)
            refused = refusals(records).get((release.number, release.effective_at))
            if refused is not None:
                raise RefusedError(
                    f"the job refuses release {release.number} and goes on as before: {refused.detail}; "
                    "mend it and release again"
                )
            progress = progress_of(release, records)
            on_progress(progress)
            if progress.shards >= shards:
                return progress
    return None
