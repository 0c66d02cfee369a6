"""Which versions of a model score in the running job, and which failed there: what `segments schedule` goes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobs.audit_topic import all_audits
from jobs.control_topic import answers, read_history
from jobs.settings import KafkaSettings
from jobs.topics import TopicError
from segments.history import History
from segments.models.health import TakenOut, failed_versions, taken_out
from segments.models.released import ModelVersion
from segments.models.releasing import Versions, challengers, champions

IN_FORCE, CHALLENGER = "in force", "challenger"


class Watched(NamedTuple):
    """A version of a model, and in words why it is this one."""

    version: int
    why: str


@dataclass(frozen=True)
class InForce:
    """The versions that the newest release names, and by name and number those that the job took out by itself.

    Without `versions` no job is known, and `trouble` says why.
    """

    versions: Versions | None
    trouble: str = ""
    failed: frozenset[tuple[str, int]] = frozenset()

    def watched(self, name: str, registered: Sequence[int]) -> list[Watched]:
        """Return the champion and then the challenger of a model; where nothing of it scores, its newest version.

        >>> InForce(None, "no job").watched("churn_risk", [1, 2])
        [Watched(version=2, why='newest of the registry (no job)')]
        """
        found = [Watched(each.version, role) for role, each in self._scoring(name)]
        newest = self._newest(name, registered)
        return found or ([] if newest is None else [newest])

    def champion(self, name: str, registered: Sequence[int]) -> Watched | None:
        """Return the version that a new one must not fall behind: that in force, or else the newest that never failed.

        >>> InForce((), failed=frozenset({("churn_risk", 2)})).champion("churn_risk", [1, 2])
        Watched(version=1, why='newest of the registry that never failed (none is in force in the job)')
        """
        for role, each in self._scoring(name):
            if role == IN_FORCE:
                return Watched(each.version, role)
        return self._newest(name, registered)

    def role(self, name: str, version: int) -> str:
        """Say what a version does in the job, or that it failed there; nothing of one that never scored.

        >>> InForce((), failed=frozenset({("churn_risk", 2)})).role("churn_risk", 2)
        'failed'
        """
        roles = [role for role, each in self._scoring(name) if each.version == version]
        return roles[0] if roles else "failed" if (name, version) in self.failed else ""

    def _scoring(self, name: str) -> Iterator[tuple[str, ModelVersion]]:
        scoring = self.versions or ()
        for role, known in ((IN_FORCE, champions(scoring)), (CHALLENGER, challengers(scoring))):
            if name in known:
                yield role, known[name]

    def _newest(self, name: str, registered: Sequence[int]) -> Watched | None:
        fine = [version for version in registered if (name, version) not in self.failed]
        if not fine:
            return None
        why = self.trouble or "none is in force in the job"
        which = "newest of the registry" if len(fine) == len(registered) else "newest of the registry that never failed"
        return Watched(fine[-1], f"{which} ({why})")


class NoJob(RuntimeError):
    """No job is known; the text says why."""


def models_in_force(kafka: KafkaSettings) -> InForce:
    """Return what scores in the job whose control topic this is; an unreachable one is an answer too."""
    try:
        history = _history(kafka)
    except NoJob as error:
        return InForce(None, str(error))
    current = history.current
    return InForce(current.models if current else (), failed=frozenset(failed_versions(history)))


def taken_out_by_the_job(kafka: KafkaSettings) -> list[TakenOut]:
    """Return the versions that the job took out of force by itself, oldest first; raises NoJob, TopicError."""
    history = _history(kafka)
    return taken_out(history, all_audits(kafka)) if failed_versions(history) else []


def _history(kafka: KafkaSettings) -> History:
    """Return what the job was told, one release at least; raises NoJob."""
    servers, topic = kafka.bootstrap_servers, kafka.control_topic
    if not answers(kafka):
        raise NoJob(f"no job is known: Kafka at {servers} does not answer")
    try:
        history = read_history(kafka)
    except TopicError as error:
        raise NoJob(f"no job is known: {error}") from None
    if history.current is None:
        raise NoJob(f"no job was started on '{topic}' at {servers}")
    return history
