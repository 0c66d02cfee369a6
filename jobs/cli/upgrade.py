"""`segments upgrade`, `segments rescale` and `segments resume`: a job goes on from its state as something else."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from jobs.cli.cluster import Cluster, FlinkHomeOption, JobOption, TargetOption, find_cluster, running_jobs, the_job
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import ROOT, DefinitionsOption, SettingsOption
from jobs.cli.local_stack import RunOption
from jobs.cli.move_inputs import as_it_becomes, as_it_runs, missing_topics, settings_path, tell
from jobs.cli.savepoint import (
    DryRunOption,
    FolderOption,
    Form,
    FormOption,
    ManifestOption,
    TimeoutOption,
    as_format,
    described,
    manifest_for,
    note_manifest,
)
from jobs.cli.submit import ParallelismOption, Submission
from jobs.compatibility import Finding, compare, compare_metadata, compare_slots
from jobs.facts import JobFacts, installed
from jobs.installations import CURRENT, InstallationError, find_installation, this_installation, without_code
from jobs.moving import TIMEOUT, MoveError, Mover, NotUp, Stop
from jobs.savepoints import SavepointError, manifest_of, operators_of, read_manifest
from jobs.stack.flink_rest import JobEntry
from jobs.stack.layout import DEFAULT_RUN
from jobs.stack.signals import exit_on_signals

OnDemandOption = Annotated[
    bool, typer.Option("--slots-on-demand", help="Flink starts TaskManagers when needed: do not count free slots.")
]


@dataclass(frozen=True)
class _Move:
    """A job that runs, and what it takes to move it."""

    cluster: Cluster
    job: JobEntry
    facts: JobFacts | None
    parallelism: int
    form: Form
    folder: str | None
    manifest: Path | None
    timeout: float


@for_people()
def upgrade(
    context: typer.Context,
    to: Annotated[
        str, typer.Option(help="The version: its virtual environment, wheel or checkout; or `current`, this one.")
    ] = CURRENT,
    settings: SettingsOption = None,
    definitions: DefinitionsOption = None,
    parallelism: Annotated[
        int | None, typer.Option(min=1, help="Parallel subtasks.", show_default="as many as run now")
    ] = None,
    folder: FolderOption = None,
    form: FormOption = Form.canonical,
    manifest: ManifestOption = None,
    job: JobOption = None,
    target: TargetOption = None,
    flink_home: FlinkHomeOption = None,
    timeout: TimeoutOption = TIMEOUT,
    slots_on_demand: OnDemandOption = False,
    dry_run: DryRunOption = False,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Move the running job to another version, or to changed settings: savepoint, stop, start, and see that it runs.

    Everything is checked before it is stopped. When the new job does not come up, the old one is started again from
    the same savepoint. What follows `--` goes to `flink run`.

    Example: segments upgrade --to /opt/flink-segments-2 --dry-run

    Exit codes: 0 the new job runs and has completed a checkpoint, 1 it does not (the text says what runs now), 2 it
    cannot go on from this state or the input is wrong, and nothing was changed.
    """
    exit_on_signals()
    with _scratch() as scratch:
        version = find_installation(to, this_installation(ROOT), scratch)
        move = _found(find_cluster(target, flink_home, run, starts=True), job, form, folder, manifest, timeout)
        wanted = parallelism or move.parallelism
        path, overrides = settings_path(settings), move.cluster.overrides
        old = as_it_runs(move.facts, path, overrides, scratch, parallelism=move.parallelism)
        new = as_it_becomes(version, path, definitions, overrides, scratch, parallelism=wanted, known=old.settings)
        typer.echo(f"becomes version {new.installed.version} ({version.name}), parallelism {wanted}")
        findings = _state(move, lambda facts: compare(facts, new.installed, new.settings, as_format(form)))
        findings += _room(move, wanted, on_demand=slots_on_demand)
        if move.cluster.stack is None:
            findings += missing_topics(new.settings, old.settings)
        tell(findings)
        code = context.args if version.name == CURRENT else without_code(context.args)
        _go(move, (new.submission, code), (old, context.args), dry_run=dry_run)


