"""The documentation as the tests read it: pages, code spans, fenced blocks, links, tables."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FIRST_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """Fenced blocks in that language; an empty one names those without."""
        return [content for found, content in _FENCE.findall(self.text) if found == language]

    def prose(self) -> str:
        """The text without fenced blocks."""
        return _FENCE.sub("", self.text)

    def spans(self) -> list[str]:
        """What stands between single backticks."""
        return _SPAN.findall(self.prose())

    def links(self) -> list[str]:
        """Targets of links and pictures."""
        return _LINK.findall(self.prose())

    def anchors(self) -> set[str]:
        """What a link may name after `#`: headings as GitHub writes them."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(self.prose())}

    def first_cells(self) -> list[str]:
        """The code spans in the first column of all tables."""
        return [span for cell in _FIRST_CELL.findall(self.prose()) for span in _SPAN.findall(cell)]


def page(name: str) -> Page:
    """The page at a path from the project's root."""
    return Page(ROOT / name)


def pages() -> list[Page]:
    """All pages of the project."""
    return [Page(path) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])]
