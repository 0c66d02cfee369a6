"""The same events as the engine gets them."""

import json
from collections.abc import Iterable
from typing import Any


def records(events: Iterable[tuple[int, dict[str, Any]]]) -> list[tuple[bytes, int]]:
    """Each event as JSON, written (ms) when the newest one up to it happened."""
    newest, made = -(2**62), []
    for t, event in events:
        newest = max(newest, t)
        made.append((json.dumps(event).encode(), newest))
    return made