@for_people()
def rescale(
    context: typer.Context,
    parallelism: Annotated[int, typer.Argument(min=1, metavar="N", help="How many subtasks are to run.")],
    settings: SettingsOption = None,
    folder: FolderOption = None,
    form: FormOption = Form.canonical,
    manifest: ManifestOption = None,
    job: JobOption = None,
    target: TargetOption = None,
    flink_home: FlinkHomeOption = None,
    timeout: TimeoutOption = TIMEOUT,
    slots_on_demand: OnDemandOption = False,
    dry_run: DryRunOption = False,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Let the running job go on with N parallel subtasks: savepoint, stop, start, and see that it runs.

    Nothing else changes: it keeps its own settings and the definitions released last, whatever the files say by now.
    Only secrets come from the settings file. N is at most flink.shards.

    Example: segments rescale 4

    Exit codes: as of `segments upgrade`.
    """
    exit_on_signals()
    with _scratch() as scratch:
        move = _found(find_cluster(target, flink_home, run, starts=True), job, form, folder, manifest, timeout)
        if parallelism == move.parallelism:
            raise BadInput(f"it runs with parallelism {parallelism} already: nothing was changed")
        shards = move.cluster.rest.max_parallelism(move.job.id)
        if parallelism > shards:
            raise BadInput(
                f"its state has {shards} shards, so at most {shards} subtasks can share it, not {parallelism}: nothing"
                " was changed (more shards need the state to be built anew: docs/operations.md)"
            )
        path, overrides = settings_path(settings), move.cluster.overrides
        old, new = (
            as_it_runs(move.facts, path, overrides, scratch, parallelism=number)
            for number in (move.parallelism, parallelism)
        )
        typer.echo(f"becomes parallelism {parallelism}")
        findings = _state(move, lambda facts: compare(facts, installed(), facts.settings))
        tell([*findings, *_room(move, parallelism, on_demand=slots_on_demand)])
        _go(move, (new, context.args), (old, context.args), dry_run=dry_run)


@for_people()
def resume(
    context: typer.Context,
    savepoint: Annotated[str, typer.Argument(help="Address of a savepoint, or of a checkpoint that was kept.")],
    settings: SettingsOption = None,
    definitions: DefinitionsOption = None,
    parallelism: ParallelismOption = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="The savepoint's manifest.", show_default="beside the savepoint")
    ] = None,
    target: TargetOption = None,
    flink_home: FlinkHomeOption = None,
    timeout: TimeoutOption = TIMEOUT,
    slots_on_demand: OnDemandOption = False,
    dry_run: DryRunOption = False,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Start the job from a savepoint or a kept checkpoint: check that it fits, start, and see that it runs.

    Example: segments resume file:///savepoints/savepoint-4f2a

    Exit codes: 0 it runs and has completed a checkpoint, 1 it does not, 2 it cannot go on from this state or the input
    is wrong, and nothing was started.
    """
    exit_on_signals()
    with _scratch() as scratch:
        cluster = find_cluster(target, flink_home, run, starts=True)
        version = this_installation(ROOT)
        new = as_it_becomes(
            version, settings_path(settings), definitions, cluster.overrides, scratch, parallelism=parallelism
        )
        wanted = int(new.settings["flink.parallelism"])
        typer.echo(f"version {new.installed.version}, parallelism {wanted}, from {savepoint}")
        tell(
            [
                *_alone(cluster, new.settings),
                *_of_savepoint(savepoint, manifest, new.settings),
                *compare_slots(wanted, cluster.rest.free_slots(), 0, on_demand=slots_on_demand),
            ]
        )
        if dry_run:
            typer.echo("dry run: nothing was started")
            return
        mover = Mover(cluster.rest, typer.echo, timeout)
        started = mover.start(_starter(cluster, new.submission, context.args), savepoint)
        typer.echo(f"runs as {started}")


@contextmanager
def _scratch() -> Iterator[Path]:
    """Lend a folder for what a start needs, and turn what goes wrong into words and an exit code."""
    with TemporaryDirectory(prefix="segments-") as folder:
        try:
            yield Path(folder)
        except (InstallationError, SavepointError) as error:
            raise BadInput(str(error)) from None
        except (MoveError, NotUp) as error:
            raise Failed(str(error)) from None


def _found(
    cluster: Cluster, job: str | None, form: Form, folder: str | None, manifest: Path | None, timeout: float
) -> _Move:
    """Return the job that is to be moved, having said what it is."""
    entry, facts = the_job(cluster.rest, job)
    parallelism = cluster.rest.parallelism(entry.id)
    typer.echo(described(cluster.rest, entry, facts, parallelism))
    return _Move(cluster, entry, facts, parallelism, form, folder, manifest, timeout)


def _state(move: _Move, compared: Callable[[JobFacts], list[Finding]]) -> list[Finding]:
    if move.facts is None:
        return [
            Finding(blocks=False, text="the job does not say what it is: Flink alone checks its state at the start")
        ]
    return compared(move.facts)


def _room(move: _Move, wanted: int, *, on_demand: bool) -> list[Finding]:
    return compare_slots(wanted, move.cluster.rest.free_slots(), move.parallelism, on_demand=on_demand)


def _go(move: _Move, new: tuple[Submission, list[str]], old: tuple[Submission, list[str]], *, dry_run: bool) -> None:
    """Stop, start, verify; in a dry run only say so."""
    if dry_run:
        typer.echo(f"dry run: it would be stopped behind a {move.form} savepoint and started from it; nothing was done")
        return
    mover = Mover(move.cluster.rest, typer.echo, move.timeout)
    savepoint = mover.stop(move.job, Stop(move.folder, as_format(move.form)))
    typer.echo(f"savepoint {savepoint}")
    try:
        note_manifest(manifest_for(savepoint, move.job, move.facts, move.parallelism, move.form), move.manifest)
        starters = [_starter(move.cluster, *each) for each in (new, old)]
        started = mover.move(savepoint, *starters, old_name="the old one")
    except KeyboardInterrupt:
        raise Failed(
            f"interrupted while the job was stopped. Its state is in {savepoint}: see what runs now at"
            f" {move.cluster.rest.url}, and if nothing does, `segments resume {savepoint}`"
        ) from None
    typer.echo(f"runs as {started}")


def _starter(cluster: Cluster, submission: Submission, extra: list[str]) -> Callable[[str], str]:
    return lambda savepoint: cluster.start(submission, ["--fromSavepoint", savepoint, *extra])


def _alone(cluster: Cluster, settings: Mapping[str, str]) -> list[Finding]:
    """Say which jobs run already that write the same topic: two of them would give every user two histories."""
    topic = settings.get("kafka.changes_topic")
    return [
        Finding(
            blocks=True,
            text=f"job {job.id} ({job.name}, {job.state}) writes the same topic: stop it first"
            " (segments savepoint --stop), or move it (segments upgrade)",
        )
        for job, facts in running_jobs(cluster.rest)
        if facts is None or facts.settings.get("kafka.changes_topic") == topic
    ]


def _of_savepoint(address: str, manifest: Path | None, settings: Mapping[str, str]) -> list[Finding]:
    """Return what its manifest says against this version and settings; without one, what Flink's metadata says."""
    found = read_manifest(manifest) if manifest is not None else manifest_of(address)
    if found is not None and found.facts is not None:
        return compare(found.facts, installed(), settings, found.form)
    try:
        return [
            Finding(blocks=False, text="it has no manifest: what Flink wrote into it was checked"),
            *compare_metadata(operators_of(address), installed(), settings),
        ]
    except SavepointError as error:
        if "://" in address and not address.startswith("file:"):
            return [Finding(blocks=False, text="it has no manifest here: Flink alone checks the state at the start")]
        raise BadInput(str(error)) from None
