"""Where a setting comes from: a line of the YAML file or a variable of the environment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from jobs.settings_secrets import read_secret
from jobs.settings_types import is_secret

PREFIX = "SEGMENTS__"
SEPARATOR = "__"
FROM_FILE = "_FILE"
MAY_HOLD_SECRETS = frozenset({"redis", "url", "client_properties", "consumer_properties", "producer_properties"})
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """The values as read, and the place of each."""

    path: Path
    values: dict[str, Any]
    places: Mapping[Keys, str]

    def place_of(self, keys: Keys) -> str:
        """Return `file:line` or the variable's name for the value at `keys`, or for the nearest section around it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.places:
                return self.places[keys[:length]]
        return str(self.path)

    def shown(self, keys: Keys) -> str:
        """Return the value at `keys` for an error message; secrets are masked."""
        if any(is_secret(key) or key in MAY_HOLD_SECRETS for key in keys):
            return "(not shown)"
        value: Any = self.values
        for key in keys:
            if isinstance(value, list) and key.isdigit():
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                return "nothing"
        return repr(value)

    def suggestion(self, keys: Keys, model: type[BaseModel]) -> str:
        """Return `; did you mean ...?` for a misspelt key, else the keys that exist there."""
        known = list(_fields(model, keys[:-1]))
        close = difflib.get_close_matches(keys[-1], known, n=1)
        return f"; did you mean '{close[0]}'?" if close else f"; known are: {', '.join(known)}"


def read_source(path: Path, environment: Mapping[str, str]) -> Source:
    """Read the file and lay the environment over it.

    Raises `OSError` when the file cannot be read and `ValueError` when it is no YAML mapping.
    """
    text = path.read_text(encoding="utf-8")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"not valid YAML{line}: {error.problem}") from None  # the cause would print values
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {error}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ValueError("expected sections such as 'kafka:' at the top")
    values = {key: {} if section is None else section for key, section in values.items()}
    places = _lines(path, root)
    for name in sorted(environment):
        if name.startswith(PREFIX) and not name.endswith(FROM_FILE):
            _override(values, places, name, name, environment[name])
        elif name.startswith(PREFIX):
            plain = name.removesuffix(FROM_FILE)
            if plain in environment:
                raise ValueError(f"environment variables {plain} and {name} are both set: keep one of them")
            try:
                _override(values, places, plain, name, read_secret(Path(environment[name])))
            except ValueError as error:
                raise ValueError(f"environment variable {name}: {error}") from None
    return Source(path, values, places)


def _override(values: dict[str, Any], places: dict[Keys, str], name: str, variable: str, text: str) -> None:
    """Set one value from a variable; its text is YAML, so `[a, b]` is a list; a secret stays as it is."""
    keys = tuple(part.lower() for part in name.removeprefix(PREFIX).split(SEPARATOR))
    section = values
    for key in keys[:-1]:
        inner = section.get(key)
        if not isinstance(inner, dict):
            inner = section[key] = {}
        section = inner
    section[keys[-1]] = text if is_secret(keys[-1]) or keys[-1] == "url" else _parse(text)
    place = f"environment variable {variable}"
    places[keys] = place
    for length in range(1, len(keys)):
        places.setdefault(keys[:length], place)


def _parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _lines(path: Path, node: yaml.Node | None, keys: Keys = ()) -> dict[Keys, str]:
    places: dict[Keys, str] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*keys, str(key.value))
            places[here] = f"{path}:{key.start_mark.line + 1}"
            places |= _lines(path, value, here)
    return places


def _fields(model: type[BaseModel], section: Keys) -> Mapping[str, object]:
    for key in section:
        inner = model.model_fields[key].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return {}
        model = inner
    return model.model_fields
