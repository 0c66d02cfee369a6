"""What travels to the workers with the job."""

from __future__ import annotations

from dataclasses import dataclass

from segments.events import Plausibility
from udfs.redis_link import RedisOptions


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """What the function needs to know; times in ms. It travels to the workers with the job."""

    told: tuple[bytes, ...]  # the control records known when the job was submitted
    topics: tuple[str, ...]
    control_topic: str
    shards: int
    allowed_lateness: int
    plausibility: Plausibility
    redis: RedisOptions | None
    bounds_lead: int | None = None  # bounds of the population take effect so long after a round; None: no rounds
    max_failed_share: float = 0.5  # of the events; when more fail because of a bug, the job stops
    model_folder: str | None = None  # where models are kept on the worker's machine; None: among the temporary files
    trace: str | None = None  # a folder for `worker-*.json` with what the worker did and when, for benchmarks
