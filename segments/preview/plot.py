"""Members over time as a picture: an SVG for a page, a line of blocks for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from segments.preview.report import History, Preview, SegmentPreview

_WIDTH, _HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 28
_BLOCKS = "▁▂▃▄▅▆▇█"
_TICKS_X, _TICKS_Y = 5, 4
_DAY_MS = 86_400_000


def sparkline(values: Sequence[int], width: int, highest: int) -> str:
    """Return values as blocks, at most `width`, in which `highest` is a full one; wider bins show their last value.

    >>> sparkline([0, 2, 4, 8], 4, 8)
    '▁▂▄█'
    """
    picked = _thinned(values, width)
    top = max(highest, 1)
    return "".join(_BLOCKS[min(len(_BLOCKS) - 1, value * (len(_BLOCKS) - 1) // top)] for value in picked)


def _thinned(values: Sequence[int], width: int) -> list[int]:
    if len(values) <= width:
        return list(values)
    return [values[(place + 1) * len(values) // width - 1] for place in range(width)]


def plot(preview: Preview, segment: SegmentPreview) -> str:
    """Return an SVG of a segment's members over time, the old version dashed, the new one solid."""
    histories = [each for each in (segment.before, segment.after) if each is not None]
    top = _round_up(max(history.peak for history in histories))
    label = f"Members of {segment.segment} over time, before and after"
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg">',
        *_grid(top),
        *_instants(preview),
        _line(segment.before, top, "before"),
        _line(segment.after, top, "after"),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _line(history: History | None, top: int, kind: str) -> str:
    """Return one version's line: level within a bin's end and the next, so a step stands where it happened."""
    if history is None:
        return ""
    members = history.members_over_time
    points = [f"{_x((place + 1) / len(members)):.1f},{_y(value, top):.1f}" for place, value in enumerate(members)]
    start = f"{_x(0):.1f},{_y(0, top):.1f}"
    return f'<polyline class="{kind}" points="{" ".join([start, *points])}"/>'


def _grid(top: int) -> list[str]:
    lines = []
    for step in range(_TICKS_Y + 1):
        value = top * step // _TICKS_Y
        y = _y(value, top)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>')
    return lines


def _instants(preview: Preview) -> list[str]:
    span = preview.last - preview.first
    texts = []
    for step in range(_TICKS_X):
        share = step / (_TICKS_X - 1)
        anchor = ("start", "middle", "end")[(step > 0) + (step == _TICKS_X - 1)]
        text = _instant(preview.first + round(share * span), span)
        texts.append(f'<text x="{_x(share):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{text}</text>')
    return texts


def _instant(at: int, span: int) -> str:
    moment = datetime.fromtimestamp(at // 1_000, UTC)
    if span < 2 * _DAY_MS:
        return moment.strftime("%H:%M")
    return moment.strftime("%d %b" if span < 700 * _DAY_MS else "%b %Y")


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: int, top: int) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _round_up(value: int) -> int:
    """Return a number of four even steps that is not below `value`."""
    unit = 4
    while unit * 10 < value:
        unit *= 10
    return max(unit, -(-value // unit) * unit)
