"""`segments release`, `rollback`, `promote` and `withdraw`: what the running job is told."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.bars import bars
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import (
    SettingsOption,
    budgeted_definitions,
    checked_settings,
    instant_text,
    parse_instant,
)
from jobs.cli.release_model import proved, version_named
from jobs.cli.release_text import kept_already, scheduled, show
from jobs.cli.submit import KAFKA, addresses, attached
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption
from jobs.recording import default_workers
from jobs.settings import Settings
from segments.definitions import parse_definitions
from segments.lint import lint as examine
from segments.shadow import refuse_harm
from segments.shadow_names import names_of

if TYPE_CHECKING:
    from jobs.release import Progress
    from jobs.release_planning import Intent
    from segments.control import Release, ReleaseAction

_TIMEOUT_S = 300.0
_EARLIEST = 946_684_800_000  # the year 2000, before which no event is plausible

WhatArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE | model NAME VERSION]",
        help="A segments.yaml, or a version of a model.",
        show_default="the segments.yaml of the settings",
    ),
]
AtOption = Annotated[
    str | None,
    typer.Option(help="Take effect at this instant of event time: ISO 8601 or ms.", show_default="in 2 s"),
]
NoteOption = Annotated[str, typer.Option(help="Why; it stays in the history.")]
ByOption = Annotated[str | None, typer.Option(help="Who; it stays in the history.", show_default="$USER")]
WaitOption = Annotated[
    bool | None,
    typer.Option("--wait/--no-wait", help="Wait until all users are judged anew.", show_default="wait, unless --at"),
]
ServersOption = Annotated[str | None, typer.Option(help="Kafka, host:port.", show_default="that of the settings")]
StackOption = Annotated[str | None, typer.Option("--run", help="Use Kafka of this local stack.")]


@for_people()
def release(
    what: WhatArgument = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Evaluate it without anybody seeing it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it and show what differs only.")] = False,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    at: AtOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    wait: WaitOption = None,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Have the running job take new definitions, or a version of a model, with no restart; docs/release.md.

    Example: segments release conf/segments.yaml --note "carts are abandoned after 45 minutes"

    Example: segments release model churn_risk 3 --shadow

    Exit codes: 0 released (and all users judged), 1 no answer, a version that must not be released, or the job refused
    it, 2 wrong input, nothing changed.
    """
    from jobs.release_planning import Intent

    job = connected(settings, bootstrap_servers, run)
    action: ReleaseAction = "shadow" if shadow else "release"
    version, text = None, ""
    if what and what[0] == "model":
        with explained():
            version = proved(*version_named(what), models, registry, job)
    else:
        text = _checked_text(what or [], job.definitions.path)
    intent = Intent(action, text, version, at=_instant(at), by=by or getpass.getuser(), note=note)
    tell(job, intent, wait, dry_run=dry_run)


