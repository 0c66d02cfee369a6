"""All rules over one file; what the file accepts is left out, and an acceptance without a finding is one itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from segments.definitions import parse_definitions
from segments.definitions.yaml_source import Path, YamlSource
from segments.lint.findings import CODES, Finding, LintReport
from segments.lint.recorded import Recorded
from segments.lint.recorded_rules import on_recorded
from segments.lint.relations import relations
from segments.lint.selecting import selecting
from segments.lint.state import state
from segments.lint.subject import Subject
from segments.lint.truth import truth
from segments.lint.upkeep import upkeep

Rule = Callable[[Subject], Iterable[Finding]]
RULES: tuple[Rule, ...] = (truth, selecting, relations, upkeep, state, on_recorded)


def lint(text: str, source: str = "<text>", recorded: Recorded | None = None) -> LintReport:
    """Examine a definitions file; raises DefinitionErrors where it cannot be read.

    >>> report = lint("segments: [{name: none, when: {count: {event: Order, within: 1d, lt: 0}}}]")
    >>> [(finding.code, finding.segment) for finding in report.findings]
    [('S101', 'none'), ('S301', 'none'), ('S302', 'none')]
    """
    definitions = parse_definitions(text, source)
    subject = Subject(definitions, YamlSource(text, source), recorded)
    found = [finding for rule in RULES for finding in rule(subject)]
    kept = [finding for finding in found if not _accepted(subject, finding)]
    kept += _idle_acceptances(subject, found)
    kept.sort(key=lambda finding: (finding.line, finding.code, finding.message))
    errors = sum(finding.severity == "error" for finding in kept)
    return LintReport(
        file=source,
        findings=kept,
        errors=errors,
        warnings=len(kept) - errors,
        accepted=sum(_accepted(subject, finding) for finding in found),
        segments=len(definitions.segments),
        events=None if recorded is None else recorded.events,
        users=None if recorded is None else recorded.users,
    )


def _accepted(subject: Subject, finding: Finding) -> bool:
    if finding.code in subject.options.ignore:
        return True
    return any(
        finding.segment == segment.name and finding.code in segment.lint.ignore for _, segment in subject.segments
    )


def _idle_acceptances(subject: Subject, found: Iterable[Finding]) -> Iterator[Finding]:
    everywhere = {finding.code for finding in found}
    yield from _idle(subject, subject.options.ignore, everywhere, ("lint", "ignore"))
    for index, segment in subject.segments:
        codes = {finding.code for finding in found if finding.segment == segment.name}
        yield from _idle(subject, segment.lint.ignore, codes, ("segments", index, "lint", "ignore"))


def _idle(subject: Subject, ignored: Mapping[str, str], codes: set[str], path: Path) -> Iterator[Finding]:
    for code in ignored:
        if code not in CODES:
            yield subject.finding("S304", (*path, code), f"there is no code {code}", "docs/lint.md lists them")
        elif code not in codes and not (CODES[code].recorded and subject.recorded is None):
            yield subject.finding("S304", (*path, code), f"{code} is accepted here, and not found", "drop it")
