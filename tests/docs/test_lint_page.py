"""docs/lint.md has every code with its severity, and every option with its default."""

import re

import yaml

from segments.definitions.hygiene import LintOptions
from segments.lint import CODES, Finding, LintReport
from tests.docs.pages import page


def test_every_code_has_its_row() -> None:
    rows = dict(re.findall(r"^\| `(S\d{3})` \| (\w+) \|", page("docs/lint.md").text, re.MULTILINE))
    assert rows == {code: about.severity for code, about in CODES.items()}


def test_limits_are_shown_with_their_defaults() -> None:
    shown = yaml.safe_load(page("docs/lint.md").blocks("yaml")[0])["lint"]
    assert shown == LintOptions().model_dump()


def test_every_field_of_the_report_is_named() -> None:
    fields = {*LintReport.__struct_fields__, *Finding.__struct_fields__}
    assert fields <= set(page("docs/lint.md").spans())
