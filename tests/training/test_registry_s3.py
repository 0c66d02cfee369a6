"""The registry in a bucket: a real S3 protocol, served by moto on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fsspec import filesystem
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from typer.testing import CliRunner

from jobs.cli import app
from scoring.fetching import Models
from segments.models.model import ModelSpec
from tests.scoring.onnx_made import FEATURES, identity, publish
from training.registry import Registry, RegistryError
from training.releasing import version_to_release

WRITERS = 4
SPEC = {
    "name": "churn",
    "features": "customer",
    "classify": {"label": {"within": "1h", "when": {"recency": {"event": "any", "within": "1h"}}}},
}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket of its own; clients find it by the environment, as they find AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            environment.setenv(name, value)
        S3FileSystem.clear_instance_cache()
        filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
        S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_version_comes_back_from_a_bucket_and_a_worker_fetches_it(s3: str, tmp_path: Path) -> None:
    registry = Registry(f"{s3}/models")
    registry.prepare()
    assert (registry.names(), registry.versions("churn")) == ([], [])
    assert publish(registry, "churn", identity(), "hash") == 1
    assert (registry.names(), registry.versions("churn")) == (["churn"], [1])
    released = version_to_release(registry, "churn", 1, ModelSpec.model_validate(SPEC), FEATURES)
    assert released.url == "s3://bucket/models/churn/1/model.onnx"
    assert Models(tmp_path).read(released) == identity()
    done = CliRunner().invoke(app, ["models", "list", "--registry", f"{s3}/models"])
    assert (done.exit_code, "roc_auc 0.9" in done.stdout) == (0, True), done.output


def test_writers_at_once_get_a_version_each(s3: str) -> None:
    registries = [Registry(f"{s3}/many") for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = pool.map(lambda each: each.add("churn", {}, {"model.onnx": b"..."}), registries)
        assert sorted(numbers) == list(range(1, WRITERS + 1))
    assert not registries[0]._write("churn", 1, "model.onnx", b"other")
    assert registries[0].read("churn", 1, "model.onnx") == b"..."


def test_what_somebody_else_writes_is_seen(s3: str) -> None:
    registry, elsewhere = Registry(f"{s3}/seen"), S3FileSystem(skip_instance_cache=True)
    registry.add("churn", {}, {"model.onnx": b"..."})
    assert registry.versions("churn") == [1]
    elsewhere.copy("bucket/seen/churn/1", "bucket/seen/churn/2", recursive=True)
    assert registry.versions("churn") == [1, 2]


def test_a_missing_bucket_is_told_and_not_made(s3: str) -> None:
    assert s3
    registry = Registry("s3://misspelt/models")
    with pytest.raises(RegistryError, match=r"no registry at s3://misspelt/models: there is no bucket 'misspelt'"):
        registry.prepare()
    with pytest.raises(RegistryError, match="cannot be written"):
        registry.add("churn", {}, {"model.onnx": b"..."})
    assert not S3FileSystem(skip_instance_cache=True).exists("misspelt")


def test_what_was_changed_in_a_bucket_is_refused(s3: str) -> None:
    registry = Registry(f"{s3}/changed")
    registry.add("churn", {}, {"model.onnx": b"..."})
    filesystem("s3").pipe_file("bucket/changed/churn/1/model.onnx", b"other")
    with pytest.raises(RegistryError, match="is not what was written"):
        registry.read("churn", 1, "model.onnx")
    with pytest.raises(RegistryError, match=r"has no version 7 of churn \(there are: 1\)"):
        registry.manifest("churn", 7)


def test_keys_that_are_missing_are_told(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    S3FileSystem.clear_instance_cache()
    try:
        asks: list[Callable[[], object]] = [Registry(s3).prepare, Registry(s3).names]
        for asked in asks:
            with pytest.raises(RegistryError, match="s3://bucket cannot be used: NoCredentialsError: Unable to locate"):
                asked()
    finally:
        S3FileSystem.clear_instance_cache()
