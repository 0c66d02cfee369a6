"""Manifests lie beside savepoints and say what they are; what is none is refused with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.facts import facts_of
from jobs.savepoints import Manifest, SavepointError, manifest_of, operators_of, read_manifest, write_manifest
from jobs.settings import Settings


def manifest(savepoint: str) -> Manifest:
    facts = facts_of(Settings())
    return Manifest(savepoint=savepoint, taken_at=5, job="j", name="n", parallelism=2, form="canonical", facts=facts)


def test_a_manifest_lies_beside_its_savepoint(tmp_path: Path) -> None:
    written = manifest(f"{tmp_path.as_uri()}/savepoint-1")
    assert write_manifest(written) == tmp_path / "savepoint-1.segments.json"
    assert manifest_of(written.savepoint) == written
    assert manifest_of(f"{tmp_path}/savepoint-1/") == written
    assert manifest_of(f"{tmp_path.as_uri()}/savepoint-2") is None


def test_a_savepoint_elsewhere_has_its_manifest_where_one_says(tmp_path: Path) -> None:
    far = manifest("s3://bucket/savepoint-1")
    assert write_manifest(far) is None
    assert write_manifest(far, tmp_path / "kept.json") == tmp_path / "kept.json"
    assert read_manifest(tmp_path / "kept.json") == far
    assert manifest_of(far.savepoint) is None


@pytest.mark.parametrize("content", ["", "{}", '{"savepoint": 3}'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(SavepointError, match=r"m\.json: not a manifest"):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize("address", ["s3://bucket/savepoint-1", "file:///no/such/folder"])
def test_what_is_no_savepoint_here_is_refused(address: str) -> None:
    with pytest.raises(SavepointError, match="no savepoint or checkpoint here"):
        operators_of(address)
