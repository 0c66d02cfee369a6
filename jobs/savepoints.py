"""What lies in a savepoint: the manifest that `segments savepoint` writes beside it, or Flink's own metadata."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from jobs.facts import JobFacts
from jobs.stack.flink_rest import SavepointFormat

SUFFIX = ".segments.json"
_METADATA = "_metadata"
_READ_TIMEOUT = 60.0  # seconds; a JVM starts


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A savepoint and the job it was taken of; `taken_at` in ms, `facts` are unknown of a job that says nothing."""

    savepoint: str
    taken_at: int
    job: str
    name: str
    parallelism: int
    form: SavepointFormat
    facts: JobFacts | None = None


class SavedOperator(NamedTuple):
    """An operator of a savepoint; the uid is unknown where Flink wrote none."""

    uid: str | None
    name: str | None
    parallelism: int
    max_parallelism: int
    has_state: bool


class SavepointError(ValueError):
    """A savepoint or its manifest cannot be read; the text says why."""


def local_path(address: str) -> Path | None:
    """Return where a savepoint lies on this machine; None when it lies elsewhere.

    >>> local_path("file:///tmp/savepoint-1"), local_path("s3://bucket/savepoint-1")
    (PosixPath('/tmp/savepoint-1'), None)
    """
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def manifest_path(address: str) -> Path | None:
    """Return where the manifest of a savepoint lies: beside its folder, since Flink removes the folder as a whole.

    >>> manifest_path("file:/tmp/savepoint-1")
    PosixPath('/tmp/savepoint-1.segments.json')
    """
    path = local_path(address)
    return None if path is None else path.with_name(path.name + SUFFIX)


def write_manifest(manifest: Manifest, path: Path | None = None) -> Path | None:
    """Write a manifest, beside its savepoint unless told where; None when that place is not on this machine."""
    path = path or manifest_path(manifest.savepoint)
    if path is None or not path.parent.is_dir():
        return None
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return path


def read_manifest(path: Path) -> Manifest:
    """Return a manifest; raises OSError, and SavepointError when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.MsgspecError as error:
        raise SavepointError(f"{path}: not a manifest that this version reads: {error}") from None


def manifest_of(address: str) -> Manifest | None:
    """Return the manifest beside a savepoint; None when there is none here; raises SavepointError."""
    path = manifest_path(address)
    return read_manifest(path) if path is not None and path.is_file() else None


def operators_of(address: str, environment: Mapping[str, str] | None = None) -> list[SavedOperator]:
    """Return the operators of a savepoint or checkpoint on this machine, as Flink's own metadata names them.

    Flink's code reads it, in a process of its own. Raises SavepointError when there is no metadata, or Flink cannot
    read it.
    """
    path = local_path(address)
    if path is None or not (path / _METADATA).is_file():
        raise SavepointError(f"{address}: there is no savepoint or checkpoint here (no {_METADATA})")
    command = [sys.executable, "-m", "jobs.savepoint_metadata", str(path / _METADATA)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_READ_TIMEOUT,
            env=environment and {**environment},
        )
    except subprocess.TimeoutExpired:
        raise SavepointError(f"{address}: Flink did not read it within {_READ_TIMEOUT:g} s") from None
    if done.returncode:
        raise SavepointError(f"{address}: Flink cannot read it: {done.stderr.strip().splitlines()[-1]}")
    return [SavedOperator(*each) for each in json.loads(done.stdout.splitlines()[-1])]
