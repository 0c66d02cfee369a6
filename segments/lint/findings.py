"""What `segments lint` can find: its codes, and one finding as people and machines read it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Severity = Literal["error", "warning"]


class Code(msgspec.Struct, frozen=True):
    """One kind of finding; its severity and title never change meaning once published."""

    severity: Severity
    title: str
    recorded: bool = False  # found only with recorded events


CODES: dict[str, Code] = {
    "S101": Code("error", "never true"),
    "S102": Code("warning", "always true"),
    "S103": Code("warning", "a part can never hold"),
    "S104": Code("warning", "a part adds nothing"),
    "S105": Code("warning", "exit_when can never hold"),
    "S106": Code("warning", "a window longer than ten years"),
    "S107": Code("warning", "a selector that fits no event"),
    "S108": Code("warning", "a window longer than the retention"),
    "S201": Code("warning", "same as another segment"),
    "S202": Code("warning", "subsumed by another segment"),
    "S203": Code("error", "not exclusive"),
    "S301": Code("warning", "no owner"),
    "S302": Code("warning", "no description"),
    "S303": Code("warning", "a declared property is never read"),
    "S304": Code("warning", "a suppression without a finding"),
    "S305": Code("warning", "an event name like another one"),
    "S306": Code("warning", "an exclusive tag that nothing shares"),
    "S401": Code("warning", "large state"),
    "S501": Code("warning", "near-identical on recorded data", recorded=True),
    "S502": Code("warning", "subsumed on recorded data", recorded=True),
    "S503": Code("warning", "overlap on recorded data", recorded=True),
    "S504": Code("error", "not exclusive on recorded data", recorded=True),
    "S505": Code("warning", "too few users", recorded=True),
    "S506": Code("warning", "an event name that never occurs", recorded=True),
    "S507": Code("warning", "a property that never occurs", recorded=True),
    "S508": Code("warning", "more events than are kept", recorded=True),
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: where, what, and what to do; `segment` is None where it concerns the whole file."""

    code: str
    severity: Severity
    segment: str | None
    file: str
    line: int
    message: str
    advice: str

    def __str__(self) -> str:
        about = f"{self.segment}: " if self.segment else ""
        return f"{self.file}:{self.line}: {self.severity} {self.code}: {about}{self.message} ({self.advice})"


class LintReport(msgspec.Struct, frozen=True):
    """All findings about one file, how many were accepted in it, and how many recorded events and users were seen."""

    file: str
    findings: list[Finding]
    errors: int
    warnings: int
    accepted: int
    segments: int
    events: int | None = None
    users: int | None = None


def lint_schema() -> dict[str, Any]:
    """Return the JSON Schema of what `segments lint --format json` prints.

    >>> lint_schema()["$ref"]
    '#/$defs/LintReport'
    """
    return msgspec.json.schema(LintReport)
