"""Where scorers come from: each version is fetched and loaded once a process, whoever asks for it."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from scoring.fetching import Models, default_folder
from scoring.onnx_model import OnnxModel
from scoring.scorer import ModelScorer, Tally, inputs_of, loaded
from segments.models.released import ModelVersion

_MOST_LOADED = 8
_Key = tuple[str, int, str]


class ScorerStore:
    """A source of scorers: `store(version)` is what runs a version; raises ModelRefused, OSError when it is away.

    Models are loaded when they are asked for; the eight asked last stay loaded, so a long history takes no memory.
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._scorers: dict[_Key, ModelScorer] = {}
        self._loaded: OrderedDict[_Key, OnnxModel] = OrderedDict()

    def __call__(self, version: ModelVersion) -> ModelScorer:
        """Return what runs a version, the same for one that differs only in when users are scored."""
        scorer = self._scorer(version)
        self._onnx(version)
        return scorer

    def of_history(self, version: ModelVersion) -> ModelScorer:
        """Return what runs a version that was in force: one that is away is fetched when a late event asks for it."""
        scorer = self._scorer(version)
        with suppress(OSError):
            self._onnx(version, patient=False)
        return scorer

    def tallies(self) -> dict[tuple[str, int], Tally]:
        """Return what became of the scores of each version since it was last asked, by name and number."""
        return {(name, number): scorer.tally.take() for (name, number, _), scorer in self._scorers.items()}

    def _scorer(self, version: ModelVersion) -> ModelScorer:
        key = _key(version)
        if key not in self._scorers:
            inputs = inputs_of(version)
            self._scorers[key] = ModelScorer(version.task, inputs, lambda *rows: self._onnx(version).scores(*rows))
        return self._scorers[key]

    def _onnx(self, version: ModelVersion, *, patient: bool = True) -> OnnxModel:
        key = _key(version)
        if key not in self._loaded:
            content = self._models.read(version, patient=patient)
            self._loaded[key] = loaded(version, self._scorers[key].inputs, content)
            if len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]


def _key(version: ModelVersion) -> _Key:
    return version.name, version.version, version.sha256


def scorers(folder: Path | str | None = None) -> ScorerStore:
    """Return a source of scorers that keeps models in `folder`, by default in a temporary one of this user."""
    return ScorerStore(Models(Path(folder) if folder is not None else default_folder()))


def shared(version: ModelVersion) -> ModelScorer:
    """Return what runs a version, from this process's own source; it can be handed to other processes by its name."""
    return _shared(version)


_shared = scorers()
