"""A model's bytes from where its version lies, kept on this machine by checksum: a restart needs no registry."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from segments.models.released import ModelRefused, ModelVersion

LARGEST = 256 * 1024 * 1024  # bytes of a model
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)  # between two attempts, 16 s in all
Fetch = Callable[[str, int], bytes]


def fetched(url: str, most: int) -> bytes:
    """Return what lies at an fsspec URL, at most `most` bytes of it; raises what the file system raises."""
    import fsspec  # noqa: PLC0415 - loads when a model is fetched

    with fsspec.open(url, "rb") as opened:
        content: bytes = opened.read(most)
    return content


class Models:
    """Models by checksum in a folder of this machine, which several workers may share.

    What is found there is checked like what is fetched: who can write to the folder cannot put another model in.
    """

    def __init__(
        self, folder: Path, fetch: Fetch = fetched, wait: Callable[[float], None] = time.sleep, largest: int = LARGEST
    ) -> None:
        self._folder = folder
        self._fetch = fetch
        self._wait = wait
        self._largest = largest

    def read(self, version: ModelVersion, *, patient: bool = True) -> bytes:
        """Return a version's ONNX file.

        Raises ModelRefused when it is not what was released, OSError when it cannot be reached: for 16 s, or at once.
        """
        kept = self._folder / f"{version.sha256}.onnx"
        with suppress(OSError):
            content = kept.read_bytes()
            if hashlib.sha256(content).hexdigest() == version.sha256:
                return content
        content = self._from_afar(version, (*_PAUSES_S, None) if patient else (None,))
        with suppress(OSError):  # a full disk costs the copy, not the model
            _keep(kept, content)
        return content

    def _from_afar(self, version: ModelVersion, pauses: Sequence[float | None]) -> bytes:
        """Fetch with patience: a file may be half there, and a registry away."""
        trouble: Exception | None = None
        for pause in pauses:
            try:
                return self._checked(version, self._fetch(version.url, self._largest + 1))
            except (ValueError, ImportError) as error:  # a checksum, or a URL that nothing here can read
                trouble = error if isinstance(error, ModelRefused) else ModelRefused(_text(version, error))
            except Exception as error:  # noqa: BLE001 - file systems raise what their libraries raise
                trouble = OSError(_text(version, error))
            if pause is not None:
                self._wait(pause)
        assert trouble is not None  # noqa: S101 - else it had returned
        raise trouble

    def _checked(self, version: ModelVersion, content: bytes) -> bytes:
        if len(content) > self._largest:
            raise ModelRefused(f"{version.label} at {version.url} is larger than {self._largest:,} bytes")
        found = hashlib.sha256(content).hexdigest()
        if found != version.sha256:
            raise ModelRefused(
                f"{version.label} at {version.url} is not what was released: its checksum is {found[:16]}..., "
                f"not {version.sha256[:16]}..."
            )
        return content


def default_folder() -> Path:
    """Return where this user's models are kept on a machine that no setting names a folder for."""
    return Path(tempfile.gettempdir()) / f"flink-segments-models-{os.getuid()}"


def _keep(path: Path, content: bytes) -> None:
    """Write a file at once or not at all, whoever else does the same."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _text(version: ModelVersion, error: Exception) -> str:
    return f"{version.label} at {version.url} cannot be read: {type(error).__name__}: {error}"
