"""`segments reconcile`: says whether job output = replay = Redis."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
from typing import Annotated

import typer

from jobs.cli.errors import FAILED, BadInput, Failed, for_people
from jobs.cli.inputs import ROOT, DefinitionsOption, SettingsOption, checked_settings, refuse_password, settings_only
from jobs.cli.live import RATE, RateOption, SliceOption, UsersOption, choice_of, reconcile_live
from jobs.cli.submit import KAFKA, REDIS, addresses

_SHOWN = 10
COUNTED = ("events", "changes", "users", "dead letters", "duplicates", "late", "redelivered")


@for_people()
def reconcile(
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Kafka, host:port.", show_default="that of the settings")
    ] = None,
    redis_url: Annotated[str | None, typer.Option(help="Redis.", show_default="that of the settings")] = None,
    bounded: Annotated[bool, typer.Option("--bounded", help="The job ran with --bounded and has ended.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="Use Kafka and Redis of this local stack.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the running job, under load, instead of replaying the events.")
    ] = False,
    users: UsersOption = None,
    part: SliceOption = None,
    rate: RateOption = RATE,
    repair: Annotated[bool, typer.Option("--repair", help="With --live: write to Redis what the topic says.")] = False,
    repair_topic: Annotated[
        bool,
        typer.Option(
            "--repair-topic", help="With --live: have the job write to the memberships topic what that lacks."
        ),
    ] = False,
) -> None:
    """Replay the events topic and compare with the changes, the memberships and Redis, per user and in order.

    For that the job should be at rest: no events are being produced, and it has read all there are. With --live it
    may be under load: what its state, the memberships topic and Redis say of the same users is compared.

    Example: segments reconcile --live --slice 1/16 --repair

    Exit codes: 0 all equal, 1 differences (the first are shown) or no answer, 2 wrong settings or definitions.
    """
    from redis import RedisError

    from jobs.control_topic import records_told
    from jobs.reconcile import reconcile_topics
    from jobs.redis_access import said_by_redis
    from jobs.stack.stack import Stack
    from jobs.topics import TopicError

    refuse_password(redis_url)
    overrides = addresses(Stack.attach(ROOT, run)) if run is not None else {}
    given = {KAFKA: bootstrap_servers, REDIS: redis_url}
    overrides |= {name: value for name, value in given.items() if value is not None}
    environment = {**os.environ, **overrides}
    if live:
        reconcile_live(
            settings_only(settings, environment), choice_of(users, part), rate, repair=repair, mends_topic=repair_topic
        )
        return
    if users or part or repair or repair_topic:
        raise BadInput("--users, --slice, --repair and --repair-topic belong to --live")
    job, checked = checked_settings(settings, definitions, environment)
    try:
        told = records_told(job.kafka) if definitions is None else []
        result = reconcile_topics(told or checked, job, bounded=bounded)
    except TopicError as error:
        raise Failed(str(error)) from None
    except RedisError as error:
        raise Failed(said_by_redis(job.redis, error)) from None
    typer.echo(", ".join(f"{result.counts[name]:,} {name}" for name in COUNTED))
    if result.equal:
        typer.echo("reconciled: job = replay = redis" if job.redis.enabled else "reconciled: job = replay")
        return
    for difference in result.differences[:_SHOWN]:
        typer.echo(str(difference), err=True)
    typer.echo(f"not reconciled: {len(result.differences):,} differences, the first {_SHOWN} above", err=True)
    raise typer.Exit(FAILED)
