"""Releases: what may be written to the control topic next, and how far the job is with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jobs.audit_topic import audit_of, audit_reader
from jobs.control_topic import append, effective_instant, newest_event, read_history
from jobs.settings import KafkaSettings
from segments.audit import Audit, ReleaseDone, refusals
from segments.control import Release, ReleaseAction
from segments.history import History, same_meaning

LIVE_AHEAD_MS = 2_000  # so that all workers have heard of a release before it holds
_POLL_S = 0.2


class RefusedError(RuntimeError):
    """The job cannot use a release and goes on as before; the text says which and why."""


class ReleaseError(ValueError):
    """The release makes no sense; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants released; `at` is when it takes effect (ms, event time), None: as soon as all have heard."""

    action: ReleaseAction
    definitions: str = ""
    to: int | None = None
    at: int | None = None
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the job is with a release: shards that are done, users judged, changes made, users whom a bug keeps."""

    shards: int
    users: int
    changes: int
    failed: int = 0


def planned(history: History, intent: Intent, now: int, newest: int | None) -> Release:
    """Return the release that an intent leads to; raises ReleaseError. Times in ms, `newest` is that of the events."""
    current = history.current
    if current is None:
        raise ReleaseError("no job was started on this control topic yet: segments submit starts one")
    definitions, shadow, note = _CONTENT[intent.action](history, current, intent)
    if intent.at is not None and intent.at < current.effective_at:
        raise ReleaseError(
            f"--at lies before release {current.number} takes effect (at {current.effective_at}): nothing can hold then"
        )
    at = intent.at if intent.at is not None else effective_instant(now, newest, LIVE_AHEAD_MS)
    return history.following(
        intent.action,
        definitions,
        effective_at=at,
        shadow=shadow,
        released_at=now,
        by=intent.by,
        note=intent.note or note,
    )


_Content = tuple[str, str | None, str]  # definitions, shadow, and a note for those who gave none


def _release(_: History, current: Release, intent: Intent) -> _Content:
    if same_meaning(current.definitions, intent.definitions):
        raise ReleaseError(f"nothing changed: release {current.number} says the same")
    return intent.definitions, current.shadow, ""


def _shadow(_: History, current: Release, intent: Intent) -> _Content:
    if same_meaning(current.definitions, intent.definitions):
        raise ReleaseError(f"nothing to watch: release {current.number} says the same")
    if current.shadow is not None and same_meaning(current.shadow, intent.definitions):
        raise ReleaseError(f"nothing changed: release {current.number} has the same in the shadow")
    return current.definitions, intent.definitions, ""


def _promote(_: History, current: Release, __: Intent) -> _Content:
    if current.shadow is None:
        raise ReleaseError("nothing is in the shadow: segments release FILE --shadow puts it there")
    return current.shadow, None, ""


def _withdraw(_: History, current: Release, __: Intent) -> _Content:
    if current.shadow is None:
        raise ReleaseError("nothing is in the shadow")
    return current.definitions, None, ""


def _rollback(history: History, current: Release, intent: Intent) -> _Content:
    target = history.before(current) if intent.to is None else history.release(intent.to)
    if target is None:
        missing = (
            "there is no release before with other definitions" if intent.to is None else "there is no such release"
        )
        raise ReleaseError(f"{missing}: segments history lists all")
    if target.number in history.refused:
        raise ReleaseError(f"release {target.number} was refused by the job: segments history says why")
    if same_meaning(target.definitions, current.definitions):
        raise ReleaseError(f"release {target.number} says the same as release {current.number}, which is in force")
    return target.definitions, current.shadow, f"back to release {target.number}"


_CONTENT: dict[ReleaseAction, Callable[[History, Release, Intent], _Content]] = {
    "release": _release,
    "shadow": _shadow,
    "promote": _promote,
    "withdraw": _withdraw,
    "rollback": _rollback,
}


def plan_release(kafka: KafkaSettings, intent: Intent) -> tuple[Release | None, Release]:
    """Return the release in force and the one to be written; raises ReleaseError, TopicError."""
    history = read_history(kafka)
    newest = newest_event(kafka) if intent.at is None else None
    return history.current, planned(history, intent, int(time.time() * 1_000), newest)


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
