"""`segments backfill`: recorded events fill in what the newest release lacks."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import getpass
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.bars import bars
from jobs.cli.errors import BadInput, for_people
from jobs.cli.inputs import MappingOption, SettingsOption, instant_text
from jobs.cli.release import ByOption, ServersOption, StackOption, WaitOption, await_done, connected, explained
from jobs.recording import default_workers
from jobs.settings import Settings
from segments.durations import format_duration
from segments.shadow_names import names_of

if TYPE_CHECKING:
    from jobs.backfill.job import Pending, Source
    from segments.control import Release

_LONGEST_WAIT_S = 60.0


@for_people()
def backfill(
    events: Annotated[
        Path | None, typer.Option(help="Recorded events: NDJSON or CSV, .gz or not.", show_default="the events topics")
    ] = None,
    mapping: MappingOption = None,
    by: ByOption = None,
    wait: WaitOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one a core")] = None,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Fill in from recorded events what the newest release lacks, so that its warming segments go live.

    `segments release` does this by itself; this is for when it was interrupted, or to read a file. It may be run again.

    Example: segments backfill --events history.ndjson.gz

    Exit codes: 0 done, or nothing was lacking, 1 Kafka or the job gave no answer, 2 wrong input.
    """
    from jobs.backfill.job import Source, pending
    from jobs.control_topic import read_history

    job = connected(settings, bootstrap_servers, run)
    with explained():
        history = read_history(job.kafka)
        wanted = pending(history, job.plausibility)
        if wanted is None:
            typer.echo(
                "nothing is lacking" if history.current is None else f"release {history.current.number} lacks nothing"
            )
            return
        source = None if events is None else Source(events, None, mapping)
        fill_in(job, wanted, source, workers or default_workers(), by or getpass.getuser(), wait is not False)


def fill_in(job: Settings, wanted: Pending, source: Source | None, workers: int, by: str, wait: bool) -> Release:
    """Run the side job and show its progress; `source` None reads the events topics. Raises BadInput, Failed."""
    from jobs.backfill.job import complete, hand_over, recorded

    names = names_of(wanted.backfill.warming)
    reach = "all recorded events" if wanted.backfill.reach is None else format_duration(wanted.backfill.reach)
    typer.echo(f"warming: {names}; read back from {instant_text(wanted.cut)}: {reach}")
    _await_cut(job, wanted)
    with ExitStack() as open_files, bars() as shown:
        found = source or open_files.enter_context(recorded(job, wanted, shown.of_total("events read")))
        filled = hand_over(job, wanted, found, workers, shown.add)
    if filled.since > wanted.first:
        typer.echo(
            f"no recorded event is older than {instant_text(filled.since)}: what was before is not counted", err=True
        )
    release = complete(job, wanted, filled, by)
    typer.echo(
        f"{filled.users:,} users handed over in {sum(filled.chunks)} chunks; release {release.number} completes"
        f" {names} at {instant_text(release.effective_at)} UTC of event time"
    )
    if wait:
        await_done(job, release)
    return release


def _await_cut(job: Settings, wanted: Pending) -> None:
    """Wait until the events before the release can have come; raises BadInput when that is long."""
    left = (wanted.cut + job.event_time.out_of_orderness) / 1_000 - time.time()
    if left > _LONGEST_WAIT_S:
        number, instant = wanted.release.number, instant_text(wanted.cut)
        raise BadInput(f"release {number} takes effect at {instant} UTC: run segments backfill then")
    if left > 0:
        time.sleep(left)
