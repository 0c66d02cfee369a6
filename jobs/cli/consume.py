"""`segments consume`: the changes on stdout, each once."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import SettingsOption, settings_only
from jobs.cli.submit import KAFKA, addresses, attached

if TYPE_CHECKING:
    from serving.consumer import SegmentChanges
    from serving.troubles import Trouble


@for_people()
def consume(
    group: Annotated[str, typer.Option(help="Who reads: members of one group divide the changes.")],
    store: Annotated[Path, typer.Option(help="A file that keeps what was handed out; its own for each member.")],
    settings: SettingsOption = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Kafka, host:port.", show_default="that of the settings")
    ] = None,
    idle: Annotated[
        float | None, typer.Option(min=0.1, help="End after so many seconds without a change.", show_default="never")
    ] = None,
    go_on: Annotated[bool, typer.Option("--go-on", help="Say gaps and unreadable records, and go on.")] = False,
    run: Annotated[str | None, typer.Option("--run", help="Use the Kafka of this local stack.")] = None,
) -> None:
    """Write the changes of the segment topic to stdout, one JSON a line, each once, also over restarts.

    Example: segments consume --group mailer --store mailer.seqs

    Exit codes: 0 ended by --idle or Ctrl-C, 1 a gap, an unreadable record or no answer, 2 wrong settings or store.
    """
    from kafka.errors import KafkaError

    from jobs.kafka_properties import consumer_options
    from serving.consumer import SegmentChanges
    from serving.seqs import SeqFile
    from serving.troubles import Reassigned, Recreated, Trouble, raise_trouble

    overrides = addresses(attached(run)) if run is not None else {}
    overrides |= {KAFKA: bootstrap_servers} if bootstrap_servers is not None else {}
    kafka = settings_only(settings, {**os.environ, **overrides}).kafka
    try:
        known = SeqFile(store)
    except ValueError as error:
        raise BadInput(str(error)) from None
    on_trouble: Callable[[Trouble], None] = _say if go_on else raise_trouble
    options = consumer_options(kafka.consumer_properties) | {"topic": kafka.changes_topic, "on_trouble": on_trouble}
    options.pop("isolation_level", None)  # this reads what is committed, whatever the job does
    try:
        with SegmentChanges(kafka.bootstrap_servers, group_id=group, store=known, **options) as changes:
            _write(changes, idle)
    except KeyboardInterrupt:
        return
    except (Trouble, Recreated, Reassigned, LookupError) as error:
        hint = "; --go-on goes on behind it" if isinstance(error, Trouble) else ""
        raise Failed(f"{error}{hint}") from None
    except KafkaError as error:
        raise Failed(f"Kafka at {kafka.bootstrap_servers} does not answer: {error}") from None
    finally:
        known.close()


def _write(changes: SegmentChanges, idle: float | None) -> None:
    from segments.changes import encode_change

    last = time.monotonic()
    while idle is None or time.monotonic() - last < idle:
        batch = changes.poll()
        if len(batch):
            sys.stdout.buffer.writelines(encode_change(change) + b"\n" for change in batch)
            sys.stdout.buffer.flush()
            changes.acknowledge(batch)
            last = time.monotonic()
        elif not changes.partitions:
            last = time.monotonic()  # the group is still being divided


def _say(trouble: Trouble) -> None:
    typer.echo(str(trouble), err=True)
