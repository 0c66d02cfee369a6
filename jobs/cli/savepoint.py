"""`segments savepoint`: the state of a running job made safe, with a manifest that says what it is."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.cluster import FlinkHomeOption, JobOption, TargetOption, find_cluster, the_job
from jobs.cli.errors import Failed, for_people
from jobs.cli.local_stack import RunOption
from jobs.facts import JobFacts
from jobs.moving import TIMEOUT, MoveError, Mover, Stop
from jobs.savepoints import Manifest, write_manifest
from jobs.stack.flink_rest import FlinkRest, JobEntry, SavepointFormat
from jobs.stack.layout import DEFAULT_RUN


class Form(StrEnum):
    """Of which kind a savepoint is."""

    canonical = "canonical"
    native = "native"


FormOption = Annotated[
    Form,
    typer.Option(help="canonical: any state backend reads it. native: faster for large state, the same backend only."),
]
FolderOption = Annotated[
    str | None, typer.Option("--folder", help="Where it goes, as Flink sees it.", show_default="the cluster's folder")
]
ManifestOption = Annotated[
    Path | None, typer.Option("--manifest", help="The manifest's file.", show_default="beside the savepoint")
]
TimeoutOption = Annotated[float, typer.Option(min=1, help="Seconds for each of stopping and starting.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would be done, do nothing.")]


def as_format(form: Form) -> SavepointFormat:
    """Return the format as Flink names it."""
    return "native" if form is Form.native else "canonical"


@for_people()
def savepoint(
    stop: Annotated[bool, typer.Option("--stop", help="Stop the job behind it.")] = False,
    folder: FolderOption = None,
    form: FormOption = Form.canonical,
    manifest: ManifestOption = None,
    job: JobOption = None,
    target: TargetOption = None,
    flink_home: FlinkHomeOption = None,
    timeout: TimeoutOption = TIMEOUT,
    dry_run: DryRunOption = False,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Take a savepoint of the running job and print its address; the job runs on, or stops behind it with --stop.

    A manifest beside it says which version, format and settings the state has: `segments resume` checks it.

    Example: segments savepoint --stop

    Exit codes: 0 taken, 1 Flink could not take it (the job goes on), 2 no job, or several.
    """
    cluster = find_cluster(target, flink_home, run, starts=False)
    entry, facts = the_job(cluster.rest, job)
    parallelism = cluster.rest.parallelism(entry.id)
    typer.echo(described(cluster.rest, entry, facts, parallelism), err=True)
    if dry_run:
        typer.echo(f"dry run: would take a {form} savepoint{' and stop the job' if stop else ''}; nothing was done")
        return
    taken = _take(cluster.rest, entry, Stop(folder, as_format(form)), timeout, stop=stop)
    note_manifest(manifest_for(taken, entry, facts, parallelism, form), manifest)
    typer.echo(taken)


def described(rest: FlinkRest, job: JobEntry, facts: JobFacts | None, parallelism: int) -> str:
    """Return what runs, in one line."""
    version = "a version that does not say what it is" if facts is None else f"version {facts.version}"
    return f"{job.name} ({job.id}) at {rest.url}: {version}, parallelism {parallelism}"


def manifest_for(address: str, job: JobEntry, facts: JobFacts | None, parallelism: int, form: Form) -> Manifest:
    """Return the manifest of a savepoint that was just taken."""
    return Manifest(
        savepoint=address,
        taken_at=int(time.time() * 1_000),
        job=job.id,
        name=job.name,
        parallelism=parallelism,
        form=as_format(form),
        facts=facts,
    )


def note_manifest(manifest: Manifest, path: Path | None) -> None:
    """Write a manifest and say where; a place that cannot be written fails nothing, since the savepoint is there."""
    try:
        written = write_manifest(manifest, path)
    except OSError as error:
        typer.echo(f"no manifest was written: {error}", err=True)
        return
    if written is None:
        typer.echo("no manifest was written: the savepoint lies elsewhere; --manifest FILE keeps one here", err=True)
    else:
        typer.echo(f"manifest {written}", err=True)


def _take(rest: FlinkRest, job: JobEntry, how: Stop, timeout: float, *, stop: bool) -> str:
    if not stop:
        return rest.savepoint(job.id, folder=how.folder, form=how.form, timeout=timeout)
    try:
        return Mover(rest, lambda text: typer.echo(text, err=True), timeout).stop(job, how)
    except MoveError as error:
        raise Failed(str(error)) from None
