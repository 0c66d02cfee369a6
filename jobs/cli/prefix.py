"""Whether another running job has the transactional prefix of one that is to start."""

from __future__ import annotations

from jobs.cli.errors import BadInput
from jobs.facts import facts_of
from jobs.settings import Settings
from jobs.stack.flink_rest import FlinkRest

_PREFIX, _DELIVERY, _KAFKA = "kafka.transactional_id_prefix", "kafka.delivery", "kafka.bootstrap_servers"


def check_prefix(rest: FlinkRest, settings: Settings) -> None:
    """Raise BadInput when a job that runs there writes to the same Kafka with the same prefix; Failed without answer.

    Two such jobs abort each other's transactions. Jobs of other Flink clusters are not seen.
    """
    from jobs.cli.cluster import running_jobs  # noqa: PLC0415 - it imports what submits jobs

    if settings.kafka.delivery != "exactly_once":
        return
    wanted = facts_of(settings).settings
    for job, facts in running_jobs(rest):
        if facts is not None and all(
            facts.settings.get(key) == wanted.get(key) for key in (_PREFIX, _DELIVERY, _KAFKA)
        ):
            raise BadInput(
                f"job {job.id} ({job.name}, {job.state}) writes to {settings.kafka.bootstrap_servers} with"
                f" {_PREFIX} {settings.kafka.transactional_id_prefix} already, and two jobs of one prefix abort each"
                " other's transactions: give this one another prefix and a group_id of its own, or stop the other first"
            )
