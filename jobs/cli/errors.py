"""How a command ends: exit codes, and errors as people can use them instead of tracebacks."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from jobs.settings import SettingsError
from jobs.stack.java import JavaNotFoundError
from jobs.stack.processes import StackError
from jobs.stack.waiting import WaitTimeoutError
from segments.definitions import DefinitionErrors
from segments.mapping import MappingError
from segments.models.released import ModelRefused

FAILED = 1
BAD_INPUT = 2
EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong input or configuration."


class BadInput(ValueError):
    """What the user gave cannot be used; the text says what to give instead."""


class Failed(RuntimeError):
    """It could not be done; the text says why and what to check."""


@contextmanager
def for_people() -> Iterator[None]:
    """Turn known errors into their text on stderr and an exit code; an unknown one is a bug and keeps its traceback."""
    try:
        yield
    except (BadInput, SettingsError, DefinitionErrors, MappingError) as error:
        _end(str(error), BAD_INPUT)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        _end(f"{error.filename}: {error.strerror}" if error.filename else str(error), BAD_INPUT)
    except (Failed, StackError, JavaNotFoundError, WaitTimeoutError, ModelRefused) as error:
        _end(str(error), FAILED)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader of our output has gone; typer ends quietly
        _end(str(error), FAILED)


def _end(message: str, code: int) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(code)
