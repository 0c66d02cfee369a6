"""The job with one of its mechanisms switched off, to show that it is this mechanism that a verdict depends on.

`flink run -py benchmarks/faults/without.py --without markers ...`; the other options are those of jobs/segmentation.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # `flink run -py` knows only this file's folder

from jobs import graph, segmentation
from udfs.segment_function import SegmentFunction

PROGRAM = Path(__file__).resolve()


class WithoutMarkers(SegmentFunction):
    """Does nothing on the row before each barrier, and so nothing ahead of it: profiles are not written to state."""

    def _save(self, shards: Iterable[int]) -> None:
        """Write nothing."""


class WithoutStart(SegmentFunction):
    """Reads nothing on the first row after a start, which otherwise brings the profiles of all shards back."""

    def _start(self, shards: list[int]) -> None:
        self._releases.shards = shards
        self._profiles.own(shards)


MECHANISMS = {"markers": WithoutMarkers, "start": WithoutStart}


def main(arguments: list[str]) -> int:
    """Run the job without the mechanism that `--without` names; returns the job's exit code."""
    place = arguments.index("--without")
    vars(graph)["SegmentFunction"] = MECHANISMS[arguments[place + 1]]
    return segmentation.main(arguments[:place] + arguments[place + 2 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
