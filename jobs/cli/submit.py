"""`segments submit`: check everything, then `flink run`."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import ROOT, DefinitionsOption, SettingsOption, budgeted_definitions, checked_settings
from jobs.cli.local_stack import RunOption
from jobs.cli.prefix import check_prefix
from jobs.settings import DEFAULT_PATH, Settings
from jobs.stack.flink_rest import FlinkRest
from jobs.stack.layout import DEFAULT_RUN

if TYPE_CHECKING:
    from jobs.stack.stack import Stack

PROGRAM = ROOT / "jobs" / "segmentation.py"
_TIMEOUT = 300.0  # seconds; uploading to a remote cluster takes its time
KAFKA, REDIS = "SEGMENTS__KAFKA__BOOTSTRAP_SERVERS", "SEGMENTS__REDIS__URL"

ParallelismOption = Annotated[
    int | None, typer.Option(min=1, help="Parallel subtasks.", show_default="flink.parallelism of the settings")
]
SavepointOption = Annotated[str | None, typer.Option(help="Start with the state of this savepoint.")]


@dataclass(frozen=True)
class Submission:
    """A job to be, checked: what `flink run` and the environment get."""

    settings: Settings
    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def prepare(
    settings_path: Path | None,
    definitions: Path | None,
    *,
    parallelism: int | None = None,
    bounded: bool = False,
    from_savepoint: str | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Submission:
    """Check settings and definitions and return what to submit; raises SettingsError, DefinitionErrors, OSError.

    `overrides` are environment variables that count unless the process has them too.
    """
    environment = {name: value for name, value in (overrides or {}).items() if name not in os.environ}
    if parallelism is not None:
        environment["SEGMENTS__FLINK__PARALLELISM"] = str(parallelism)
    if definitions is not None:
        environment["SEGMENTS__DEFINITIONS__PATH"] = str(definitions.resolve())
    path = settings_path or (DEFAULT_PATH if DEFAULT_PATH.is_file() else ROOT / DEFAULT_PATH)
    settings, _ = checked_settings(path, definitions, {**os.environ, **environment})
    budgeted_definitions(settings.definitions.path)
    savepoint = [] if from_savepoint is None else ["--fromSavepoint", from_savepoint]
    arguments = [*savepoint, "-py", str(PROGRAM), "--settings", str(path.resolve())]
    return Submission(settings, arguments + (["--bounded"] if bounded else []), environment)


def on_stack(stack: Stack, submission: Submission) -> str:
    """Create the topics that are missing, run the job on a local stack and return its id; raises StackError."""
    kafka = submission.settings.kafka
    if kafka.bootstrap_servers == stack.bootstrap_servers:
        stack.create_topics([*kafka.events_topics, *kafka.output_topics], compacted=[kafka.memberships_topic])
    return stack.submit(submission.arguments, submission.environment)


def attached(run: str) -> Stack:
    """Return the local stack of that name; raises StackError when it does not run."""
    from jobs.stack.stack import Stack

    return Stack.attach(ROOT, run)


def addresses(stack: Stack) -> dict[str, str]:
    """Return the overrides that make a job use the stack's own Kafka and Redis."""
    return {KAFKA: stack.bootstrap_servers, REDIS: stack.redis_url}


@for_people()
def submit(
    context: typer.Context,
    settings: SettingsOption = None,
    definitions: DefinitionsOption = None,
    parallelism: ParallelismOption = None,
    bounded: Annotated[bool, typer.Option("--bounded", help="Read what is in the topics now, then end.")] = False,
    from_savepoint: SavepointOption = None,
    flink_home: Annotated[Path | None, typer.Option(help="Use this Flink's bin/flink, not the local stack.")] = None,
    target: Annotated[str | None, typer.Option(help="The JobManager, host:port; with --flink-home.")] = None,
    show: Annotated[bool, typer.Option("--print", help="Print the command and its environment only.")] = False,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Check settings and definitions, then start the job with `flink run`: on the local stack, or on any cluster.

    What follows `--` goes to `flink run`, for example -pyfs, -pyarch or -D options.

    Example: segments submit --flink-home /opt/flink --target jobmanager:8081 -- -Dpipeline.name=segments

    Exit codes: 0 started, 1 Flink refused, 2 wrong settings or definitions (no job is started).
    """
    if target is not None and flink_home is None:
        raise BadInput("--target needs --flink-home: the Flink whose bin/flink is to be used")
    remote = flink_home is not None
    prepared = prepare(
        settings, definitions, parallelism=parallelism, bounded=bounded, from_savepoint=from_savepoint
    )  # mistakes in the files come before any question about clusters
    if not remote:
        from jobs.stack.stack import Stack

        stack = Stack.attach(ROOT, run)
        prepared = prepare(
            settings,
            definitions,
            parallelism=parallelism,
            bounded=bounded,
            from_savepoint=from_savepoint,
            overrides=addresses(stack),
        )
    arguments = [*context.args, *(["-m", target] if target else []), *prepared.arguments]
    if show:
        home = flink_home if flink_home is not None else stack.flink_home
        typer.echo(_shown(home, arguments, prepared.environment))
    elif flink_home is not None:
        if target is not None:
            check_prefix(FlinkRest(f"http://{target}"), prepared.settings)
        typer.echo(flink_run(flink_home, arguments, prepared.environment))
    else:
        check_prefix(stack.rest, prepared.settings)
        typer.echo(on_stack(stack, Submission(prepared.settings, arguments, prepared.environment)))


def _shown(home: Path, arguments: list[str], environment: Mapping[str, str]) -> str:
    variables = [f"{name}={value}" for name, value in environment.items()]
    return shlex.join([*variables, str(home / "bin" / "flink"), "run", "--detached", *arguments])


def flink_run(home: Path, arguments: list[str], environment: Mapping[str, str]) -> str:
    """Run `flink run --detached ARGUMENTS` and return what it says; raises BadInput, Failed with Flink's words."""
    command = [str(home / "bin" / "flink"), "run", "--detached", *arguments]
    if not Path(command[0]).is_file():
        raise BadInput(f"there is no {command[0]}: --flink-home is the folder of a Flink distribution")
    try:
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"flink run gave no answer in {_TIMEOUT:g} s: {shlex.join(command)}") from None
    if done.returncode:
        raise Failed(f"flink run failed (exit code {done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout.strip()
