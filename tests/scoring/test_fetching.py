from __future__ import annotations

from pathlib import Path

import pytest

from scoring.fetching import Models
from segments.models.released import ModelRefused
from tests.scoring.onnx_made import version_of


class Registry:
    """Where models lie, away for a while: says how often it was asked and what was waited."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.waited: list[float] = []

    def fetch(self, _: str, most: int) -> bytes:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer[:most]

    def models(self, folder: Path, largest: int = 1_000) -> Models:
        return Models(folder, self.fetch, self.waited.append, largest)


def test_a_registry_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    registry = Registry(ConnectionError("away"), FileNotFoundError("not yet"), b"half", b"a model")
    assert registry.models(tmp_path / "kept").read(version_of(b"a model", tmp_path)) == b"a model"
    assert len(registry.waited) == 3


def test_one_that_stays_away_is_no_fault_of_the_version(tmp_path: Path) -> None:
    registry = Registry(RuntimeError("no such bucket"))
    with pytest.raises(OSError, match=r"churn_risk:1 at .* cannot be read: RuntimeError: no such bucket"):
        registry.models(tmp_path / "kept").read(version_of(b"a model", tmp_path))
    assert 10 < sum(registry.waited) < 60


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"another model", "is not what was released: its checksum is"),
        (b"a model" * 1_000, "is larger than 1,000 bytes"),
        (ValueError("Protocol not known: s4"), "cannot be read: ValueError: Protocol not known"),
        (ImportError("Install s3fs to access S3"), "Install s3fs"),
    ],
)
def test_what_is_not_what_was_released_is_refused(answer: bytes | Exception, why: str, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=why):
        Registry(answer).models(tmp_path / "kept").read(version_of(b"a model", tmp_path))


def test_a_restart_needs_no_registry(tmp_path: Path) -> None:
    version, kept = version_of(b"a model", tmp_path), tmp_path / "kept"
    assert Models(kept).read(version) == b"a model"
    Path(version.url).unlink()
    assert Registry(OSError("away")).models(kept).read(version) == b"a model"
    assert [each.suffix for each in kept.iterdir()] == [".onnx"]


def test_what_somebody_wrote_into_the_folder_is_not_believed(tmp_path: Path) -> None:
    version, kept = version_of(b"a model", tmp_path), tmp_path / "kept"
    kept.mkdir()
    (kept / f"{version.sha256}.onnx").write_bytes(b"an evil model")
    assert Models(kept).read(version) == b"a model"
    assert (kept / f"{version.sha256}.onnx").read_bytes() == b"a model"


def test_a_folder_that_cannot_be_written_costs_the_copy_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert Models(tmp_path / "file").read(version_of(b"a model", tmp_path)) == b"a model"
