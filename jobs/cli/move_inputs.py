"""What upgrade, rescale and resume start: the job as it runs, so that it can come back, and what it is to become."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from jobs.cli.errors import BadInput, Failed
from jobs.cli.inputs import ROOT, checked_settings
from jobs.cli.submit import PROGRAM, Submission, prepare
from jobs.compatibility import Finding, compare_topics
from jobs.facts import LOGINS, Installed, JobFacts, facts_of, installed, variables
from jobs.installations import Installation
from jobs.settings import DEFAULT_PATH, DefinitionsSettings, Settings, load_settings
from jobs.settings_source import read_source

_TOPICS = ("changes", "memberships", "dead_letters", "late_events")  # the others are created at a start


@dataclass(frozen=True)
class Becoming:
    """A job that is to be started: what starts it, and what its version and settings say of themselves."""

    submission: Submission
    installed: Installed
    settings: Mapping[str, str]


def settings_path(path: Path | None) -> Path:
    """Return the settings file that a command reads."""
    return (path or (DEFAULT_PATH if DEFAULT_PATH.is_file() else ROOT / DEFAULT_PATH)).resolve()


def as_it_runs(
    facts: JobFacts | None, settings: Path, overrides: Mapping[str, str], scratch: Path, *, parallelism: int
) -> Submission:
    """Return what starts a running job as it is: its own settings, and the definitions that were released last.

    Only addresses and secrets that Flink does not show come from the settings file. A job that says nothing of itself
    gets the file as it is. Raises SettingsError, DefinitionErrors, OSError, Failed.
    """
    environment = {name: value for name, value in overrides.items() if name not in os.environ}
    if facts is not None:
        settings = _settings_file(facts, settings, environment, scratch / "running.yaml")
        environment |= variables(facts.settings)
    environment |= variables({"flink.parallelism": str(parallelism)})
    in_force = _definitions_in_force(load_settings(settings, {**os.environ, **environment}))
    if in_force is not None:
        (scratch / "in-force.yaml").write_text(in_force, encoding="utf-8")
        environment |= variables({"definitions.path": str(scratch / "in-force.yaml")})
    loaded, _ = checked_settings(settings, None, {**os.environ, **environment})
    return Submission(loaded, ["-py", str(PROGRAM), "--settings", str(settings)], environment)


def as_it_becomes(
    version: Installation,
    settings: Path,
    definitions: Path | None,
    overrides: Mapping[str, str],
    scratch: Path,
    *,
    parallelism: int | None,
    known: Settings | None = None,
) -> Becoming:
    """Return what starts a version with the settings file; raises what is wrong with it, or InstallationError.

    Another version may know settings that this one does not: `known` ones stand for them.
    """
    if known is None or not (version.travels or version.carries_python):
        own = prepare(settings, definitions, parallelism=parallelism, overrides=overrides)
        return Becoming(own, installed(), facts_of(own.settings).settings)
    environment = {name: value for name, value in overrides.items() if name not in os.environ}
    if parallelism is not None:
        environment |= variables({"flink.parallelism": str(parallelism)})
    if definitions is not None:
        environment |= variables({"definitions.path": str(definitions.resolve())})
    answer = version.ask(settings, {**os.environ, **environment}, definitions)
    arguments = [*version.arguments(scratch), "-py", str(version.program), "--settings", str(settings)]
    return Becoming(Submission(known, arguments, environment), answer.installed, answer.settings)


def missing_topics(wanted: Mapping[str, str], kafka_of: Settings) -> list[Finding]:
    """Return the topics that a start needs and that are missing; raises Failed when Kafka does not answer."""
    from jobs.topics import TopicError, existing_topics

    servers = str(yaml.safe_load(wanted["kafka.bootstrap_servers"]))
    needed = [*yaml.safe_load(wanted["kafka.events_topics"])]
    needed += [str(yaml.safe_load(wanted[f"kafka.{name}_topic"])) for name in _TOPICS]
    try:
        return compare_topics(needed, existing_topics(servers, kafka_of.kafka.consumer_properties), servers)
    except TopicError as error:
        raise Failed(str(error)) from None


def tell(findings: Iterable[Finding]) -> None:
    """Print what is to be known, and raise BadInput when something of it blocks."""
    listed = list(findings)
    for each in listed:
        if not each.blocks:
            typer.echo(f"  note: {each.text}")
    blocking = [each.text for each in listed if each.blocks]
    if blocking:
        raise BadInput("\n".join(["it cannot go on from this state, and nothing was changed:", *blocking]))


def _settings_file(facts: JobFacts, settings: Path, environment: Mapping[str, str], path: Path) -> Path:
    """Write the settings of a running job: its own, with the secrets of the settings file."""
    given = read_source(settings, {**os.environ, **environment}).values
    named = (given.get("definitions") or {}).get("path", DefinitionsSettings().path)
    values: dict[str, dict[str, Any]] = {"definitions": {"path": str(settings.parent / named)}}
    for section, _, key in (name.partition(".") for name in LOGINS):
        if key in (given.get(section) or {}):
            values.setdefault(section, {})[key] = given[section][key]
    for name, text in facts.settings.items():
        section, _, key = name.partition(".")
        values.setdefault(section, {})[key] = yaml.safe_load(text)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def _definitions_in_force(settings: Settings) -> str | None:
    """Return the definitions released last; None when none ever were; raises Failed."""
    from jobs.control_topic import read_history
    from jobs.topics import NoTopic, TopicError

    try:
        current = read_history(settings.kafka).current
    except NoTopic:
        return None
    except TopicError as error:
        raise Failed(str(error)) from None
    return None if current is None else current.definitions
