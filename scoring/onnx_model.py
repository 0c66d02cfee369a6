"""An ONNX model as it is run: on one thread, with the inputs that training gives it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segments.models.inputs import Categories, Numbers


class OnnxModel:
    """Runs an ONNX model on one thread; raises ValueError when it is none, or takes other inputs."""

    def __init__(self, model: bytes) -> None:
        import onnxruntime  # noqa: PLC0415 - half a second of the start of each worker, for those that have models

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # fatal only: what goes wrong is raised, and told by who asked
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            self._inputs = {each.name: each.shape[1] for each in self._session.get_inputs()}
        except Exception as error:  # noqa: BLE001 - onnxruntime's own exceptions have no common base
            raise ValueError(f"no ONNX model that can be run: {error}") from None
        if not self._inputs or set(self._inputs) - {"numbers", "categories"}:
            raise ValueError(f"a model takes numbers and categories, this one {', '.join(self._inputs) or 'nothing'}")
        outputs = [each.name for each in self._session.get_outputs()]
        if len(outputs) != 2:
            raise ValueError(f"a model gives a label and scores, this one {len(outputs)} outputs")
        self._asked = outputs[1:]  # nobody reads the label

    @property
    def width(self) -> tuple[int, int]:
        """How many numbers and categories the model takes."""
        return self._inputs.get("numbers", 0), self._inputs.get("categories", 0)

    def scores(self, numbers: Numbers, categories: Categories) -> NDArray[np.float64]:
        """Return the scores of rows: the probability of each class, or one score each."""
        given = {"numbers": numbers, "categories": categories}
        (scores,) = self._session.run(self._asked, {name: given[name] for name in self._inputs})
        found = np.asarray(scores, np.float64)
        return found[:, 0] if found.shape[1:] == (1,) else found
