"""Where scorers come from: each version is fetched and loaded once a process, whoever asks for it."""

from __future__ import annotations

from pathlib import Path

from scoring.fetching import Models, default_folder
from scoring.scorer import ModelScorer, Tally, scorer_of
from segments.models.released import ModelVersion


class ScorerStore:
    """A source of scorers: `store(version)` is what runs a version; raises ModelRefused, OSError when it is away."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._loaded: dict[ModelVersionKey, ModelScorer] = {}

    def __call__(self, version: ModelVersion) -> ModelScorer:
        """Return what runs a version, the same for one that differs only in when users are scored."""
        key = (version.name, version.version, version.sha256)
        if key not in self._loaded:
            self._loaded[key] = scorer_of(version, self._models.read(version))
        return self._loaded[key]

    def tallies(self) -> dict[tuple[str, int], Tally]:
        """Return what became of the scores of each version since it was last asked, by name and number."""
        return {(name, number): scorer.tally.take() for (name, number, _), scorer in self._loaded.items()}


ModelVersionKey = tuple[str, int, str]


def scorers(folder: Path | str | None = None) -> ScorerStore:
    """Return a source of scorers that keeps models in `folder`, by default in a temporary one of this user."""
    return ScorerStore(Models(Path(folder) if folder is not None else default_folder()))
