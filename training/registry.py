"""The registry of models: versions that never change, as ONNX and JSON, on a disk or behind a URL.

Nothing in it is ever unpickled: whoever can write to it cannot run code here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

Manifest = dict[str, Any]
_MODEL, _MANIFEST = "model.onnx", "manifest.json"
_OF_BUCKETS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")  # what lies there has no folders to be made


class RegistryError(RuntimeError):
    """A registry that is away, or a version that is not there or not what its manifest says; the text says which."""


class Registry:
    """Versions of models under a folder or an fsspec URL such as `s3://bucket/models` (with s3fs installed).

    A version is there once its manifest is, which is written last.

    >>> registry = Registry("memory://doctest")
    >>> registry.add("churn_risk", {"metrics": {"roc_auc": 0.8}}, {"model.onnx": b"..."})
    1
    >>> registry.versions("churn_risk"), registry.manifest("churn_risk", 1)["metrics"]
    ([1], {'roc_auc': 0.8})
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._has_buckets = self.url.partition("://")[0] in _OF_BUCKETS and "://" in self.url
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise RegistryError(f"no registry at {url}: {error}") from None

    def prepare(self) -> None:
        """Make sure that versions can be written, before hours of work for one: raises RegistryError.

        A folder is made where there is none; a bucket must be there.
        """
        with self._explained():
            if not self._has_buckets:
                self._make_folder(self._root)
                return
            bucket = self._root.partition("/")[0]
            try:
                self._files.ls(self._root, detail=False)
            except FileNotFoundError:  # nothing there yet, or no bucket
                if not self._files.exists(bucket):
                    raise RegistryError(f"no registry at {self.url}: there is no bucket '{bucket}'") from None

    def names(self) -> list[str]:
        """Return the names of all models."""
        return sorted(self._listed(self._root))

    def versions(self, name: str) -> list[int]:
        """Return a model's versions, oldest first."""
        numbers = (int(each) for each in self._listed(f"{self._root}/{name}") if each.isdecimal())
        with self._explained():
            return sorted(each for each in numbers if self._files.exists(self._path(name, each, _MANIFEST)))

    def add(self, name: str, manifest: Manifest, files: dict[str, bytes]) -> int:
        """Write a new version and return its number; one that is there is never written to."""
        taken = [int(each) for each in self._listed(f"{self._root}/{name}") if each.isdecimal()]
        version = max(taken, default=0) + 1
        while not self._write(name, version, _MODEL, files[_MODEL]):
            version += 1  # somebody else writes this one at the same time
        for file, content in files.items():
            if file != _MODEL:
                self._write(name, version, file, content)
        sums = {file: hashlib.sha256(content).hexdigest() for file, content in sorted(files.items())}
        whole = {**manifest, "model": name, "version": version, "sha256": sums}
        self._write(name, version, _MANIFEST, json.dumps(whole, indent=1, sort_keys=True, allow_nan=False).encode())
        return version

    def manifest(self, name: str, version: int) -> Manifest:
        """Return what is known of a version; raises RegistryError."""
        try:
            with self._explained():
                content = self._files.cat_file(self._path(name, version, _MANIFEST))
            found = json.loads(content)
        except FileNotFoundError:
            known = ", ".join(map(str, self.versions(name))) or "none"
            raise RegistryError(f"{self.url} has no version {version} of {name} (there are: {known})") from None
        except ValueError as error:
            raise RegistryError(f"{self._path(name, version, _MANIFEST)} is no JSON: {error}") from None
        if not isinstance(found, dict):
            raise RegistryError(f"{self._path(name, version, _MANIFEST)} is no manifest")
        return found

    def read(self, name: str, version: int, file: str) -> bytes:
        """Return a file of a version; raises RegistryError when it is not what was written."""
        expected = self.manifest(name, version).get("sha256", {}).get(file)
        path = self._path(name, version, file)
        try:
            with self._explained():
                content: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            raise RegistryError(f"{path} is gone") from None
        if hashlib.sha256(content).hexdigest() != expected:
            raise RegistryError(f"{path} is not what was written: its checksum differs from the manifest's")
        return content

    def place(self, name: str, version: int, file: str) -> str:
        """Return where a file of a version lies, for people."""
        return f"{self.url}/{name}/{version}/{file}"

    def _listed(self, path: str) -> list[str]:
        try:
            with self._explained():
                self._files.invalidate_cache()  # others write here too
                return [each.rstrip("/").rpartition("/")[2] for each in self._files.ls(path, detail=False)]
        except FileNotFoundError:
            return []

    def _path(self, name: str, version: int, file: str) -> str:
        return f"{self._root}/{name}/{version}/{file}"

    def _write(self, name: str, version: int, file: str, content: bytes) -> bool:
        """Write a file that is not there yet, the whole or nothing of it; False when it is there."""
        path = self._path(name, version, file)
        try:
            with self._explained():
                if not self._has_buckets:
                    self._make_folder(path.rpartition("/")[0])
                self._write_new(path, content)
        except FileExistsError:
            return False
        except FileNotFoundError as error:
            raise RegistryError(f"{path} cannot be written: {error}") from None
        return True

    def _make_folder(self, path: str) -> None:
        try:
            self._files.makedirs(path, exist_ok=True)
        except FileExistsError:
            raise RegistryError(f"no registry at {self.url}: {path} is a file, not a folder") from None

    def _write_new(self, path: str, content: bytes) -> None:
        opened = self._files.open(path, "xb")
        try:
            with opened:
                opened.write(content)
        except OSError:
            if not self._has_buckets:
                self._files.rm_file(path)  # half of it; nobody else wrote there
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the libraries of file systems raise, each its own, into a RegistryError."""
        try:
            yield
        except (RegistryError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # noqa: BLE001 - see above
            raise RegistryError(f"the registry {self.url} cannot be used: {type(error).__name__}: {error}") from None
