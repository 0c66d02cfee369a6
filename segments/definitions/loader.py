"""From YAML text to checked definitions, or to every mistake in it."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from segments.definitions import model
from segments.definitions.basis import Model
from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.references import order_segments
from segments.definitions.yaml_source import YamlSource
from segments.local_time import zone

_SUGGESTED = 10
_SHOWN = 50  # of the names that are known
_LONGEST_NAME = 100  # of which a similar one is looked for
_PYDANTIC_STEPS = {"function-after", "function-before", "function-plain", "[key]"}


def load_definitions(path: str | Path) -> model.Definitions:
    """Read and check a `segments.yaml`; raises DefinitionErrors with every mistake, OSError when it cannot be read."""
    return parse_definitions(Path(path).read_text(encoding="utf-8"), str(path))


def parse_definitions(text: str, source: str = "<text>") -> model.Definitions:
    """Check a YAML text; raises DefinitionErrors with every mistake.

    >>> definitions = parse_definitions('''
    ... segments:
    ...   - name: shopper
    ...     when: {count: {event: Order Completed, within: 7d, gte: 1}}
    ... ''')
    >>> definitions.segments[0].name
    'shopper'
    """
    yaml = YamlSource(text, source)
    content = yaml.value if isinstance(yaml.value, dict) else {}
    problems = list(_name_problems(yaml, content))
    definitions = None
    try:
        definitions = model.Definitions.model_validate(content)
    except ValidationError as error:
        problems.extend(problem_of(yaml, details) for details in error.errors())
    timezone = content.get("timezone", "UTC")
    if isinstance(timezone, str) and zone(timezone) is None:
        hint = "write an IANA name such as Europe/Berlin"
        problems.append(Problem(source, yaml.line_of(("timezone",)), "timezone", f"'{timezone}' is no time zone", hint))
    if problems:
        raise DefinitionErrors(_without_repeats(problems))
    assert definitions is not None  # noqa: S101 - narrows the type: no problems means it was validated
    return definitions


def _without_repeats(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def problem_of(yaml: YamlSource, details: ErrorDetails, root: type[Model] = model.Definitions) -> Problem:
    """Return what is wrong in a YAML text that was to be a `root`, with its line and what to write instead."""
    path = tuple(step for step in details["loc"] if step not in _PYDANTIC_STEPS)
    shown = _shown(path)
    line = yaml.line_of(_yaml_path(path))
    if details["type"] == "extra_forbidden":
        unknown = str(path[-1])
        known = _known_fields(path[:-1], root)
        return Problem(yaml.name, line, _shown(path[:-1]), f"unknown field '{unknown}'", _suggest(unknown, known))
    if details["type"] == "missing":
        return Problem(yaml.name, line, _shown(path[:-1]), f"'{path[-1]}' is missing")
    message = details["msg"].removeprefix("Value error, ")
    given = details.get("input")
    if details["type"] != "value_error" and isinstance(given, str | int | float):
        message = f"{message}, not {given!r}"
    return Problem(yaml.name, line, shown, message)


def _yaml_path(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    return tuple({"not_": "not", "in_": "in"}.get(step, step) if isinstance(step, str) else step for step in path)


def _shown(path: tuple[str | int, ...]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _known_fields(path: tuple[str | int, ...], root: type[Model]) -> list[str]:
    """Names allowed at a path, found by walking the models the way the path goes."""
    kind: Any = root
    for step in path:
        if isinstance(step, int) or kind is None:
            continue
        fields = kind.model_fields
        field = fields.get(step) or next((f for f in fields.values() if f.alias == step), None)
        kind = _model_in(field.annotation) if field is not None else None
    return [] if kind is None else [field.alias or name for name, field in kind.model_fields.items()]


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_in(part))), None)


def _suggest(unknown: str, known: list[str]) -> str | None:
    close = difflib.get_close_matches(unknown, known, n=1, cutoff=0.6) if len(unknown) <= _LONGEST_NAME else []
    if close:
        return f"did you mean '{close[0]}'?"
    shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    return f"known here: {shown}" if known else None


def _name_problems(yaml: YamlSource, content: dict[str, Any]) -> Iterator[Problem]:
    """Duplicate names, references to nothing, cycles: found in the raw values, so that one run shows all mistakes."""
    segments = content.get("segments")
    if not isinstance(segments, list):
        return
    suggested = 0
    first_line: dict[str, int] = {}
    references: dict[str, list[tuple[str, int]]] = {}
    for index, segment in enumerate(segments):
        name = segment.get("name") if isinstance(segment, dict) else None
        if not isinstance(name, str):
            continue
        line = yaml.line_of(("segments", index, "name"))
        if name in first_line:
            hint = f"the first is in line {first_line[name]}; rename one"
            yield Problem(yaml.name, line, f"segments[{index}]", f"two segments are named '{name}'", hint)
        first_line.setdefault(name, line)
        references[name] = [*_parent(yaml, segment, index), *_references(yaml, segment, ("segments", index))]
    for name, targets in references.items():
        for target, line in targets:
            if target not in first_line:
                suggested += 1  # comparing many names with many takes minutes
                similar = _suggest(target, list(first_line)) if suggested <= _SUGGESTED else None
                yield Problem(yaml.name, line, name, f"no segment is named '{target}'", similar)
    _, cycle = order_segments({name: [target for target, _ in targets] for name, targets in references.items()})
    if cycle:
        line = first_line[cycle[0]]
        yield Problem(yaml.name, line, cycle[0], f"segments refer to each other in a circle: {' -> '.join(cycle)}")


def _parent(yaml: YamlSource, segment: dict[str, Any], index: int) -> Iterator[tuple[str, int]]:
    parent = segment.get("parent")
    if isinstance(parent, str):
        yield parent, yaml.line_of(("segments", index, "parent"))


def _references(yaml: YamlSource, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "segment" and isinstance(inner, str):
                yield inner, yaml.line_of((*path, key))
            else:
                yield from _references(yaml, inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(yaml, inner, (*path, index))
