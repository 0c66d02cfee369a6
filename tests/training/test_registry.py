"""The registry on a disk: versions are whole or not there, and one that cannot be read hides no other."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from tests.scoring.onnx_made import identity, publish
from training.registry import Registry, RegistryError


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_leaves_no_half_of_a_version(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    with (
        files_of_at_most(1_000),
        pytest.raises(RegistryError, match=r"the registry .* cannot be used: OSError: .*large"),
    ):
        registry.add("churn", {"metrics": {"x" * 2_000: 1.0}}, {"model.onnx": b"..."})
    assert registry.versions("churn") == []
    assert not (tmp_path / "churn/1/manifest.json").exists()
    assert registry.add("churn", {}, {"model.onnx": b"..."}) == 2
    assert registry.versions("churn") == [2]


def test_a_version_is_never_written_to_again(tmp_path: Path) -> None:
    first, second = Registry(str(tmp_path)), Registry(str(tmp_path))
    assert (first.add("churn", {}, {"model.onnx": b"1"}), second.add("churn", {}, {"model.onnx": b"2"})) == (1, 2)
    assert not first._write("churn", 1, "model.onnx", b"3")
    assert first.read("churn", 1, "model.onnx") == b"1"


def test_whatever_a_file_systems_library_raises_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry("memory://away")

    def away(*_: object, **__: object) -> None:
        raise RuntimeError("Unable to locate credentials")

    for method in ("ls", "makedirs", "cat_file"):
        monkeypatch.setattr(fsspec.filesystem("memory"), method, away)
    asks: list[Callable[[], object]] = [registry.names, registry.prepare, lambda: registry.manifest("churn", 1)]
    for asked in asks:
        with pytest.raises(RegistryError, match="memory://away cannot be used: RuntimeError: Unable to locate"):
            asked()


def test_a_folder_that_cannot_be_made_is_said_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "models.yaml").write_text("models: [{name: m, table: {numbers: [x]}, cluster: {}}]")
    options = ["--models", tmp_path / "models.yaml", "--registry", tmp_path / "file", "--table", tmp_path / "none.csv"]
    options += ["--definitions", Path(__file__).parents[2] / "conf/segments.yaml"]
    done = CliRunner().invoke(app, ["train", "m", *map(str, options)])
    assert (done.exit_code, f"{tmp_path}/file is a file, not a folder" in done.output) == (1, True), done.output


def test_a_version_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    for _ in range(3):
        publish(registry, "churn", identity(), "")
    (tmp_path / "churn/2/manifest.json").write_text("{")
    (tmp_path / "churn/3/manifest.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("no model")
    done = CliRunner().invoke(app, ["models", "list", "--registry", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "roc_auc 0.9" in done.stdout
    assert f"churn 2 cannot be read: {tmp_path}/churn/2/manifest.json is no JSON" in done.stderr
    assert "churn 3 cannot be read: its manifest does not say its metrics" in done.stderr
