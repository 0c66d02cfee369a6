"""Recency, frequency and tenure of CDNOW's customers from the stream's features against the published summary."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import orjson

from segments.definitions import parse_definitions
from segments.models.spec import FeatureSet
from training.rows import Asked, Timed, rows_of_users

_END = datetime(1997, 9, 30, tzinfo=UTC)  # of the published summary's calibration period
_WEEK_DAYS = 7
_SHIFT_MS = 4 * 365 * 86_400_000 + 86_400_000  # the events of 1997 as if of 2001: older ones are implausible here
_PUBLISHED = ("frequency", "recency", "T")
_FEATURES = {"features": [{"name": "order", "rfm": {"event": "Order Completed", "property": "total"}}]}
Summary = dict[str, tuple[str, ...]]  # of a customer: frequency, recency and T in weeks, mean of the repeat purchases


def computed(sample: Path) -> Summary:
    """Return the summary of `CDNOW_sample.txt` by the features that the job computes, as the published one rounds."""
    users: dict[str, list[Timed]] = {}
    for number, line in enumerate(sample.read_text(encoding="utf-8").splitlines()):
        _, customer, date, _, value = line.split()
        time = round(datetime.strptime(date + "Z", "%Y%m%d%z").timestamp() * 1_000) + _SHIFT_MS
        event = {"type": "track", "event": "Order Completed", "userId": str(int(customer)), "messageId": f"m{number}"}
        payload = orjson.dumps({**event, "timestamp": time, "properties": {"total": float(value)}})
        users.setdefault(customer, []).append((payload, time))
    definitions = parse_definitions("segments: [{name: buyer, when: {recency: {event: any, within: 1d}}}]")
    at = round(_END.timestamp() * 1_000) + _SHIFT_MS
    asked = Asked(definitions, FeatureSet.model_validate(_FEATURES), 0, at, instants=(at,))
    return {row.user_id: _as_published(*row.vector) for row in rows_of_users(asked, users.values())}


def published(summary: Path, with_transactions: Path) -> Summary:
    """Return the summary as it was published."""
    with summary.open(encoding="utf-8") as first, with_transactions.open(encoding="utf-8") as second:
        monetary = {row["ID"]: row["zbar"] for row in csv.DictReader(second)}
        return {
            row["ID"]: (*(_rounded(float(row[name])) for name in _PUBLISHED), _rounded(float(monetary[row["ID"]])))
            for row in csv.DictReader(first)
        }


def _as_published(*vector: float | str | None) -> tuple[str, ...]:
    frequency, recency, _, tenure, monetary = (float(value or 0) for value in vector)
    return tuple(map(_rounded, (frequency, recency / _WEEK_DAYS, tenure / _WEEK_DAYS, monetary)))


def _rounded(value: float) -> str:
    """Return a number with two digits, halves rounded up: what the publishers did."""
    return str(Decimal(f"{value:.6f}").quantize(Decimal("0.01"), ROUND_HALF_UP))
