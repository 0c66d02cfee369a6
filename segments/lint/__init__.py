"""Examination of definitions: what is contradictory, redundant, too large or unkempt, with file and line."""

from segments.lint.findings import CODES, Code, Finding, LintReport, Severity, lint_schema
from segments.lint.linter import RULES, lint
from segments.lint.recorded import Recorded

__all__ = ["CODES", "RULES", "Code", "Finding", "LintReport", "Recorded", "Severity", "lint", "lint_schema"]
