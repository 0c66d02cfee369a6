"""How commands print reports for programs."""

from __future__ import annotations

import sys
from enum import StrEnum

import msgspec

TABLE_WIDTH = 160  # of tables that programs read as well: the terminal's would break their lines


class ReportFormat(StrEnum):
    """How a report is printed."""

    text = "text"
    json = "json"


def print_json(report: msgspec.Struct) -> None:
    """Print a report as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
