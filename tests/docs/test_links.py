"""Links lead somewhere, and files that a page names exist."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Page, pages

FOLDERS = ("segments", "scoring", "udfs", "jobs", "conf", "docs", "docker", "tests", "benchmarks")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*")
BUILT = "jobs/bridge/target"  # made by `make setup`
each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@each_page
def test_links_lead_somewhere(page: Page) -> None:
    assert [link for link in page.links() if not link.startswith("https://") and not leads_somewhere(page, link)] == []


def leads_somewhere(page: Page, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.path.parent / path).resolve() if path else page.path
    return target.exists() and ROOT in target.parents and (not anchor or anchor in Page(target).anchors())


@each_page
def test_named_files_exist(page: Page) -> None:
    named = [span for span in page.spans() if PATH.fullmatch(span) and not span.startswith(BUILT)]
    assert [span for span in named if not any(ROOT.glob(span.rstrip("/")))] == []


def test_linked_files_are_in_the_repository() -> None:
    command = ["git", "ls-files", "--others", "--cached", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    known = {ROOT / name for name in listed.stdout.splitlines()}
    folders = {folder for file in known for folder in file.parents}
    linked = {(page.path.parent / link.partition("#")[0]).resolve() for page in pages() for link in page.links()}
    inside = {path for path in linked if ROOT in path.parents and path.exists()}
    assert inside - known - folders == set()


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link).resolve() for link in Page(ROOT / "README.md").links()}
    assert {Path(page.path) for page in pages() if page.path.parent.name == "docs"} <= linked
