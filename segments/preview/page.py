"""The preview as a page with plots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from segments.changes import Reason
from segments.html_page import html_page
from segments.preview.plot import plot
from segments.preview.report import History, MovedUser, Moves, Overlap, Preview, SegmentPreview

_STYLE = """
:root { --new: #0b66c3; --old: #c2571a; }
@media (prefers-color-scheme: dark) { :root { --new: #62aef7; --old: #f0965a; } }
p.quiet, h2 small { color: var(--quiet); font-weight: normal; }
caption { text-align: left; font-weight: 600; }
th, td { text-align: right; } th:first-child, td:first-child, td.text, th.text { text-align: left; }
th { color: var(--quiet); font-weight: 500; }
svg { width: 100%; max-width: 640px; font-size: 11px; fill: var(--quiet); }
polyline { fill: none; stroke-width: 2; } .grid { stroke: var(--line); }
.after { stroke: var(--new); } .before { stroke: var(--old); stroke-dasharray: 5 3; }
b.after { color: var(--new); } b.before { color: var(--old); }
""".strip()


def preview_page(preview: Preview, title: str) -> str:
    """Return the whole page as HTML."""
    body = "\n".join(_segment(preview, each) for each in preview.segments)
    unchanged = f"<p>Unchanged: {escape(', '.join(preview.unchanged))}.</p>" if preview.unchanged else ""
    whole = f"""<p>{preview.events.get("applied", 0):,} events of {preview.users:,} users,
{_instant(preview.first)} to {_instant(preview.last)} UTC.</p>
{_summary(preview)}
{unchanged}
{body}"""
    return html_page(title, whole, _STYLE)


def _summary(preview: Preview) -> str:
    rows = [
        [
            each.segment,
            each.status,
            _members(each.before),
            _members(each.after),
            f"+{each.enters.users:,}",
            f"-{each.leaves.users:,}",
        ]
        for each in preview.segments
    ]
    return _table("", ["segment", "", "members before", "after", "enter", "leave"], rows, texts=2)


def _segment(preview: Preview, each: SegmentPreview) -> str:
    through = f", through {each.through}" if each.through else ""
    return "\n".join(
        [
            f"<h2>{escape(each.segment)} <small>{each.status}{escape(through)}</small></h2>",
            '<p class="quiet">Members over time: <b class="before">before</b>, <b class="after">after</b></p>',
            plot(preview, each),
            _table("", ["", "members", "peak", "mean", "entered", "exited", "changes a day"], _histories(each)),
            _moves("would enter", each.enters),
            _moves("would leave", each.leaves),
            _overlaps(each.overlaps),
        ]
    )


def _histories(each: SegmentPreview) -> Iterable[list[str]]:
    for name, history in (("before", each.before), ("after", each.after)):
        if history is not None:
            numbers = (history.members, history.peak, history.mean, history.entered, history.exited)
            yield [name, *(f"{number:,}" for number in numbers), f"{history.changes_per_day:,.1f}"]


def _moves(title: str, moves: Moves) -> str:
    if not moves.sample:
        return f"<p>{moves.users:,} users {title}.</p>"
    rows = [[user.user_id, _when(user), "\n".join(map(_reason, user.because))] for user in moves.sample]
    return _table(f"{moves.users:,} users {title}, for example", ["user", "last change", "because"], rows, texts=3)


def _when(user: MovedUser) -> str:
    return "never in it" if user.at is None else f"{_instant(user.at)} by {user.cause}"


def _reason(reason: Reason) -> str:
    value = "nothing known" if reason.value is None else reason.value
    return f"{'+' if reason.holds else '-'} {reason.condition}: {value} ({reason.expected})"


def _overlaps(overlaps: list[Overlap]) -> str:
    rows = [
        [each.segment, f"{each.members:,}", f"{each.shared:,}", f"{each.jaccard:.3f}", f"{each.share:.1%}"]
        for each in overlaps
    ]
    heads = ["other segment", "its members", "shared", "Jaccard", "of this one's members"]
    return _table("Overlap", heads, rows) if rows else ""


def _table(caption: str, heads: list[str], rows: Iterable[list[str]], texts: int = 1) -> str:
    """Return a table whose first `texts` columns are text."""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return "\n".join(
        [f"<table>{title}", _row("th", heads, texts), *(_row("td", row, texts) for row in rows), "</table>"]
    )


def _row(tag: str, cells: list[str], texts: int) -> str:
    shown = (escape(cell).replace("\n", "<br>") for cell in cells)
    classes = (' class="text"' if place < texts else "" for place in range(len(cells)))
    return "<tr>" + "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(classes, shown, strict=True)) + "</tr>"


def _members(history: History | None) -> str:
    return "" if history is None else f"{history.members:,}"


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
