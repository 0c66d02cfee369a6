"""`segments demo`: the whole thing at work, on this machine, in about a minute."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import MappingOption

_SECONDS = 45


@for_people()
def demo(
    events: Annotated[Path | None, typer.Option(help="Play this file.", show_default="a simulated online shop")] = None,
    mapping: MappingOption = None,
    seconds: Annotated[int, typer.Option(min=1, max=3_600, help="How long to play.")] = _SECONDS,
    users: Annotated[int, typer.Option(min=10, help="How many shoppers are simulated.")] = 800,
    rate: Annotated[int, typer.Option(min=1, max=20_000, help="Events a second.")] = 2_500,
    attach: Annotated[str | None, typer.Option(hidden=True, help="Use this running stack.")] = None,
) -> None:
    """Start Kafka, Redis and Flink, play events, show users entering and leaving segments, and reconcile at the end.

    Weeks of event time pass in the seconds of the play. Everything that was started is ended.

    Example: segments demo --events events.csv.gz --mapping rees46

    Exit codes: 0 job output = replay = Redis, 1 not so, or something did not come up, 2 wrong input.
    """
    if events is None and mapping is not None:
        raise BadInput("--mapping says how to read a file: give --events FILE too")
    from redis import RedisError

    from jobs.demo.demo import DemoOptions, run_demo
    from jobs.player import PlayError
    from jobs.topics import TopicError

    try:
        code = run_demo(DemoOptions(events, mapping, seconds, users, rate, attach))
    except (PlayError, TopicError) as error:
        raise Failed(str(error)) from None
    except RedisError as error:
        raise Failed(f"Redis does not answer: {error}") from None
    raise typer.Exit(code)
