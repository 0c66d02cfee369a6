"""What a release may say next: a person's intent, judged by all releases so far. Pure; Kafka is in jobs/release.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jobs.control_topic import effective_instant
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
