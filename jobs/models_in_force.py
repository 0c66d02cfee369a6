"""Which versions of a model score in the running job: those that `segments schedule` watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobs.control_topic import answers, read_history
from jobs.settings import KafkaSettings
from jobs.topics import TopicError
from segments.models.releasing import Versions, challengers, champions


class Watched(NamedTuple):
    """A version of a model, and in words why it is this one."""

    version: int
    why: str


@dataclass(frozen=True)
class InForce:
    """The versions that the newest release names; None where no job is known, and `trouble` says why."""

    versions: Versions | None
    trouble: str = ""

    def watched(self, name: str, registered: Sequence[int]) -> list[Watched]:
        """Return the champion and then the challenger of a model; where nothing of it scores, its newest version.

        >>> InForce(None, "no job").watched("churn_risk", [1, 2])
        [Watched(version=2, why='newest of the registry (no job)')]
        """
        scoring = self.versions or ()
        roles = ((champions(scoring), "in force"), (challengers(scoring), "challenger"))
        found = [Watched(known[name].version, why) for known, why in roles if name in known]
        if found or not registered:
            return found
        why = self.trouble or "none is in force in the job"
        return [Watched(registered[-1], f"newest of the registry ({why})")]


def models_in_force(kafka: KafkaSettings) -> InForce:
    """Return what scores in the job whose control topic this is; an unreachable one is an answer too."""
    servers, topic = kafka.bootstrap_servers, kafka.control_topic
    if not answers(kafka):
        return InForce(None, f"no job is known: Kafka at {servers} does not answer")
    try:
        current = read_history(kafka).current
    except TopicError as error:
        return InForce(None, f"no job is known: {error}")
    if current is None:
        return InForce(None, f"no job was started on '{topic}' at {servers}")
    return InForce(current.models)
