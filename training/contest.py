"""A model trained anew against the champion, both on the newest rows, which neither has learnt from."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.metrics import roc_auc_score

from scoring.onnx_model import OnnxModel
from training.registry import Registry
from training.train import Trained, membership


@dataclass(frozen=True)
class Contest:
    """ROC-AUC of both on the new model's held-out rows; None where they cannot be compared, and `why` says so."""

    champion: float | None
    challenger: float | None
    why: str = "there is no champion to compare it with"

    @property
    def won(self) -> bool:
        """Whether the new one is at least as good; a champion that cannot be compared has lost."""
        return self.champion is None or self.challenger is None or self.challenger >= self.champion

    def text(self) -> str:
        """Return it as people read it.

        >>> Contest(0.81, 0.8, "version 3, in force").text()
        'roc_auc on the newest rows: champion (version 3, in force) 0.8100, new 0.8000'
        """
        if self.champion is None or self.challenger is None:
            return self.why
        return f"roc_auc on the newest rows: champion ({self.why}) {self.champion:.4f}, new {self.challenger:.4f}"


def contest(
    registry: Registry, champion: int | None, trained: Trained, feature_hash: str, role: str = "champion"
) -> Contest:
    """Compare a new model with a version; raises RegistryError, ValueError when that cannot be read.

    Only what classifies can be compared, and only a champion of the same features and columns. `role` says in words
    what makes that version the champion.
    """
    held_out, name = trained.learnt.held_out, trained.spec.name
    if champion is None:
        return Contest(None, None)
    if trained.spec.classify is None or held_out.labels is None:
        return Contest(None, None, f"only what classifies is compared with a champion ({champion})")
    manifest = registry.manifest(name, champion)
    if manifest.get("feature_hash") != feature_hash or manifest.get("columns") != held_out.columns():
        return Contest(None, None, f"version {champion} ({role}) reads other features: they cannot be compared")
    scores = OnnxModel(registry.read(name, champion, "model.onnx")).scores(held_out.numbers, held_out.categories)
    ours = float(roc_auc_score(held_out.labels, membership(scores)))
    return Contest(ours, trained.metrics["roc_auc"], f"version {champion}, {role}")
