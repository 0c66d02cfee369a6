"""Releases: what may be written to the control topic next, and how far the job is with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jobs.audit_topic import audit_of, audit_reader
from jobs.control_topic import append, effective_instant, newest_event, read_history
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic
from segments.audit import Audit, ReleaseDone, refusals
from segments.control import Release, ReleaseAction
from segments.definitions import parse_definitions
from segments.history import History, same_meaning, same_release
from segments.models.health import before_without_failed, failed_versions
from segments.models.released import ModelVersion
from segments.models.releasing import (
    Versions,
    challengers,
    champions,
    pinned,
    promoted_versions,
    unmet,
    with_challenger,
    with_champion,
    withdrawn_versions,
)

LIVE_AHEAD_MS = 2_000  # so that all workers have heard of a release before it holds
_FURTHEST_AHEAD_MS = 366 * 86_400_000
_POLL_S = 0.2


class RefusedError(RuntimeError):
    """The job cannot use a release and goes on as before; the text says which and why."""


class ReleaseError(ValueError):
    """The release makes no sense; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants released, definitions or the version of a model.

    `at` is when it takes effect (ms, event time), None: as soon as all have heard.
    """

    action: ReleaseAction
    definitions: str = ""
    model: ModelVersion | None = None
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
    content = _CONTENT[intent.action](history, current, intent)
    if intent.at is not None:
        _refuse_instant(intent.at, current, now)
    at = intent.at if intent.at is not None else effective_instant(now, newest, LIVE_AHEAD_MS)
    return history.following(
        intent.action,
        content.definitions,
        effective_at=at,
        shadow=content.shadow,
        released_at=now,
        by=intent.by,
        note=intent.note or content.note,
        models=content.models,
        refills=intent.action != "withdraw" and intent.model is None,
    )


def _refuse_instant(at: int, current: Release, now: int) -> None:
    """Raise ReleaseError where a release cannot take effect (ms): far ahead, or before the one that it follows."""
    if at > now + _FURTHEST_AHEAD_MS:
        raise ReleaseError(f"--at ({at}) is more than a year ahead, and no other release could take effect before it")
    number, holds = current.number, time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(current.effective_at // 1_000))
    if at < current.effective_at <= now:
        raise ReleaseError(f"--at lies before release {number}, which holds since {holds} UTC: nothing can hold then")
    if at < current.effective_at:
        raise ReleaseError(
            f"--at lies before release {number}, which is still to come, at {holds} UTC: none comes before it. Without"
            f" --at this one takes its place then; segments rollback takes release {number} back, and holds then too"
        )


class _Content(NamedTuple):
    """What a release says; `note` is for those who gave none."""

    definitions: str
    shadow: str | None
    models: Versions
    note: str = ""


def _release(_: History, current: Release, intent: Intent) -> _Content:
    if intent.model is not None:
        return _model(current, intent.model)
    if same_meaning(current.definitions, intent.definitions):
        raise ReleaseError(f"nothing changed: release {current.number} says the same")
    _refuse_unmet(intent.definitions, current.models)
    tried = challengers(current.models)
    shadow = pinned(intent.definitions, tried) if tried else current.shadow
    return _Content(intent.definitions, shadow, current.models)


def _model(current: Release, version: ModelVersion) -> _Content:
    known = champions(current.models).get(version.name)
    if known == version:
        raise ReleaseError(f"nothing changed: {version.label} is in force since release {current.number} or before")
    models = with_champion(current.models, version)
    _refuse_unmet(current.definitions, models)
    was = f" instead of {known.label}" if known is not None and known.version != version.version else ""
    return _Content(current.definitions, current.shadow, models, f"{version.label}{was}")


def _shadow(_: History, current: Release, intent: Intent) -> _Content:
    tried = challengers(current.models)
    if intent.model is not None:
        return _challenger(current, intent.model)
    if tried:
        raise ReleaseError(f"{_labels(tried)} is in the shadow: segments promote or segments withdraw first")
    if same_meaning(current.definitions, intent.definitions):
        raise ReleaseError(f"nothing to watch: release {current.number} says the same")
    if current.shadow is not None and same_meaning(current.shadow, intent.definitions):
        raise ReleaseError(f"nothing changed: release {current.number} has the same in the shadow")
    _refuse_unmet(intent.definitions, current.models)
    return _Content(current.definitions, intent.definitions, current.models)


def _challenger(current: Release, version: ModelVersion) -> _Content:
    known = champions(current.models).get(version.name)
    if known is not None and known.version == version.version:
        raise ReleaseError(f"nothing to watch: {version.label} is the version in force")
    if current.shadow is not None and not challengers(current.models):
        raise ReleaseError("other definitions are in the shadow: segments promote or segments withdraw first")
    models = with_challenger(current.models, version)
    if models == current.models:
        raise ReleaseError(f"nothing changed: {version.label} is in the shadow")
    shadow = pinned(current.definitions, challengers(models))
    if same_meaning(shadow, current.definitions):
        raise ReleaseError(f"no segment asks model {version.name} for the version in force: there is nothing to watch")
    _refuse_unmet(shadow, models)
    return _Content(current.definitions, shadow, models, f"{version.label} beside what is in force")


def _promote(_: History, current: Release, __: Intent) -> _Content:
    if current.shadow is None:
        raise ReleaseError("nothing is in the shadow: segments release FILE --shadow puts it there")
    tried = challengers(current.models)
    if tried:
        return _Content(current.definitions, None, promoted_versions(current.models), _labels(tried))
    return _Content(current.shadow, None, current.models)


def _withdraw(_: History, current: Release, __: Intent) -> _Content:
    if current.shadow is None:
        raise ReleaseError("nothing is in the shadow")
    return _Content(current.definitions, None, withdrawn_versions(current.models))


def _rollback(history: History, current: Release, intent: Intent) -> _Content:
    target = before_without_failed(history, current) if intent.to is None else history.release(intent.to)
    if target is None:
        missing = (
            "there is no release before with other definitions or models that did not fail"
            if intent.to is None
            else "there is no such release"
        )
        raise ReleaseError(f"{missing}: segments history lists all")
    if target.number in history.refused:
        raise ReleaseError(f"release {target.number} was refused by the job: segments history says why")
    if same_release(target, current):
        raise ReleaseError(f"release {target.number} says the same as release {current.number}, which is in force")
    shadow = None if challengers(current.models) else current.shadow
    return _Content(target.definitions, shadow, withdrawn_versions(target.models), f"back to release {target.number}")


def _refuse_unmet(definitions: str, models: Versions) -> None:
    """Raise ReleaseError with every model that definitions ask and that cannot answer them."""
    found = unmet(parse_definitions(definitions), models)
    if found:
        raise ReleaseError("\n".join([*found, "nothing was released"]))


def _labels(versions: Mapping[str, ModelVersion]) -> str:
    return ", ".join(each.label for each in versions.values())


_CONTENT: dict[ReleaseAction, Callable[[History, Release, Intent], _Content]] = {
    "release": _release,
    "shadow": _shadow,
    "promote": _promote,
    "withdraw": _withdraw,
    "rollback": _rollback,
}


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


def failed_again(history: History, release: Release) -> list[str]:
    """Return a sentence for each version that a release brings back after the job took it out of force by itself."""
    known = {(each.name, each.version) for each in history.current.models} if history.current else set()
    coming = ((each.name, each.version) for each in release.models)
    failed = failed_versions(history)
    return [
        f"{name}:{version} was taken out by the job once: release {failed[name, version].number},"
        f" {failed[name, version].note}"
        for name, version in coming
        if (name, version) in failed and (name, version) not in known
    ]


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
