"""`segments version`: what this installation is, for people and for another version's `segments upgrade`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from jobs.cli.errors import for_people
from jobs.facts import facts_of, installed
from jobs.settings import load_settings


class _Format(StrEnum):
    text = "text"
    json = "json"


@for_people()
def version(
    settings: Annotated[Path | None, typer.Option("--settings", help="Also say how a job would be set.")] = None,
    format_: Annotated[_Format, typer.Option("--format", help="For people or for programs.")] = _Format.text,
) -> None:
    """Say which version this is, which formats of profiles it reads and writes, and which operators have state.

    Example: segments version --format json
    """
    own = installed()
    said = {} if settings is None else facts_of(load_settings(settings)).settings
    if format_ == _Format.json:
        typer.echo(msgspec.json.format(msgspec.json.encode({"installed": own, "settings": said}), indent=2))
        return
    typer.echo(f"flink-segments {own.version}, for Flink {own.flink}")
    typer.echo(
        f"profiles   reads formats {own.reads_profiles[0]} to {own.reads_profiles[-1]}, writes {own.writes_profiles}"
    )
    typer.echo(f"operators  with state: {', '.join(own.stateful)}")
    for key, text in said.items():
        typer.echo(f"{key:<32} {text}")
