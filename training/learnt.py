"""What learning gives, whatever was learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset import Dataset
from training.metrics import Metrics


@dataclass(frozen=True)
class Learnt:
    """A fitted pipeline, its metrics on held-out rows, what else there is to say of it, its scores of those rows."""

    pipeline: Any
    metrics: Metrics
    found: dict[str, Any]
    held_out: Dataset
    scores: NDArray[np.float64]
