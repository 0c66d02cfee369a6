"""Durations as people write them (`1h30m`) and as the engine counts them (milliseconds)."""

import re

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def parse_duration(text: str) -> int:
    """Return the milliseconds that `text` names; raises ValueError when it is no positive duration.

    >>> parse_duration("1h30m")
    5400000
    >>> parse_duration("7d")
    604800000
    """
    compact = text.replace(" ", "")
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"'{text}' is no duration; write for example 30s, 10m, 24h, 7d or 1h30m")
    milliseconds = sum(float(number) * _UNIT_MS[unit] for number, unit in parts)
    if milliseconds < 1 or milliseconds != int(milliseconds):
        raise ValueError(f"'{text}' is no positive whole number of milliseconds")
    return int(milliseconds)


def format_duration(milliseconds: int) -> str:
    """Return the shortest text that `parse_duration` reads back as `milliseconds`.

    >>> format_duration(5400000)
    '1h30m'
    """
    parts = []
    rest = milliseconds
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNIT_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0ms"
