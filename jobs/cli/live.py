"""`segments reconcile --live` and `segments redis rebuild`: comparing and mending while the job runs."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.bars import bars
from jobs.cli.errors import FAILED, BadInput, Failed, for_people
from jobs.cli.inputs import SettingsOption, settings_only
from jobs.cli.submit import addresses, attached
from jobs.settings import Settings
from segments.inspection import Choice

if TYPE_CHECKING:
    from jobs.live.report import Found

_SHOWN = 20
RATE = 5_000
UsersOption = Annotated[
    str | None, typer.Option("--users", help="Only users whose ids lie in this range, both ends included: A..B.")
]
SliceOption = Annotated[str | None, typer.Option("--slice", help="Only part K of N of all users: 1/16.")]
RateOption = Annotated[int, typer.Option("--rate", min=1, help="Users a second: in Redis, and in each worker.")]


def choice_of(users: str | None, part: str | None) -> Choice:
    """Return the users that the options choose; raises BadInput.

    >>> choice_of("a..f", "2/16")
    Choice(slice=1, slices=16, first='a', last='f')
    """
    first, dots, last = (users or "..").partition("..")
    if not dots:
        raise BadInput(f"--users {users}: write a range of ids, A..B, or an end of it: A.. or ..B")
    match = re.fullmatch(r"(\d+)/(\d+)", part or "1/1")
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise BadInput(f"--slice {part}: write K/N with K from 1 to N, such as 1/16")
    return Choice(int(match[1]) - 1, int(match[2]), first or None, last or None)


def compare(
    settings: Settings, choice: Choice, rate: int, *, with_state: bool, repair: bool, mends_topic: bool = False
) -> Found:
    """Compare state (`with_state`), memberships topic and Redis; raises Failed when one of them does not answer.

    First the job writes to the topic what that lacks, with `mends_topic`; `repair` mends Redis by the topic.
    """
    import sqlite3

    import redis
    from kafka.errors import KafkaError

    from jobs.live.redis_side import RedisSide
    from jobs.live.report import Found
    from jobs.live.state import compare_state
    from jobs.live.told import no_room, told
    from jobs.live.topic_side import mend_topic
    from jobs.output_topics import check_memberships
    from jobs.redis_access import connected, said_by_redis
    from jobs.topics import TopicError

    found = Found()
    try:
        if repair or mends_topic:
            check_memberships(settings.kafka)  # of whom the topic says nothing is taken out of Redis
        with bars() as shown, told(settings, choice, shown.of_total("memberships topic")) as topic:
            typer.echo(f"{len(topic.table):,} users are in a segment, as the memberships topic says", err=True)
            if mends_topic:
                written, of = mend_topic(settings, topic, choice, rate, shown.of_total("written anew"))
                typer.echo(f"the job wrote {written:,} of {of:,} users to the memberships topic anew", err=True)
            if with_state:
                compare_state(settings, topic, choice, rate, found, shown.of_total("state"))
            if settings.redis.enabled:
                # a rebuild writes those too who have expired; to compare is to ask what Redis lacks by mistake
                expired_before = int(time.time() * 1_000) - settings.redis.ttl if with_state else 0
                with connected(settings.redis, socket_timeout=30.0) as client:
                    side = RedisSide(client, topic, settings, found, repair=repair, expired_before=expired_before)
                    side.compare(choice, rate, shown.of_total("Redis"))
    except (TopicError, LookupError, TimeoutError) as error:
        raise Failed(str(error)) from None
    except sqlite3.OperationalError as error:
        raise Failed(no_room(error)) from None
    except KafkaError as error:
        raise Failed(f"Kafka at {settings.kafka.bootstrap_servers} does not answer: {error}") from None
    except redis.RedisError as error:
        raise Failed(said_by_redis(settings.redis, error)) from None
    return found


def tell(found: Found, equal: str) -> None:
    """Say what was found; ends the command with exit code 1 where something differs and was not mended."""
    for user, text in list(found.texts.items())[:_SHOWN]:
        typer.echo(f"user {user}: {text}", err=True)
    differences, mended = found.counts["differences"], found.counts["mended"]
    shown = f", the first {_SHOWN} above" if differences > _SHOWN else ""
    said = ", ".join(f"{found.counts[name]:,} {name}" for name in ("users", "users in Redis") if found.counts[name])
    expired = found.counts["expired"]
    if expired:
        typer.echo(
            f"{expired:,} users are not in Redis any more: nothing has changed for them for longer than redis.ttl."
            " `segments redis rebuild` writes them again; a longer redis.ttl keeps them",
            err=True,
        )
    unclear = found.counts["not compared"]
    if unclear:
        typer.echo(
            f"{unclear:,} users moved all the time and are not compared ({', '.join(found.moving)}): ask again for them"
            " alone, with --users, or when there is less to do",
            err=True,
        )
    if differences == mended and not unclear:
        typer.echo(f"{said or 'no users'}: {equal}" + (f"; {mended:,} mended in Redis{shown}" if mended else ""))
        return
    typer.echo(f"{said}: {differences:,} differences{shown}" + (f", {mended:,} mended in Redis" if mended else ""))
    raise typer.Exit(FAILED)


redis_app = typer.Typer(no_args_is_help=True, help="What stands in Redis.")


@redis_app.command()
@for_people()
def rebuild(
    settings: SettingsOption = None,
    users: UsersOption = None,
    part: SliceOption = None,
    rate: RateOption = RATE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what differs and write nothing.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="Use Kafka and Redis of this local stack.")] = None,
) -> None:
    """Make Redis say what the compacted memberships topic says, beside the running job.

    Who is right is left alone, nobody is moved backwards, and who should not be there is taken out.

    Example: segments redis rebuild --rate 2000

    Exit codes: 0 Redis is right now, 1 something is not (with --dry-run: would be mended) or no answer, 2 wrong input.
    """
    choice = choice_of(users, part)
    overrides = addresses(attached(run)) if run is not None else {}
    job = settings_only(settings, {**os.environ, **overrides})
    if not job.redis.enabled:
        raise BadInput("redis.enabled is false in the settings: there is nothing to rebuild")
    found = compare(job, choice, rate, with_state=False, repair=not dry_run)
    tell(found, "Redis says what the memberships topic says")


def reconcile_live(settings: Settings, choice: Choice, rate: int, *, repair: bool, mends_topic: bool) -> None:
    """Compare the running job's state, the memberships topic and Redis, and say what differs; raises typer.Exit."""
    found = compare(settings, choice, rate, with_state=True, repair=repair, mends_topic=mends_topic)
    tell(found, "state = memberships topic" + (" = Redis" if settings.redis.enabled else ""))
