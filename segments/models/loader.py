"""From YAML text to checked models, or to every mistake in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.loader import problem_of
from segments.definitions.yaml_source import YamlSource
from segments.models.model import Models


def load_models(path: str | Path) -> Models:
    """Read and check a `models.yaml`; raises DefinitionErrors with every mistake, OSError when it cannot be read."""
    return parse_models(Path(path).read_text(encoding="utf-8"), str(path))


def parse_models(text: str, source: str = "<text>") -> Models:
    """Check a YAML text; raises DefinitionErrors with every mistake.

    >>> parse_models('''
    ... feature_sets: {visitor: {features: [{name: pages, count: {event: any, within: 7d}}]}}
    ... models: [{name: groups, features: visitor, cluster: {}}]
    ... ''').models[0].task
    'cluster'
    """
    yaml = YamlSource(text, source)
    content = yaml.value if isinstance(yaml.value, dict) else {}
    problems = list(_name_problems(yaml, content))
    try:
        models = Models.model_validate(content)
    except ValidationError as error:
        problems.extend(problem_of(yaml, details, Models) for details in error.errors())
        raise DefinitionErrors(list(dict.fromkeys(problems))) from None
    if problems:
        raise DefinitionErrors(problems)
    return models


def _name_problems(yaml: YamlSource, content: dict[str, Any]) -> Iterator[Problem]:
    """Models of one name, and feature sets that are not there."""
    models, sets = content.get("models"), content.get("feature_sets")
    known = sorted(sets) if isinstance(sets, dict) else []
    first_line: dict[str, int] = {}
    for index, model in enumerate(models if isinstance(models, list) else []):
        if not isinstance(model, dict):
            continue
        name, features = model.get("name"), model.get("features")
        line = yaml.line_of(("models", index, "name"))
        if isinstance(name, str):
            if name in first_line:
                hint = f"the first is in line {first_line[name]}; rename one"
                yield Problem(yaml.name, line, f"models[{index}]", f"two models are named '{name}'", hint)
            first_line.setdefault(name, line)
        if isinstance(features, str) and features not in known:
            close = difflib.get_close_matches(features, known, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known) or 'none'}"
            where = yaml.line_of(("models", index, "features"))
            yield Problem(yaml.name, where, f"models[{index}].features", f"no feature set is named '{features}'", hint)
