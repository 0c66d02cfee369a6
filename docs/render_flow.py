"""Draws docs/flow.svg, the picture in the README: `python docs/render_flow.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

TARGET = Path(__file__).with_name("flow.svg")
WIDTH, HEIGHT = 1240, 716
FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
INK, SOFT, LINE = "#1f2933", "#52606d", "#9aa5b1"
KAFKA, JAVA, PYTHON, REDIS, STATE = "#3b5bdb", "#c2410c", "#0f766e", "#b91c1c", "#6d5bd0"
ROW = 22  # pixels from one line of text to the next
INDENT = 96  # pixels from a name to what it means


def card(x: int, y: int, width: int, height: int, colour: str, title: str, lines: Sequence[str]) -> str:
    """Return a box with a coloured head and lines of text; a line `a | b` is a name and what it means."""
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" fill="#ffffff" stroke="{colour}"/>',
        f'<path d="M{x} {y + 32}v-23a9 9 0 0 1 9 -9h{width - 18}a9 9 0 0 1 9 9v23z" fill="{colour}"/>',
        text(x + 14, y + 22, title, size=15, weight=600, colour="#ffffff"),
    ]
    for number, line in enumerate(lines):
        name, _, meaning = line.partition(" | ")
        baseline = y + 54 + ROW * number
        if name:
            parts.append(text(x + 14, baseline, name, weight=600 if meaning else 400, colour=INK if meaning else SOFT))
        if meaning:
            parts.append(text(x + 14 + INDENT, baseline, meaning))
    return "\n".join(parts)


def text(x: int, y: int, content: str, *, size: int = 14, weight: int = 400, colour: str = SOFT) -> str:
    """Return one line of text whose left end of the baseline is at `x`, `y`."""
    family = MONO if content.startswith(("segment-", "segment:", "seg:")) else FONT
    style = f'font-family="{family}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(content)}</text>'


def arrow(points: Sequence[tuple[int, int]], colour: str) -> str:
    """Return a line through the points with a head at the last one."""
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" marker-end="url(#head-{colour[1:]})"/>'


def marker(colour: str) -> str:
    """Return the definition of an arrow head in that colour."""
    size = 'markerWidth="10" markerHeight="10" refX="9" refY="5" orient="auto" markerUnits="userSpaceOnUse"'
    return f'<marker id="head-{colour[1:]}" {size}><path d="M0 0 L10 5 L0 10 z" fill="{colour}"/></marker>'


def frame(y: int, height: int, title: str) -> str:
    """Return a dashed frame around the middle with its title inside."""
    box = f'<rect x="222" y="{y}" width="740" height="{height}" rx="12" fill="#f8fafc" stroke="{LINE}"'
    return f'{box} stroke-dasharray="6 5"/>\n' + text(242, y + 29, title, size=15, weight=600, colour=INK)


def job() -> list[str]:
    """Return the Flink job in the middle."""
    bridge_in = [
        "reads user and time",
        "keeps the event time",
        "sends one row a batch,",
        "small when idle,",
        "large when busy",
    ]
    steps = [
        "parse | bad ones: dead letters",
        "filter | duplicates, too late",
        "due | changes by time alone, first",
        "update | features that it touches",
        "judge | segments that can move",
        "publish | changes with reasons, seq",
    ]
    profiles = ["in memory: bytes by user, by due", "in state: a log of what changed,", "one segment each checkpoint"]
    return [
        frame(24, 480, "Flink job: users are hashed to 128 shards, the shards spread over the subtasks"),
        card(242, 76, 188, 200, JAVA, "Bridge (Java)", bridge_in),
        card(476, 76, 318, 200, PYTHON, "Segment function (Python)", steps),
        card(
            840,
            76,
            106,
            200,
            JAVA,
            "Bridge",
            ["cuts rows", "to records,", "writes them", "at least or", "exactly", "once"],
        ),
        card(476, 352, 318, 130, STATE, "Profiles of the shards", profiles),
        card(242, 352, 188, 130, STATE, "Checkpoints", ["offsets, profiles and", "clock, all as of", "one instant"]),
        arrow([(430, 176), (474, 176)], JAVA),
        arrow([(794, 176), (838, 176)], PYTHON),
        arrow([(600, 350), (600, 278)], STATE),
        text(488, 320, "load at start", size=13, colour=STATE),
        arrow([(640, 276), (640, 350)], STATE),
        text(652, 308, "append before", size=13, colour=STATE),
        text(652, 326, "each barrier", size=13, colour=STATE),
        arrow([(476, 417), (432, 417)], STATE),
    ]


def outside() -> list[str]:
    """Return what lies around the job."""
    events = ["web, mobile, CRM,", "offline sources", "", "track, page, screen,", "identify, alias", "as JSON"]
    topics = [
        "segment-changes",
        "each entry and exit",
        "segment-memberships",
        "compacted: who is in what",
        "segment-dead-letters",
        "segment-late-events",
        "the bytes, and why",
    ]
    keys = ["seg:{user}", "the user's segments", "segment:{name}", "users by time of entry"]
    return [
        card(20, 76, 160, 200, KAFKA, "Kafka: events", events),
        arrow([(180, 176), (240, 176)], KAFKA),
        card(1000, 76, 220, 216, KAFKA, "Kafka: results", topics),
        arrow([(946, 176), (998, 176)], KAFKA),
        card(1000, 346, 220, 136, REDIS, "Redis", keys),
        arrow([(794, 246), (816, 246), (816, 414), (998, 414)], REDIS),
        text(828, 404, "one round trip a", size=13, colour=REDIS),
        text(828, 434, "batch, by user's seq", size=13, colour=REDIS),
    ]


def replay() -> list[str]:
    """Return the replay below the job."""
    return [
        frame(528, 164, "segments replay: the same engine, no Flink"),
        card(20, 576, 160, 96, KAFKA, "Events in files", ["NDJSON, or CSV", "with a mapping"]),
        card(242, 576, 188, 96, PYTHON, "Record times", ["as the player", "would write them"]),
        card(
            476, 576, 318, 96, PYTHON, "Processor and engine", ["segments/: the code that", "the segment function runs"]
        ),
        card(1000, 576, 220, 96, KAFKA, "Changes", ["for each user the bytes", "of segment-changes"]),
        arrow([(180, 624), (240, 624)], KAFKA),
        arrow([(430, 624), (474, 624)], PYTHON),
        arrow([(794, 624), (998, 624)], PYTHON),
    ]


def picture() -> str:
    """Return the whole picture as SVG."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    heads = "".join(marker(colour) for colour in (KAFKA, JAVA, PYTHON, REDIS, STATE))
    title = "Events flow from Kafka through the Flink job to the segment topics and Redis; replay runs the same engine"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">',
            f"<defs>{heads}</defs>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" fill="#e9edf2"/>',
            *job(),
            *outside(),
            *replay(),
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    TARGET.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")
