"""What a command said, whole where it is not what it should have said."""

from __future__ import annotations

import traceback
from subprocess import CompletedProcess

from typer.testing import Result


def ended(done: Result | CompletedProcess[str], *words: str, code: int = 0) -> str:
    """Return all that a command said; raises AssertionError with it when it lacks words or ended with another code."""
    whole, found = _whole(done)
    lacking = [each for each in words if each not in whole]
    assert (found, lacking) == (code, []), f"exit code {found}, lacking: {lacking}, in all that it said:\n{whole}"
    return whole


def _whole(done: Result | CompletedProcess[str]) -> tuple[str, int]:
    if isinstance(done, CompletedProcess):
        return done.stdout + done.stderr, done.returncode
    failed = done.exception is not None and not isinstance(done.exception, SystemExit)
    trace = "".join(traceback.format_exception(done.exception)) if failed else ""
    return done.output + trace, done.exit_code
