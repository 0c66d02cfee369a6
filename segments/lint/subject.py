"""What the rules look at: a definitions file, its lines, its conditions' formulas, recorded events if given."""

from __future__ import annotations

from functools import cached_property

from segments.definitions.model import Definitions
from segments.definitions.yaml_source import Path, YamlSource
from segments.lint.findings import CODES, Finding
from segments.lint.recorded import Recorded
from segments.lint.translate import Translator


class Subject:
    """One file under examination."""

    def __init__(self, definitions: Definitions, yaml: YamlSource, recorded: Recorded | None = None) -> None:
        self.definitions = definitions
        self.options = definitions.lint
        self.segments = list(enumerate(definitions.segments))
        self.recorded = recorded
        self._yaml = yaml

    @cached_property
    def formulas(self) -> Translator:
        """The formulas of all conditions."""
        by_name = {segment.name: segment for segment in self.definitions.segments}
        return Translator(by_name, self.definitions.properties)

    def finding(self, code: str, path: Path, message: str, advice: str) -> Finding:
        """Return a finding at a place in the file; the place says which segment it is about."""
        inside = len(path) > 1 and path[0] == "segments" and isinstance(path[1], int)
        segment = self.definitions.segments[int(path[1])].name if inside else None
        return Finding(code, CODES[code].severity, segment, self._yaml.name, self.line_of(path), message, advice)

    def about(self, code: str, index: int, message: str, advice: str) -> Finding:
        """Return a finding about a whole segment."""
        return self.finding(code, ("segments", index, "name"), message, advice)

    def line_of(self, path: Path) -> int:
        """Return the line of a place in the file."""
        return self._yaml.line_of(path)
