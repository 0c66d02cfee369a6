"""A version of a model as a release names it: what it reads, where it lies, when users are scored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from segments.models.spec import FeatureSet

DELAY_MS, MAX_AGE_MS = 30_000, 86_400_000


class ModelVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version of a model in force; times in ms.

    A user is scored `delay` after the first event that moved what the model reads, or when the score is `max_age` old.
    Columns that moved by less than `tolerance`, a share of their value, are not scored again before that. `features` is
    the feature set as it stands in models.yaml, `ordered` and `derive` likewise; `typical` has for each column the
    value that a user's own is compared with. `url` is that of the ONNX file, whose checksum is `sha256`. A `challenger`
    is used only where a condition names its version.
    """

    name: str
    version: int
    task: Literal["classify", "cluster", "anomaly"]
    features: dict[str, Any]
    url: str
    sha256: str
    ordered: dict[str, list[str]] = {}
    derive: list[dict[str, Any]] = []
    calibrated: bool = False
    typical: dict[str, float | str | None] = {}
    delay: int = DELAY_MS
    max_age: int = MAX_AGE_MS
    tolerance: float = 0.0
    challenger: bool = False

    @property
    def label(self) -> str:
        """Return name and version as people read them, `churn_risk:3`."""
        return f"{self.name}:{self.version}"

    def feature_set(self) -> FeatureSet:
        """Return what the model reads; raises pydantic's ValidationError."""
        return FeatureSet.model_validate(self.features)


class ModelRefused(ValueError):
    """A version that can never be used, whoever tries; the text says why."""


def version_meant(versions: Iterable[ModelVersion], name: str, version: int | None) -> ModelVersion | None:
    """Return the version that a condition means, without a number the champion; None when none is in force.

    >>> first = ModelVersion("churn", 1, "classify", {}, "", "")
    >>> second = ModelVersion("churn", 2, "classify", {}, "", "", challenger=True)
    >>> [version_meant([first, second], "churn", number).version for number in (None, 2)]
    [1, 2]
    """
    for each in versions:
        if each.name == name and (each.version == version if version is not None else not each.challenger):
            return each
    return None
