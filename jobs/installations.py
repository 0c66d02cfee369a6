"""Where another version of flink-segments is, what it says of itself, and how its code gets to the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from jobs.facts import Installed

CURRENT = "current"
PACKAGES = ("segments", "scoring", "udfs", "jobs")
_PROGRAM = Path("jobs/segmentation.py")
_BRIDGE = Path("jobs/bridge/target/flink-segments-bridge.jar")
_CLI = "from jobs.cli import app; app(prog_name='segments')"
_TIMEOUT = 120.0  # seconds for one question to an installation


class InstallationError(ValueError):
    """What was named is no usable installation; the text says what to give instead."""


class Answer(msgspec.Struct, frozen=True):
    """What `segments version --format json --settings FILE` says."""

    installed: Installed
    settings: dict[str, str] = {}


@dataclass(frozen=True)
class Installation:
    """A version of the code in the folder `root`; `python` runs it here, and on the workers if `carries_python`.

    One that `travels` is sent to the workers with the job; the others have it already.
    """

    name: str
    root: Path
    python: Path
    carries_python: bool = False
    travels: bool = False

    def ask(self, settings: Path, environment: Mapping[str, str], definitions: Path | None = None) -> Answer:
        """Return what this version says of itself and makes of the settings; raises InstallationError.

        It checks settings and definitions as it would before a start: mistakes are in the error's text.
        """
        said = self._run(["version", "--format", "json", "--settings", str(settings)], environment)
        try:
            answer = msgspec.json.decode(said, type=Answer)
        except msgspec.MsgspecError as error:
            raise InstallationError(
                f"{self.name}: `segments version` of it says what is not understood: {error}"
            ) from None
        chosen = [] if definitions is None else ["--definitions", str(definitions)]
        here = ["--flink-home", str(self.root), "--print"]  # checks, and starts nothing
        self._run(["submit", "--settings", str(settings), *chosen, *here], environment)
        return answer

    def arguments(self, scratch: Path) -> list[str]:
        """Return what makes `flink run` run this version; its code is packed into `scratch` where it must travel."""
        found: list[str] = []
        if self.carries_python:
            found += ["-pyexec", str(self.python), "-pyclientexec", str(self.python)]
        if self.travels:
            found += ["-pyfs", str(_packed(self.root, scratch / "flink-segments.zip"))]
        if self.travels and (self.root / _BRIDGE).is_file():
            found += ["--jarfile", str(self.root / _BRIDGE)]
        return found

    @property
    def program(self) -> Path:
        """The job's main file."""
        return self.root / _PROGRAM

    def _run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
        env = {**environment, "PYTHONPATH": str(self.root)}
        command = [str(self.python), "-c", _CLI, *arguments]
        try:
            done = subprocess.run(
                command, env=env, cwd=self.root, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InstallationError(f"{self.name}: {error}") from None
        if done.returncode:
            words = done.stderr.strip() or done.stdout.strip()
            raise InstallationError(f"version {self.name} refuses (`segments {arguments[0]}`):\n{words}")
        return done.stdout


def this_installation(root: Path) -> Installation:
    """Return the version that this process runs, with its code in `root`."""
    return Installation(CURRENT, root, Path(sys.executable))


def find_installation(text: str, this: Installation, scratch: Path) -> Installation:
    """Return the installation that `text` names; a wheel is unpacked into `scratch`; raises InstallationError.

    It may be `current`, a wheel, a checkout or an unpacked wheel (a folder with jobs/), or a virtual environment.
    """
    path = Path(text)
    if text == CURRENT:
        return this
    if path.suffix == ".whl" and path.is_file():
        return _of_folder(text, _unpacked(path, scratch / path.stem), this)
    if (path / "bin" / "python").exists() and not (path / _PROGRAM).is_file():
        return _of_environment(text, path)
    if path.is_dir():
        return _of_folder(text, path.resolve(), this)
    raise InstallationError(
        f"--to {text}: there is no such folder or wheel. Install the version (uv venv v2 && uv pip install --python v2"
        f" WHEEL) and name its folder, or name its wheel, a checkout of it, or '{CURRENT}'"
    )


def _of_folder(text: str, root: Path, this: Installation) -> Installation:
    if not (root / _PROGRAM).is_file():
        raise InstallationError(f"--to {text}: no flink-segments in there (no {_PROGRAM})")
    if root == this.root:
        return this
    return Installation(text, root, this.python, travels=True)


def _of_environment(text: str, path: Path) -> Installation:
    python = (path / "bin" / "python").absolute()  # not resolved: the link is what makes it a virtual environment
    question = "import pathlib, jobs.segmentation as job; print(pathlib.Path(job.__file__).parents[1])"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", question], env=env, cwd="/", capture_output=True, text=True, check=False, timeout=_TIMEOUT
    )
    if done.returncode:
        raise InstallationError(f"--to {text}: flink-segments is not installed there:\n{done.stderr.strip()}")
    return Installation(text, Path(done.stdout.strip()), python, carries_python=True)


def _unpacked(wheel: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise InstallationError(f"--to {wheel}: {error}") from None
    return folder


def _packed(root: Path, path: Path) -> Path:
    """Write the code that workers need to a zip file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            for file in sorted((root / package).rglob("*.py")):
                archive.write(file, file.relative_to(root))
    return path


def without_code(arguments: Sequence[str]) -> list[str]:
    """Return arguments of `flink run` less those that bring code: of another version they would be the wrong ones.

    >>> without_code(["-pyfs", "job.zip", "-Dpipeline.name=x", "--pyExecutable", "/opt/python"])
    ['-Dpipeline.name=x']
    """
    kept: list[str] = []
    rest: list[Any] = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument in _CODE:
            del rest[:1]
        else:
            kept.append(argument)
    return kept


_CODE = frozenset({"-pyfs", "--pyFiles", "-pyexec", "--pyExecutable", "-pyclientexec", "--pyClientExecutable"})
