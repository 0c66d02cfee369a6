"""The mapping language: what a file in `conf/mappings/` may say, and everything that is wrong with one."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.yaml_source import YamlSource
from segments.local_time import zone

SHIPPED = Path(__file__).resolve().parents[2] / "conf" / "mappings"


class MappingError(ValueError):
    """A mapping that does not exist, or a file that the chosen mapping cannot read."""


def _known_zone(name: str) -> str:
    if zone(name) is None:
        raise ValueError(f"'{name}' is no time zone; write an IANA name such as Europe/London")
    return name


def _time_format(text: str) -> str:
    if text not in ("epoch_ms", "epoch_s", "iso") and "%" not in text:
        raise ValueError(f"'{text}' is none of epoch_ms, epoch_s, iso, and no format such as %Y-%m-%d %H:%M:%S")
    return text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Part):
    """A column's value as a property; `only` limits it to events of these names."""

    column: str
    type: Literal["string", "number", "integer"] = "string"
    only: tuple[str, ...] = ()


class TimeColumn(_Part):
    """When it happened: `epoch_ms`, `epoch_s`, `iso` or a strptime format, in `zone` where the text names none."""

    column: str
    format: Annotated[str, AfterValidator(_time_format)]
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"


class EventColumn(_Part):
    """The event's name by the column's value; `*` and `?` are wildcards, the first match counts, null skips the row."""

    column: str
    names: dict[str, str | None] = Field(min_length=1)


class Join(_Part):
    """Rows that follow each other with the same `by` are one event: a list of their products, and totals.

    A total is the sum over the rows of the product of its columns.
    """

    by: str
    into: str = "products"
    properties: dict[str, Column] = Field(min_length=1)
    totals: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}


class MappingModel(_Part):
    """One mapping file; `header` names the columns of CSV files that have no header line."""

    description: str = ""
    header: tuple[str, ...] = ()
    user: str
    time: TimeColumn
    event: EventColumn
    properties: dict[str, Column] = {}
    join: Join | None = None
    context: dict[str, Any] = {}

    def required_columns(self) -> tuple[str, ...]:
        """Return the columns without which no row can become an event."""
        joined = (self.join.by,) if self.join else ()
        return tuple(dict.fromkeys((self.user, self.time.column, self.event.column, *joined)))


def shipped_mappings() -> list[str]:
    """Return the names of the mappings in `conf/mappings/`."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_mapping(name: str) -> MappingModel:
    """Return a shipped mapping by name, or any by the path of its YAML file; raises MappingError, DefinitionErrors.

    >>> load_mapping("taobao").user
    'user_id'
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SHIPPED / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(shipped_mappings())
        close = difflib.get_close_matches(name, shipped_mappings(), 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise MappingError(f"there is no mapping '{name}'{hint} (known: {known}; or the path of a .yaml file)")
    return parse_mapping(path.read_text(encoding="utf-8"), str(path))


def parse_mapping(text: str, source: str = "<text>") -> MappingModel:
    """Check a YAML text; raises DefinitionErrors with every mistake and its line."""
    yaml = YamlSource(text, source)
    try:
        return MappingModel.model_validate(yaml.value if isinstance(yaml.value, dict) else {})
    except ValidationError as error:
        problems = [_problem(yaml, details["loc"], details["msg"]) for details in error.errors()]
        raise DefinitionErrors(problems) from None


def _problem(yaml: YamlSource, path: tuple[int | str, ...], message: str) -> Problem:
    text = message.removeprefix("Value error, ").replace("Extra inputs are not permitted", "unknown field")
    hint = None
    if text == "unknown field":
        fields = {name for part in (*_Part.__subclasses__(),) for name in part.model_fields}
        close = difflib.get_close_matches(str(path[-1]), sorted(fields), 1)
        hint = f"did you mean '{close[0]}'?" if close else None
    return Problem(yaml.name, yaml.line_of(path), ".".join(map(str, path)), text, hint)
