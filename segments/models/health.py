"""A version of a model that fails too often is taken out of force: what workers tell of it, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from segments.audit import Audit, ModelFailed
from segments.control import Release
from segments.history import History
from segments.models.released import ModelVersion
from segments.models.releasing import Versions, challengers, champions, pinned, with_champion

BY_ITSELF = "the job"  # who released what no person did
_AT_LEAST = 20  # failures
_MOST_SHARE = 0.05  # of the scores
_WINDOW = 10_000  # scores, after which failures are counted anew
_TAG = b'"kind":"model_scores"'


class ModelScores(msgspec.Struct, frozen=True, tag_field="kind", tag="model_scores"):
    """What became of the scores of one version in one worker since it last said so, as of the watermark (ms).

    Where users were scored ahead of it, `watermark` is the instant up to which they were.

    `detail` tells of the first failure.
    """

    name: str
    version: int
    scores: int
    failures: int
    watermark: int
    detail: str = ""


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(ModelScores).decode


def encode_scores(report: ModelScores) -> bytes:
    """Return the report as the JSON of the internal topic."""
    return _encode(report)


def decode_scores(payload: bytes) -> ModelScores:
    """Return the report in a record of the internal topic; raises msgspec.DecodeError.

    >>> decode_scores(encode_scores(ModelScores("churn", 1, 5, 1, 7))).failures
    1
    """
    return _decode(payload)


def is_model_scores(payload: bytes) -> bool:
    """Say whether a record that the workers were told is such a report.

    >>> is_model_scores(encode_scores(ModelScores("churn", 1, 5, 1, 7))), is_model_scores(b'{"kind":"release"}')
    (True, False)
    """
    return _TAG in payload[: len(_TAG) + 1]


class ModelHealth:
    """Adds up what all workers tell of each version; says when one fails too often: above 20 and 5 % of its scores.

    >>> health = ModelHealth()
    >>> [health.take(ModelScores("churn", 1, scores, failures, 0)) for scores, failures in ((1_000, 45), (200, 16))]
    [None, (1200, 61)]
    """

    def __init__(self) -> None:
        self._counted: dict[tuple[str, int], tuple[int, int]] = {}

    def take(self, report: ModelScores) -> tuple[int, int] | None:
        """Take in a report; returns scores and failures when they are too many."""
        key = (report.name, report.version)
        scores, failures = self._counted.get(key, (0, 0))
        scores, failures = scores + report.scores, failures + report.failures
        fails = failures >= _AT_LEAST and failures > _MOST_SHARE * scores
        self._counted[key] = (0, 0) if scores >= _WINDOW and not fails else (scores, failures)
        return (scores, failures) if fails else None


def without(history: History, name: str, version: int, why: str, *, at: int, now: int) -> Release | None:
    """Return the release that takes a version out of force at `at` (ms, event time), None when it is not in force.

    A challenger leaves the shadow, others stay. For a champion the one before it comes back; what the job itself took
    out of force does not. Where there is none, the model has no version. The definitions stay. `now` (ms) is the wall
    clock's time.
    """
    current = history.current
    if current is None:
        return None
    if _version(champions(current.models), name) == version:
        champion = _champion_before(history, current, name)
        others = tuple(each for each in current.models if each.challenger or each.name != name)
        models = others if champion is None else with_champion(current.models, champion)
        shadow = current.shadow
        becomes = "no version scores" if champion is None else f"back to {champion.label}"
    elif _version(challengers(current.models), name) == version:
        models = tuple(each for each in current.models if not (each.challenger and each.name == name))
        tried = challengers(models)
        shadow = pinned(current.definitions, tried) if tried else None
        becomes = "withdrawn"
    else:
        return None
    return history.following(
        "rollback",
        current.definitions,
        effective_at=at,
        shadow=shadow,
        released_at=now,
        by=BY_ITSELF,
        note=f"{name}:{version} {why}: {becomes}",
        models=models,
    )


class TakenOut(NamedTuple):
    """A version that the job took out of force, or out of the shadow, by itself: `release` says when and how often.

    `detail` is the first failure, in a worker's words; an empty text where nobody remembers it.
    """

    name: str
    version: int
    release: Release
    detail: str = ""

    @property
    def key(self) -> str:
        """Return what tells this event from all others, those of a control topic that was made anew too."""
        return f"{self.name}:{self.version} {self.release.number} {self.release.released_at}"

    @property
    def why(self) -> str:
        """Return how often it failed, what scores now, and the end of the first failure.

        >>> back = Release(7, 0, "", note="churn:4 failed for 42 of 310 scores: back to churn:3")
        >>> TakenOut("churn", 4, back, "Traceback: ..." + chr(10) + "ValueError: nan").why
        'failed for 42 of 310 scores: back to churn:3; the first failure: ValueError: nan'
        """
        lines = self.detail.strip().splitlines()
        first = f"; the first failure: {lines[-1].strip()}" if lines else ""
        return self.release.note.removeprefix(f"{self.name}:{self.version} ") + first


def taken_out(history: History, said: Iterable[Audit | None] = ()) -> list[TakenOut]:
    """Return what the job ever took out of force by itself, oldest first; `said` are records of the audit topic.

    >>> bad, job = ModelVersion("churn", 2, "classify", {}, "", ""), {"action": "rollback", "by": BY_ITSELF}
    >>> history = History([Release(1, 0, "", models=(bad,)), Release(2, 5, "", **job)])
    >>> [(each.version, each.detail) for each in taken_out(history, [ModelFailed("churn", 2, 50, 20, "nan", 9, 2)])]
    [(2, 'nan')]
    """
    details = {(each.name, each.version, each.release): each.detail for each in said if isinstance(each, ModelFailed)}
    return [
        TakenOut(name, version, release, details.get((name, version, release.number), ""))
        for name, version, release in _taken_out(history)
    ]


def failed_versions(history: History) -> dict[tuple[str, int], Release]:
    """Return by name and number the versions that the job took out of force by itself, with the release that did.

    >>> bad = ModelVersion("churn", 2, "classify", {}, "", "")
    >>> history = History([Release(1, 0, "", models=(bad,)), Release(2, 5, "", action="rollback", by=BY_ITSELF)])
    >>> list(failed_versions(history))
    [('churn', 2)]
    """
    return {(name, version): release for name, version, release in _taken_out(history)}


def _taken_out(history: History) -> Iterator[tuple[str, int, Release]]:
    before: Versions = ()
    for release in history.followed:
        if isinstance(release, Release):
            if release.by == BY_ITSELF and release.action == "rollback":
                left = {(each.name, each.version) for each in release.models}
                gone = dict.fromkeys((each.name, each.version) for each in before)
                yield from ((*key, release) for key in gone if key not in left)
            before = release.models


def before_without_failed(history: History, release: Release) -> Release | None:
    """Return the release that a rollback goes back to: the newest before with other definitions or models.

    One is passed over that would put a version in force which the job took out by itself.
    """
    failed = failed_versions(history).keys() - _in_force(release)
    found = history.before(release)
    while found is not None and failed & _in_force(found):
        found = history.before(release, older_than=found.number)
    return found


def _in_force(release: Release) -> set[tuple[str, int]]:
    return {(each.name, each.version) for each in champions(release.models).values()}


def _champion_before(history: History, current: Release, name: str) -> ModelVersion | None:
    bad = {(name, _version(champions(current.models), name)), *failed_versions(history)}
    for release in reversed(history.releases):
        known = champions(release.models).get(name)
        if known is not None and (name, known.version) not in bad and release.number not in history.refused:
            return known
    return None


def _version(versions: dict[str, ModelVersion], name: str) -> int | None:
    return versions[name].version if name in versions else None
