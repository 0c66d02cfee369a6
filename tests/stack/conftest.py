"""The order of the tests on the stack: files that take long come first, so that no stack is left waiting at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONGEST_FIRST = (
    "test_chaos.py",
    "test_upgrade.py",
    "test_golden.py",
    "test_release.py",
    "test_secured.py",
    "test_outages.py",
    "test_same_answer.py",
    "test_backfill.py",
    "test_models.py",
    "test_live.py",
    "test_rebuild.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file only: the tests of one keep their order."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    folder, name = item.path.parent, item.path.name
    return LONGEST_FIRST.index(name) if folder == HERE and name in LONGEST_FIRST else len(LONGEST_FIRST)
