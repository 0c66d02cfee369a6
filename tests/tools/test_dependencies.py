"""The check of dependencies: pinned, reviewed, and of a licence we take."""

import re
from pathlib import Path

import pytest

from tools import dependencies
from tools.dependencies import (
    ONLY_IN_TESTS,
    POMS,
    ROOT,
    Pin,
    Review,
    all_pins,
    check,
    jars_in,
    licence_of,
    mistakes,
    read_reviewed,
    reviewed_now,
)

REDIS = Pin("python", "redis", "5.3.1")
SEEN = Review("MIT", "2026-11-22", "not asked")
POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><properties><v>{}</v></properties><dependencies><dependency>'
    "<groupId>g</groupId><artifactId>a</artifactId><version>${{v}}</version></dependency></dependencies></project>"
)


def test_all_that_is_locked_is_reviewed(capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 0, capsys.readouterr().err
    assert "and none now (make audit)" in capsys.readouterr().out


def test_the_locks_and_the_poms_are_read() -> None:
    found = {(pin.kind, pin.package) for pin in all_pins()}
    assert {("python", "apache-flink"), ("python", "pytest"), ("java", "org.apache.kafka:kafka-clients")} <= found


def test_every_jar_that_a_cluster_gets_is_reviewed() -> None:
    """Maven would bring it unnamed, as a dependency of another."""
    given = re.findall(r"<includeArtifactIds>(.+)</includeArtifactIds>", (ROOT / POMS[0]).read_text(encoding="utf-8"))
    named = {pin.package.partition(":")[2] for pin in all_pins() if pin.kind == "java"}
    assert [name for name in given[0].split(",") if name not in named] == []


def test_what_changed_since_the_review_is_named() -> None:
    newer = REDIS._replace(version="5.3.2")
    assert mistakes([REDIS], {REDIS: SEEN}) == []
    assert mistakes([newer], {REDIS: SEEN}) == [
        "redis 5.3.2 is not reviewed",
        "redis 5.3.1 is reviewed and no longer used",
    ]


@pytest.mark.parametrize("licence", ["GPL-3.0", "AGPL-3.0-only", "LGPLv3", "", "Proprietary", "SSPL-1.0"])
def test_licences_that_are_not_taken_are_named(licence: str) -> None:
    elsewhere = Pin("python", "not-installed-here", "1")
    (said,) = mistakes([elsewhere], {elsewhere: SEEN._replace(licence=licence)})
    assert f"a licence we do not take: '{licence}'" in said


def test_what_is_installed_says_itself_what_its_licence_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "licence_of", lambda _: "GPL-3.0")
    assert "a licence we do not take: 'GPL-3.0'" in mistakes([REDIS], {REDIS: SEEN})[0]


def test_licences_are_read_from_what_is_installed() -> None:
    assert "MIT" in (licence_of("redis") or "")
    assert licence_of("not-installed-here") is None


def test_only_junit_is_excused() -> None:
    listed = {pin.package: review.licence for pin, review in read_reviewed().items()}
    assert {name: listed[name] for name in ONLY_IN_TESTS} == {"org.junit.jupiter:junit-jupiter": "EPL-2.0 (tests only)"}


@pytest.mark.parametrize("version", ["", "[1.0,2.0)", "LATEST", "1.0-SNAPSHOT"])
def test_jars_must_be_pinned(version: str) -> None:
    assert list(jars_in(POM.format("1.0"))) == [Pin("java", "g:a", "1.0")]
    with pytest.raises(ValueError, match="g:a has no pinned version"):
        list(jars_in(POM.format(version)))


def test_a_review_keeps_the_day_of_what_did_not_change() -> None:
    other = Pin("java", "g:a", "2")
    before = {REDIS: SEEN, Pin("java", "g:a", "1"): Review("Apache-2.0", "2025-01-01", "none known")}
    lines = reviewed_now([REDIS, other], before, "not asked", "2026-12-01")
    assert lines == [(*other, "Apache-2.0", "2026-12-01", "not asked"), (*REDIS, *SEEN)]


def test_a_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.tsv"
    path.write_text("a\tb\n")
    with pytest.raises(ValueError, match="expected the columns kind, package"):
        read_reviewed(path)
