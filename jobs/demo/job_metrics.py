"""Counters of a running job, from Flink's REST interface."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import quote

_TIMEOUT_S = 5.0
COUNTERS = ("events", "changes", "duplicates", "late", "dead_letters")


class JobMetrics:
    """Reads the counters that udfs/metrics.py keeps, summed over the workers."""

    def __init__(self, rest_url: str, job: str) -> None:
        self._job_url = f"{rest_url}/jobs/{job}"
        self._names: dict[str, dict[str, str]] = {}  # vertex -> Flink's name of a metric -> counter

    def counters(self) -> dict[str, int]:
        """Return the counters by name; empty while there are none or Flink does not answer."""
        try:
            if not self._names:
                self._names = self._find()
            return self._read()
        except (OSError, ValueError, KeyError):
            return {}

    def _find(self) -> dict[str, dict[str, str]]:
        found = {}
        for vertex in self._get("")["vertices"]:
            url = f"/vertices/{vertex['id']}/subtasks/metrics"
            names = {each["id"]: each["id"].rpartition(".")[2] for each in self._get(url)}
            counters = {name: last for name, last in names.items() if last in COUNTERS and ".reason." not in name}
            if counters:
                found[vertex["id"]] = counters
        return found

    def _read(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for vertex, names in self._names.items():
            wanted = quote(",".join(names))
            for each in self._get(f"/vertices/{vertex}/subtasks/metrics?get={wanted}&agg=sum"):
                counter = names[each["id"]]
                totals[counter] = totals.get(counter, 0) + int(each["sum"])
        return totals

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._job_url + path, timeout=_TIMEOUT_S) as response:  # noqa: S310 - our JobManager
            return json.loads(response.read())
