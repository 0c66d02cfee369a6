"""Where the measurements of models find models and data."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.cases.case import BenchmarkError
from segments.models.loader import load_models
from segments.models.model import Models

ROOT = Path(__file__).resolve().parents[2]


def models() -> Models:
    """Return the models that ship."""
    return load_models(ROOT / "conf" / "models.yaml")


def data_file(name: str) -> Path:
    """Return a data set; raises BenchmarkError when it is not here."""
    path = Path(os.environ.get("SEGMENTS_DATA", ROOT.parent / "shared" / "data")) / name
    if not path.exists():
        raise BenchmarkError(f"{path} is not here; set SEGMENTS_DATA to the folder that holds it")
    return path
