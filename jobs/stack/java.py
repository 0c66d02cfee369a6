"""Find a JDK that Flink 2.3 and Kafka 4.1 run on; `python jobs/stack/java.py` prints its home, for the Makefile."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

SUPPORTED = (17, 21)  # Java versions that Flink 2.3 supports and Kafka 4.1's broker starts on, the preferred first
HOME_PARENTS = ("/usr/lib/jvm", "/opt", "/opt/java", "~/.sdkman/candidates/java", "~/.jdks")
MAC_PARENT = "/Library/Java/JavaVirtualMachines"
MISSING = (
    "No JDK 17 or 21 found. Install one (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless; "
    "macOS: brew install openjdk@17) or set JAVA_HOME to it."
)


class JavaNotFoundError(RuntimeError):
    """No usable JDK is installed; the message says how to get one."""


def find_java_home() -> Path:
    """Return the home of a supported JDK: JAVA_HOME, the one on the PATH, then the usual folders.

    Raises `JavaNotFoundError` when there is none.
    """
    found: dict[int, Path] = {}
    for home in _candidates():
        version = java_version(home)
        if version in SUPPORTED:
            found.setdefault(version, home)
            if home == _from_environment():
                return home
    for version in SUPPORTED:
        if version in found:
            return found[version]
    raise JavaNotFoundError(MISSING)


def java_version(home: Path) -> int | None:
    """Return the major version of the JDK at `home`, from its `release` file; None when it is no JDK (has no javac)."""
    release = home / "release"
    if not (home / "bin" / "javac").exists() or not release.is_file():
        return None
    match = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE)
    return int(match[1]) if match else None


def _from_environment() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    return Path(home).resolve() if home else None


def _candidates() -> Iterator[Path]:
    if home := _from_environment():
        yield home
    if javac := shutil.which("javac"):
        yield Path(javac).resolve().parent.parent
    for parent in HOME_PARENTS:
        yield from sorted(home.resolve() for home in Path(parent).expanduser().glob("*"))
    yield from sorted(Path(MAC_PARENT).glob("*/Contents/Home"))


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_java_home()}\n")
    except JavaNotFoundError as error:
        sys.exit(str(error))