@for_people()
def rollback(
    to: Annotated[int | None, typer.Option(min=1, help="To this release.", show_default="the one before")] = None,
    at: AtOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    wait: WaitOption = None,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Release the definitions and models of an earlier release again.

    Example: segments rollback --to 3

    Exit codes: 0 released (and all users judged), 1 no answer, or the job refused it, 2 there is no such release.
    """
    from jobs.release_planning import Intent

    job = connected(settings, bootstrap_servers, run)
    tell(job, Intent("rollback", to=to, at=_instant(at), by=by or getpass.getuser(), note=note), wait)


@for_people()
def promote(
    at: AtOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    wait: WaitOption = None,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Make live what is in the shadow: only users whose membership differs see a change.

    Example: segments promote

    Exit codes: 0 released (and all users judged), 1 no answer, or the job refused it, 2 nothing is in the shadow.
    """
    from jobs.release_planning import Intent

    job = connected(settings, bootstrap_servers, run)
    tell(job, Intent("promote", at=_instant(at), by=by or getpass.getuser(), note=note), wait)


@for_people()
def withdraw(
    at: AtOption = None,
    note: NoteOption = "",
    by: ByOption = None,
    wait: WaitOption = None,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Take what is in the shadow away again.

    Example: segments withdraw --note "too many members"

    Exit codes: 0 released, 1 no answer, or the job refused it, 2 nothing is in the shadow.
    """
    from jobs.release_planning import Intent

    job = connected(settings, bootstrap_servers, run)
    tell(job, Intent("withdraw", at=_instant(at), by=by or getpass.getuser(), note=note), wait)


def connected(settings: Path | None, bootstrap_servers: str | None, run: str | None) -> Settings:
    """Return the settings of the job, with Kafka where the options say; raises SettingsError, StackError."""
    overrides = addresses(attached(run)) if run is not None else {}
    if bootstrap_servers is not None:
        overrides[KAFKA] = bootstrap_servers
    return checked_settings(settings, None, {**os.environ, **overrides})[0]


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong with the control topic into exit codes with a text."""
    from jobs.control_topic import TakenError
    from jobs.release import RefusedError
    from jobs.release_planning import ReleaseError
    from jobs.topics import TopicError

    try:
        yield
    except ReleaseError as error:
        raise BadInput(str(error)) from None
    except (TopicError, TakenError, RefusedError) as error:
        raise Failed(str(error)) from None


def tell(job: Settings, intent: Intent, wait: bool | None, *, dry_run: bool = False) -> None:
    """Write what is intended, say what it changes, and wait for the job; raises BadInput, Failed."""
    from jobs.release import plan_release, write_release

    with explained():
        before, planned, warnings = plan_release(job.kafka, intent)
        if planned.shadow is not None:
            live, shadow = parse_definitions(planned.definitions), parse_definitions(planned.shadow, "the shadow")
            refuse_harm(live, shadow, planned.models)
        show(before, planned)
        for warning in warnings:
            typer.echo(f"warning: {warning}", err=True)
        now = int(time.time() * 1_000)
        if (waiting := scheduled(before, planned, now)) is not None:
            typer.echo(waiting)
        if dry_run:
            typer.echo("nothing was released (--dry-run)")
            return
        write_release(job.kafka, planned)
        typer.echo(f"release {planned.number} takes effect at {instant_text(planned.effective_at)} UTC of event time")
        waits = wait if wait is not None else intent.at is None and waiting is None
        try:
            if waits:
                await_done(job, planned)
            _fill_in(job, before, planned, waits)
        except KeyboardInterrupt:
            typer.echo(
                f"release {planned.number} is written and goes on by itself; segments history says what is warming, "
                "and segments backfill completes it",
                err=True,
            )
            raise


def _checked_text(what: list[str], default: Path) -> str:
    """Return definitions; raises DefinitionErrors, BadInput when they are wrong, too large or contradict themselves."""
    if len(what) > 1:
        raise BadInput(f"give one FILE, or model NAME VERSION, not {' '.join(what)}")
    path = Path(what[0]) if what else default
    budgeted_definitions(path)
    text = path.read_text(encoding="utf-8")
    report = examine(text, str(path), None)
    errors = [str(finding) for finding in report.findings if finding.severity == "error"]
    if errors:
        raise BadInput("\n".join([*errors, "segments lint says more; nothing was released"]))
    return text


def _instant(at: str | None) -> int | None:
    """Return the instant (ms) of --at; raises BadInput, for seconds too: then the release would hold at once."""
    instant = None if at is None else parse_instant(at)
    if instant is not None and instant < _EARLIEST:
        raise BadInput(f"--at {at} is {instant_text(instant)} UTC: give milliseconds since 1970, or ISO 8601")
    return instant


def _fill_in(job: Settings, before: Release | None, planned: Release, now: bool) -> None:
    """Fill in what the release lacks, or say what does."""
    from jobs.backfill.job import pending
    from jobs.cli.backfill import fill_in
    from jobs.control_topic import read_history

    wanted = pending(read_history(job.kafka), job.plausibility)
    warming = wanted.backfill.warming if wanted is not None else ()
    if kept := [name for name in kept_already(before, planned) if name not in warming]:
        typer.echo(f"nothing to fill in, as profiles hold all that they read: {', '.join(kept)}")
    if wanted is None:
        return
    if now:
        fill_in(job, wanted, None, default_workers(), planned.by, wait=True)
    else:
        typer.echo(f"warming: {names_of(wanted.backfill.warming)}; segments backfill completes them, once it holds")


def await_done(job: Settings, planned: Release) -> None:
    """Wait until all users follow a release, and say what came of it; raises Failed, TopicError."""
    from jobs.release import await_release

    shards, started, known = job.flink.shards, time.monotonic(), 0
    with bars() as shown:
        advance = shown.add("users judged anew", shards)

        def on_progress(progress: Progress) -> None:
            nonlocal known
            advance(progress.shards - known)
            known = progress.shards

        done = await_release(job.kafka, planned, shards, _TIMEOUT_S, on_progress)
    if done is None:
        raise Failed(
            f"release {planned.number} is written, and {known} of {shards} shards are done after {_TIMEOUT_S:g} s: "
            "is the job running, and has event time passed the instant? It goes on by itself; segments history shows it"
        )
    typer.echo(f"{done.users:,} users judged, {done.changes:,} changes, {time.monotonic() - started:.1f} s")
    if done.failed:
        typer.echo(
            f"{done.failed:,} users could not follow it because of a bug and stay with the release before: "
            f"{job.kafka.dead_letters_topic} says which and why (reason failed_release)"
        )
