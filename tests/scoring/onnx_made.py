"""Small ONNX models made by hand, and versions that name them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from scoring.onnx_model import OnnxModel
from segments.models.released import ModelVersion
from training.registry import Registry

FEATURES = {
    "features": [
        {"name": "pages", "count": {"event": "any", "within": "1d"}},
        {"name": "total", "sum": {"event": "Order Completed", "property": "total", "within": "30d"}},
    ]
}


def model_of(*nodes: Any, width: int = 2, scores: int | None = 2) -> bytes:
    """Return a model with the input `numbers`, whose nodes make `scores` of it, and a label that says nothing."""
    numbers = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, width])
    label = helper.make_tensor_value_info("label", TensorProto.FLOAT, [None, width])
    found = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, scores])
    graph = helper.make_graph(
        [helper.make_node("Abs", ["numbers"], ["label"]), *nodes], "made", [numbers], [label, found]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def identity() -> bytes:
    """Return a model to classify by: the second number is the probability of yes."""
    return model_of(helper.make_node("Identity", ["numbers"], ["scores"]))


def square_root() -> bytes:
    """Return a model whose score is NaN where the second number is negative."""
    return model_of(helper.make_node("Sqrt", ["numbers"], ["scores"]))


def version_of(
    onnx_bytes: bytes,
    folder: Path,
    number: int = 1,
    *,
    name: str = "churn_risk",
    task: Literal["classify", "cluster", "anomaly"] = "classify",
    **changed: Any,
) -> ModelVersion:
    """Return a version whose model lies in a folder."""
    path = folder / f"{name}-{number}.onnx"
    path.write_bytes(onnx_bytes)
    sha256 = hashlib.sha256(onnx_bytes).hexdigest()
    return ModelVersion(name, number, task, FEATURES, str(path), sha256, **changed)


def publish(registry: Registry, name: str, onnx_bytes: bytes, feature_hash: str) -> int:
    """Put a model into a registry as training would, with the proof that it says what it says; return its version."""
    rows = [[1.0, 0.25], [3.0, 0.75]]
    scores = OnnxModel(onnx_bytes).scores(np.array(rows, np.float32), np.empty((2, 0), object)).tolist()
    manifest = {
        "task": "classify",
        "spec": {},
        "feature_hash": feature_hash,
        "metrics": {"roc_auc": 0.9},
        "failed_gates": [],
        "trained_at": "2026-11-22T10:00:00+00:00",
        "calibrated": True,
        "typical": {"pages": 2.0, "total": 0.5},
    }
    proof = json.dumps({"numbers": rows, "categories": [[], []], "scores": scores}).encode()
    return registry.add(name, manifest, {"model.onnx": onnx_bytes, "proof.json": proof})
