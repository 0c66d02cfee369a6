"""`segments rebuild`: the state anew, from the events."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobs.cli.bars import bars
from jobs.cli.cluster import FlinkHomeOption, TargetOption, find_cluster, running_jobs
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import SettingsOption
from jobs.cli.live import RATE, RateOption, reconcile_live
from jobs.cli.local_stack import RunOption
from jobs.cli.submit import Submission, prepare
from jobs.facts import facts_of
from jobs.settings import Settings
from jobs.stack.flink_rest import FlinkRest, JobEntry
from jobs.stack.layout import DEFAULT_RUN
from segments.inspection import Choice

_GROUP, _KAFKA = "kafka.group_id", "kafka.bootstrap_servers"
_SHOWN = 8
_PATIENCE_S = 60.0


@for_people()
def rebuild(
    settings: SettingsOption = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Build from what Kafka still has, though the first events are gone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and start nothing.")] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Once the job runs: wait for it, and number changes on from what was told.")
    ] = False,
    rate: RateOption = RATE,
    target: TargetOption = None,
    flink_home: FlinkHomeOption = None,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Start the job with empty state at the first event, under all that it was ever told.

    For when state and savepoints are lost. What it publishes again has the numbers it had, and is left out by
    consumers and by Redis; with --partial it has other numbers, and needs other output topics. Stop the job first.
    Where events came late a user's numbers can be lower than they were: --finish, once it runs, has them go on from
    there, and then compares state, memberships topic and Redis, which it mends.

    Example: segments rebuild && segments rebuild --finish

    Exit codes: 0 started (finished), 1 Flink or Kafka refused, or something differs, 2 events are gone, a job runs, or
    wrong settings.
    """
    cluster = find_cluster(target, flink_home, run, starts=not finish)
    prepared = prepare(settings, None, overrides=cluster.overrides)
    if finish:
        if partial or dry_run:
            raise BadInput("--finish goes alone: it waits for the job that `segments rebuild` has started")
        _finish(prepared.settings, rate, cluster.rest)
        return
    _require_stopped(cluster.rest, prepared.settings)
    _require_events(prepared.settings, partial=partial)
    if dry_run:
        typer.echo("it can be rebuilt: nothing was started")
        return
    environment = prepared.environment | {"SEGMENTS__KAFKA__START_FROM": "earliest"}
    if os.environ.get("SEGMENTS__KAFKA__START_FROM", "earliest") != "earliest":
        raise BadInput("SEGMENTS__KAFKA__START_FROM is set in the environment: a rebuild starts at earliest, unset it")
    typer.echo(cluster.start(Submission(prepared.settings, [*prepared.arguments, "--rebuild"], environment)))
    _start_over(prepared.settings)


def _start_over(settings: Settings) -> None:
    from jobs.rebuild import start_over
    from jobs.topics import TopicError

    try:
        start_over(settings.kafka)
    except TopicError as error:
        raise Failed(
            f"the job is started, but what {_GROUP} {settings.kafka.group_id} had committed before could not be set"
            f" back: run `segments rebuild --finish` only when you have seen that it has caught up ({error})"
        ) from None


def _finish(settings: Settings, rate: int, rest: FlinkRest) -> None:
    """Wait until the job has caught up, have it number users on, and compare all; raises BadInput, Failed."""
    import sqlite3

    from jobs.live.numbering import number_on
    from jobs.live.told import no_room
    from jobs.rebuild import wait_until_read
    from jobs.topics import TopicError, TopicReader

    kafka, patience_s = settings.kafka, _PATIENCE_S + 3 * settings.flink.checkpoint_interval / 1_000
    job = _of_group(rest, settings)
    if job is None:
        raise BadInput(f"no job with {_GROUP} {kafka.group_id} runs there: `segments rebuild` starts it")
    try:
        with bars() as shown:
            wait_until_read(kafka, patience_s, shown.of_total("events"))
            with TopicReader(
                kafka.bootstrap_servers,
                [kafka.changes_topic],
                committed_only=kafka.delivery == "exactly_once",
                properties=kafka.consumer_properties,
            ) as reader:
                done, left = number_on(settings, reader, rate, shown.of_total("segment topic"), shown.of_total("state"))
    except TopicError as error:
        raise Failed(str(error)) from None
    except sqlite3.OperationalError as error:
        raise Failed(no_room(error)) from None
    if done:
        _await_checkpoint(rest, job, patience_s)
    typer.echo(f"the changes of {done:,} users go on from the numbers that were told before")
    if left:
        raise Failed(
            f"{left:,} users are still numbered below what was told of them: event time, or a release, is not there"
            " yet, or they change all the time. Ask again in a while, and before anybody relies on their changes"
        )
    reconcile_live(settings, Choice(), rate, repair=True, mends_topic=False)


def _require_events(settings: Settings, *, partial: bool) -> None:
    """Raise BadInput where events are gone: without `partial`, and with it where others know what was told before."""
    from redis import RedisError

    from jobs.rebuild import events_missing, told_before
    from jobs.redis_access import said_by_redis
    from jobs.topics import TopicError

    try:
        missing = events_missing(settings.kafka)
        told = told_before(settings) if missing and partial else []
    except TopicError as error:
        raise Failed(str(error)) from None
    except RedisError as error:
        raise Failed(said_by_redis(settings.redis, error)) from None
    if missing and not partial:
        shown = "\n".join(missing[:_SHOWN])
        raise BadInput(
            f"the events topics no longer reach back to their first event, so the state would differ:\n{shown}\n"
            "Resume from a savepoint or checkpoint (`segments resume`) if there is one; --partial builds from what is"
            " left, and users then count only that"
        )
    if told:
        raise BadInput(
            "built from part of the events, a state numbers each user's changes anew: consumers and Redis, who know the"
            " old numbers, would leave out what it says. These hold what was told before:\n" + "\n".join(told) + "\n"
            "Give other names (kafka.changes_topic, kafka.memberships_topic) and an empty Redis database (redis.url),"
            " or recreate these topics and flush the database. Consumers then need a new group and a new store"
        )


def _require_stopped(rest: FlinkRest, settings: Settings) -> None:
    job = _of_group(rest, settings)
    if job is not None:
        raise BadInput(
            f"job {job.id} ({job.name}, {job.state}) still runs with {_GROUP} {settings.kafka.group_id}: cancel it"
            " first, or both write the same topics"
        )


def _of_group(rest: FlinkRest, settings: Settings) -> JobEntry | None:
    """Return a job that has not ended, of the same consumer group, or that does not say of which."""
    wanted = facts_of(settings).settings
    for job, facts in running_jobs(rest):
        if facts is None or all(facts.settings.get(key) == wanted[key] for key in (_GROUP, _KAFKA)):
            return job
    return None


def _await_checkpoint(rest: FlinkRest, job: JobEntry, patience_s: float) -> None:
    """Return when a checkpoint that began after this call is complete: the second one from now."""
    from jobs.stack.waiting import WaitTimeoutError, wait_until

    try:
        before = rest.completed_checkpoints(job.id)
        wait_until(lambda: rest.completed_checkpoints(job.id) >= before + 2, patience_s, "two checkpoints")
    except (OSError, WaitTimeoutError) as error:
        raise Failed(f"the numbers are set, but in no checkpoint yet: run --finish again ({error})") from None
