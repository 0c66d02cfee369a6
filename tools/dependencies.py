"""Are all dependencies reviewed, pinned and of a licence we take? `python -m tools.dependencies check | review`.

`check` compares the lock files and the `pom.xml` files with tools/reviewed.tsv, needs no network and says what it did.
`review` writes that file anew, after somebody looked at what changed; unchanged lines keep their day.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
REVIEWED = ROOT / "tools" / "reviewed.tsv"
LOCKS = ("requirements.lock", "requirements-dev.lock")
POMS = ("jobs/bridge/pom.xml", "jobs/stack/kafka/pom.xml")
COLUMNS = ("kind", "package", "version", "licence", "day", "advisories")
NOT_ASKED = "not asked"
TAKEN = re.compile(
    r"\b(apache|mit|bsd|0bsd|psf|python software foundation|mpl|mozilla public|isc|cnri)\b", re.IGNORECASE
)
SAID_ELSEWHERE = {
    "bytewax": "Apache-2.0",  # its LICENSE file says it, its metadata does not
    "pytest-timeout": "MIT",  # as above
}
ONLY_IN_TESTS = {"org.junit.jupiter:junit-jupiter"}  # EPL-2.0: runs our tests, and is in nothing that we give away
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)")
_LOOSE = re.compile(r"[\[\](,]|latest|release|snapshot", re.IGNORECASE)
_MAVEN = "{http://maven.apache.org/POM/4.0.0}"


class Pin(NamedTuple):
    """One dependency at one version."""

    kind: str
    package: str
    version: str


class Review(NamedTuple):
    """What somebody found when they looked at a pin."""

    licence: str
    day: str
    advisories: str


def pins_in(lock: str) -> Iterator[Pin]:
    r"""Yield what a lock file pins; one package may stand there twice, for different machines.

    >>> list(pins_in("# by uv\nredis==5.3.1 ; python_version < '4' \\\n    --hash=sha256:00\n"))
    [Pin(kind='python', package='redis', version='5.3.1')]
    """
    for line in lock.splitlines():
        if match := _PIN.match(line):
            yield Pin("python", match[1].lower(), match[2])


def jars_in(pom: str) -> Iterator[Pin]:
    """Yield the jars that a `pom.xml` names itself, plugins too; raises ValueError where a version is not pinned."""
    root = ElementTree.fromstring(pom)  # noqa: S314 - our own file
    properties = {each.tag.removeprefix(_MAVEN): each.text or "" for each in root.findall(f"{_MAVEN}properties/*")}
    for kind in ("dependency", "plugin"):
        for each in root.iter(f"{_MAVEN}{kind}"):
            group, name = (each.findtext(f"{_MAVEN}{part}", "") for part in ("groupId", "artifactId"))
            said = each.findtext(f"{_MAVEN}version", "")
            version = re.sub(r"\$\{([^}]+)\}", lambda found: properties.get(found[1], ""), said)
            if not version or _LOOSE.search(version):
                raise ValueError(f"{group}:{name} has no pinned version: '{said}'")
            yield Pin("java", f"{group or 'org.apache.maven.plugins'}:{name}", version)


def all_pins(root: Path = ROOT) -> set[Pin]:
    """Return all that the project's lock files and `pom.xml` files name; raises OSError, ValueError."""
    found = {pin for name in LOCKS for pin in pins_in((root / name).read_text(encoding="utf-8"))}
    return found | {pin for name in POMS for pin in jars_in((root / name).read_text(encoding="utf-8"))}


def read_reviewed(path: Path = REVIEWED) -> dict[Pin, Review]:
    """Return what was reviewed; raises OSError, ValueError for a line with other columns."""
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file, delimiter="\t")
    if tuple(head) != COLUMNS or any(len(line) != len(COLUMNS) for line in lines):
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}")
    return {Pin(*line[:3]): Review(*line[3:]) for line in lines}


def licence_of(package: str) -> str | None:
    """Return what an installed package says of its licence, None where it is not installed on this machine."""
    try:
        said = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    classifiers = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if each.startswith("License")
    ]
    texts = [said["License-Expression"], *classifiers, (said["License"] or "").strip().partition("\n")[0][:60]]
    return SAID_ELSEWHERE.get(package) or next((text for text in texts if text), "")


def mistakes(pins: Iterable[Pin], reviewed: dict[Pin, Review]) -> list[str]:
    """Return what keeps the dependencies from being as reviewed, each with what to do."""
    wanted = set(pins)
    found = [f"{each.package} {each.version} is not reviewed" for each in sorted(wanted - reviewed.keys())]
    found += [
        f"{each.package} {each.version} is reviewed and no longer used" for each in sorted(reviewed.keys() - wanted)
    ]
    for pin, review in sorted(reviewed.items()):
        if pin.package in ONLY_IN_TESTS:
            continue
        said = licence_of(pin.package) if pin.kind == "python" else review.licence
        if not TAKEN.search(review.licence) or (said is not None and not TAKEN.search(said)):
            found.append(f"{pin.package} {pin.version} has a licence we do not take: '{said or review.licence}'")
    return found


def reviewed_now(pins: Iterable[Pin], before: dict[Pin, Review], advisories: str, day: str) -> list[tuple[str, ...]]:
    """Return the lines of the file: what was reviewed before as it was, the rest as of `day`."""
    lines: list[tuple[str, ...]] = []
    for pin in sorted(set(pins)):
        licence = next((old.licence for known, old in before.items() if known[:2] == pin[:2]), None)
        fresh = Review((licence_of(pin.package) if pin.kind == "python" else None) or licence or "", day, advisories)
        lines.append((*pin, *before.get(pin, fresh)))
    return lines


def check() -> int:
    """Say whether all dependencies are as reviewed; returns 1 when they are not."""
    reviewed = read_reviewed()
    found = mistakes(all_pins(), reviewed)
    for each in found:
        sys.stderr.write(f"dependencies: {each}\n")
    if found:
        sys.stderr.write("Look at what changed (`make audit` asks for known advisories), then: make review\n")
        return 1
    python = sum(pin.kind == "python" for pin in reviewed)
    newest = max(review.day for review in reviewed.values())
    asked = sum(review.advisories != NOT_ASKED for review in reviewed.values())
    sys.stdout.write(
        f"dependencies: {python} packages and {len(reviewed) - python} jars are pinned, as reviewed (last on {newest}),"
        f" and of a licence we take; advisories were looked up for {asked} of them, and none now (make audit)\n"
    )
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("check", "review"))
    parser.add_argument("--advisories", default=NOT_ASKED, help="what was found on them, such as 'none known'")
    options = parser.parse_args(arguments)
    if options.command == "check":
        return check()
    before = read_reviewed() if REVIEWED.exists() else {}
    day = datetime.now(UTC).date().isoformat()
    with REVIEWED.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([COLUMNS, *reviewed_now(all_pins(), before, options.advisories, day)])
    return check()


if __name__ == "__main__":
    sys.exit(main())
