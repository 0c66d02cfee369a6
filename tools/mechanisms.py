"""Does a test fail when a mechanism is switched off? `python -m tools.mechanisms [WORDS OF A CLAIM]`.

tests/mechanisms.yaml lists them. Works on a copy of the tracked files, so nothing here is changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mechanisms.yaml"
TIMEOUT_S = 300.0
_TESTS_FAILED = 1  # pytest's exit status; others mean that it could not run them
_TOOK_TOO_LONG = -1  # what never ends without the mechanism is noticed too


class Mechanism(NamedTuple):
    """A claim, the line of a file that keeps it, the line that does not, and the tests of which one must then fail."""

    claim: str
    file: str
    line: str
    instead: str
    tests: tuple[str, ...]


def listed(path: Path = LIST) -> list[Mechanism]:
    """Return all that are listed; raises TypeError where an entry has other keys."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [Mechanism(**{**each, "tests": tuple(each["tests"])}) for each in found]


def without(mechanism: Mechanism, text: str) -> str:
    r"""Return a file's text with the mechanism off; raises ValueError unless the line is there exactly once.

    >>> without(Mechanism("c", "f.py", "if a:", "if False:", ()), "def f(a):\n    if a:\n        g()\n")
    'def f(a):\n    if False:\n        g()\n'
    """
    lines = text.splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if line.strip() == mechanism.line]
    if len(places) != 1:
        raise ValueError(f"{mechanism.file} has the line {len(places)} times: {mechanism.line}")
    lines[places[0]] = lines[places[0]].replace(mechanism.line, mechanism.instead)
    return "".join(lines)


def is_noticed(mechanism: Mechanism, folder: Path) -> bool:
    """Say whether a test fails without a mechanism; raises RuntimeError when the tests cannot be run."""
    file = folder / mechanism.file
    text = file.read_text(encoding="utf-8")
    file.write_text(without(mechanism, text), encoding="utf-8")
    try:
        status, said = _tested(mechanism.tests, folder)
    finally:
        file.write_text(text, encoding="utf-8")
    if status not in (0, _TESTS_FAILED, _TOOK_TOO_LONG):
        raise RuntimeError(f"{mechanism.claim}: pytest ended with {status}:\n{said[-2_000:]}")
    return status != 0


def _tested(tests: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run tests and return pytest's exit status and words; what takes too long ends with all that it started."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not stack", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as running:  # fmt: skip
        try:
            said = running.communicate(timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            return _TOOK_TOO_LONG, running.communicate()[0]
    return running.returncode, said


def main(words: Sequence[str]) -> int:
    """Try those whose claim has all the words, say what came of each; returns 1 when one is not noticed."""
    chosen = [each for each in listed() if all(word in each.claim for word in words)]
    unnoticed = 0
    with TemporaryDirectory() as name:
        _copy(Path(name))
        for each in chosen:
            noticed = is_noticed(each, Path(name))
            unnoticed += not noticed
            sys.stdout.write(f"{'noticed    ' if noticed else 'NOT NOTICED'}  {each.claim}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - unnoticed} of {len(chosen)} mechanisms are noticed when they are off\n")
    return 1 if unnoticed else 0


def _copy(folder: Path) -> None:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git there is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, names.split("\0")):
        source = ROOT / name
        if source.is_file() and not source.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
