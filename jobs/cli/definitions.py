"""`segments validate` and `segments schema`."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.cli.errors import for_people
from jobs.cli.inputs import budgeted_definitions
from segments.changes import changes_schema, memberships_schema
from segments.cost import cost_schema
from segments.definitions.schema import definitions_schema
from segments.explanation import explanation_schema
from segments.lint import lint_schema
from segments.models.loader import load_models
from segments.models.releasing import refuse_unknown
from segments.shadow_diff import shadow_comparison_schema


class Published(StrEnum):
    """What has a JSON Schema."""

    definitions = "definitions"
    changes = "changes"
    memberships = "memberships"
    lint = "lint"
    diff = "diff"
    cost = "cost"
    explanation = "explanation"


_SCHEMAS: dict[Published, Callable[[], dict[str, Any]]] = {
    Published.definitions: definitions_schema,
    Published.changes: changes_schema,
    Published.memberships: memberships_schema,
    Published.lint: lint_schema,
    Published.diff: shadow_comparison_schema,
    Published.cost: cost_schema,
    Published.explanation: explanation_schema,
}


@for_people()
def validate(file: Annotated[Path, typer.Argument(help="A segments.yaml.")]) -> None:
    """Check a definitions file and list every mistake with its file and line; models by a models.yaml beside it.

    Example: segments validate conf/segments.yaml

    Exit codes: 0 no mistakes, 2 mistakes or no such file.
    """
    definitions = budgeted_definitions(file)
    beside = file.parent / "models.yaml"
    if beside.is_file():
        refuse_unknown(definitions, load_models(beside), str(file), str(beside))
    count = len(definitions.segments)
    typer.echo(f"{file}: {count} segment{'' if count == 1 else 's'}, no mistakes")


@for_people()
def schema(of: Annotated[Published, typer.Argument(help="Whose schema.")] = Published.definitions) -> None:
    """Print a JSON Schema: of definitions files, records of an output topic, or what lint, cost and explain print.

    Example: segments schema changes > changes.schema.json
    """
    typer.echo(json.dumps(_SCHEMAS[of](), indent=2, ensure_ascii=False))
