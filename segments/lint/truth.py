"""S101 to S105: conditions that are always or never true, and parts of them that change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from segments.definitions.model import Condition
from segments.definitions.yaml_source import Path
from segments.lint.findings import Finding
from segments.lint.formula import Formula
from segments.lint.places import children
from segments.lint.reasoning import satisfiable
from segments.lint.subject import Subject


def truth(subject: Subject) -> Iterator[Finding]:
    """Find segments that nobody or everybody is in, and parts of conditions that make no difference."""
    formulas = subject.formulas
    for index, segment in subject.segments:
        place: Path = ("segments", index)
        if not satisfiable(formulas.condition(segment.when)):
            yield _never(subject, segment.when, (*place, "when"))
        elif segment.parent and not satisfiable(formulas.condition(segment.when), formulas.member(segment.parent)):
            message = f"nobody can enter: when contradicts the parent, '{segment.parent}'"
            yield subject.finding("S101", (*place, "parent"), message, "mend one of the two, or drop the parent")
        elif not satisfiable(formulas.entry(segment)):
            message = "nobody can enter: whenever when holds, exit_when holds too"
            yield subject.finding("S101", (*place, "exit_when"), message, "leave a gap between the two")
        elif not satisfiable(formulas.member(segment.name, holds=False)):
            message = "it holds for every user, whatever they do"
            yield subject.finding("S102", (*place, "when"), message, "mend its bounds, or drop the segment")
        else:
            yield from _parts(subject, segment.when, (*place, "when"), ())
        if segment.exit_when is not None:
            if satisfiable(formulas.condition(segment.exit_when)):
                yield from _parts(subject, segment.exit_when, (*place, "exit_when"), ())
            else:
                message = "exit_when can never hold: nobody leaves by it"
                yield subject.finding("S105", (*place, "exit_when"), message, "mend its bounds, or drop it")


def _never(subject: Subject, condition: Condition, path: Path) -> Finding:
    """Say which two parts contradict each other, where two of them do."""
    formulas = subject.formulas
    inner = children(condition, path) if condition.all is not None else []
    for place, (part, where) in enumerate(inner):
        formula = formulas.condition(part)
        if not satisfiable(formula):
            return _never(subject, part, where)
        for other, there in inner[:place]:
            if not satisfiable(formula, formulas.condition(other)):
                message = f"it can never hold: this contradicts line {subject.line_of(there)}"
                return subject.finding("S101", where, message, "mend one of the two; any takes alternatives")
    return subject.finding("S101", path, "it can never hold", "mend its bounds")


def _parts(subject: Subject, condition: Condition, path: Path, given: tuple[Formula, ...]) -> Iterator[Finding]:
    """Look at each part of a condition, knowing what is `given` by the conditions around it."""
    formulas, is_all = subject.formulas, condition.all is not None
    if not is_all and condition.any is None:
        for part, where in children(condition, path):
            yield from _parts(subject, part, where, given)
        return
    kept = children(condition, path)
    for part, where in reversed(kept):  # of two equal parts the later one is too much
        others = [each for each in kept if each[1] != where]
        around = tuple(formulas.condition(each, holds=is_all) for each, _ in others)
        known = (*given, *around)
        if not is_all and not satisfiable(*given, formulas.condition(part)):
            kept = others
            yield subject.finding("S103", where, "this alternative can never hold", "mend its bounds, or drop it")
        elif part.segment is None and not satisfiable(*known, formulas.condition(part, holds=not is_all)):
            kept = others
            yield subject.finding("S104", where, _ADDS_NOTHING[is_all], "drop it")
        else:
            yield from _parts(subject, part, where, known)


_ADDS_NOTHING = {
    True: "it adds nothing: it holds whenever the rest of all does",
    False: "it adds nothing: whenever it holds, another alternative does",
}
