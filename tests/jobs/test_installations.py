"""A version is a virtual environment, a wheel or a checkout; each says itself what it reads."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from jobs.facts import installed
from jobs.installations import CURRENT, InstallationError, find_installation, this_installation
from tests.conftest import ROOT

THIS = this_installation(ROOT)


def checkout(folder: Path, version: str) -> Path:
    for package in ("segments", "scoring", "udfs", "jobs"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "bridge"))
    (folder / "segments/version.py").write_text(f'VERSION = "{version}"\n')
    return folder


def test_another_checkout_answers_for_itself_and_its_code_travels(tmp_path: Path) -> None:
    found = find_installation(str(checkout(tmp_path / "v2", "2.0.0")), THIS, tmp_path)
    said = found.ask(ROOT / "conf/job.yaml", {**os.environ, "SEGMENTS__FLINK__SHARDS": "64"})
    assert (said.installed.version, said.settings["flink.shards"]) == ("2.0.0", "64")
    assert said.installed.stateful == installed().stateful
    flag, code = found.arguments(tmp_path)
    assert flag == "-pyfs"
    with zipfile.ZipFile(code) as packed:
        assert packed.read("segments/version.py") == b'VERSION = "2.0.0"\n'
        assert "udfs/segment_function.py" in packed.namelist()


def test_it_refuses_settings_and_definitions_as_at_a_start(tmp_path: Path) -> None:
    found = find_installation(str(checkout(tmp_path / "v2", "2.0.0")), THIS, tmp_path)
    with pytest.raises(InstallationError, match=r"refuses.*\n(.*\n)*.*kafka.group: there is no such key"):
        found.ask(ROOT / "conf/job.yaml", {**os.environ, "SEGMENTS__KAFKA__GROUP": "x"})
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("segments: [{name: a, when: {cuont: {event: x, gte: 1}}}]\n")
    with pytest.raises(InstallationError, match="did you mean 'count'"):
        found.ask(ROOT / "conf/job.yaml", os.environ, wrong)


def test_a_wheel_is_unpacked(tmp_path: Path) -> None:
    wheel = tmp_path / "flink_segments-2.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("jobs/segmentation.py", "")
    found = find_installation(str(wheel), THIS, tmp_path)
    assert found.travels
    assert found.program.is_file()
    (tmp_path / "torn.whl").write_text("PK")
    with pytest.raises(InstallationError, match="torn"):
        find_installation(str(tmp_path / "torn.whl"), THIS, tmp_path)


def test_this_version_by_its_name_or_its_folder(tmp_path: Path) -> None:
    assert find_installation(CURRENT, THIS, tmp_path) == THIS
    assert find_installation(str(ROOT), THIS, tmp_path) == THIS
    assert THIS.arguments(tmp_path) == []


def test_a_virtual_environment_brings_its_interpreter(tmp_path: Path) -> None:
    python = tmp_path / "v2/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho /v2/lib/site-packages\n")
    python.chmod(0o755)
    found = find_installation(str(tmp_path / "v2"), THIS, tmp_path)
    assert (found.root, found.travels) == (Path("/v2/lib/site-packages"), False)
    assert found.arguments(tmp_path) == ["-pyexec", str(python), "-pyclientexec", str(python)]
    python.write_text("#!/bin/sh\necho No module named jobs >&2; exit 1\n")
    with pytest.raises(InstallationError, match="not installed there:\nNo module"):
        find_installation(str(tmp_path / "v2"), THIS, tmp_path)


@pytest.mark.parametrize("text", ["0.2.0", "missing.whl", "conf"])
def test_what_is_no_version_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match=f"--to {text}: "):
        find_installation(text, THIS, tmp_path)
