"""What the code offers is documented: conditions, settings, metrics, reasons, uids, commands, targets."""

import ast
import re
from collections.abc import Iterator

import pytest
import yaml

from jobs.settings import Settings
from segments.conditions import KINDS
from segments.outcome import Outcome
from tests.docs.pages import ROOT, page, pages
from tests.udfs.redis_support import made
from udfs.frames import FAULTS
from udfs.metrics import WorkerMetrics

SECTIONS = {name: set(section) for name, section in Settings().model_dump().items()}
VARIABLE = re.compile(r"SEGMENTS__([A-Z_]+?)__([A-Z_]+)")
KEY = re.compile(rf"({'|'.join(SECTIONS)})\.(\w+)")


def test_every_condition_has_its_row_and_its_timelines() -> None:
    rows = set(page("docs/conditions.md").first_cells())
    assert sorted(set(KINDS) - rows) == []
    with_a_model = {"model": "tests/segments/models/model.yaml"}
    cases = {kind: with_a_model.get(kind, f"tests/cases/{kind}.yaml") for kind in KINDS}
    assert [kind for kind, path in cases.items() if not (ROOT / path).is_file()] == []


def test_the_readme_names_every_condition() -> None:
    assert sorted(set(KINDS) - set(page("README.md").spans())) == []
    assert len(KINDS) == 21, "README.md and CHANGELOG.md say how many kinds there are"


def test_every_setting_is_in_the_shipped_file() -> None:
    shipped = yaml.safe_load((ROOT / "conf/job.yaml").read_text(encoding="utf-8"))
    assert {name: set(section) for name, section in shipped.items()} == SECTIONS


@pytest.mark.parametrize("name", [each.name for each in pages()])
def test_named_settings_exist(name: str) -> None:
    keys = [match for span in page(name).spans() if (match := KEY.fullmatch(span))]
    unknown = [match[0] for match in keys if match[2] not in SECTIONS[match[1]]]
    for section, key in VARIABLE.findall(page(name).text):
        plain = key.removesuffix("_FILE")  # any setting may come from a file
        if (section, key) != ("SECTION", "KEY") and plain.lower() not in SECTIONS.get(section.lower(), set()):
            unknown.append(f"SEGMENTS__{section}__{key}")
    assert unknown == []


class Group:
    """A metric group that remembers the names asked for."""

    def __init__(self, names: set[str], prefix: str = "") -> None:
        self.names = names
        self.prefix = prefix

    def counter(self, name: str) -> "Group":
        self.names.add(self.prefix + name)
        return self

    def add_group(self, name: str, value: str) -> "Group":
        return Group(self.names, f"{name}.<{value}>.")

    def gauge(self, name: str, _: object) -> None:
        self.names.add(self.prefix + name)

    def inc(self, count: int = 1) -> None:
        """Count nothing."""


def test_every_metric_is_in_the_runbook() -> None:
    names: set[str] = set()
    metrics = WorkerMetrics(Group(names), None)
    metrics.processed(Outcome(), 0)
    metrics.rejected("reason")
    metrics.tell(lambda: 1, lambda: 0, lambda: 0)
    redis = made("redis://127.0.0.1:1/0")
    metrics.watch_redis(redis)
    redis.close()
    assert names
    assert sorted(names - set(page("docs/operations.md").spans())) == []


def rejections() -> Iterator[str]:
    """Every reason that the source names: first arguments of RejectedEvent, and the bridge's faults."""
    for folder in ("segments", "udfs"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Name(id="RejectedEvent"), args=[ast.Constant(value=str(reason)), *_]):
                        yield reason


def test_every_reason_is_explained() -> None:
    events = page("docs/events.md")
    table = events.text.partition("| reason | what is wrong |")[2].partition("\n\n")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    possible = {*rejections(), *(reason for reason, _ in FAULTS.values())}
    assert documented == possible


def failures() -> Iterator[str]:
    """Every reason of a dead letter that no event stands for."""
    for folder in ("segments", "udfs"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Name(id="failure"), args=[ast.Constant(value=str(reason)), *_]):
                        yield reason


def test_every_failure_is_in_the_runbook() -> None:
    table = page("docs/operations.md").text.partition("| reason | what failed |")[2].partition("\n\n")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert documented == {*failures(), "failed", "failed_model"}


def test_every_uid_is_in_the_runbook() -> None:
    sources = [ROOT / "jobs/graph.py", *(ROOT / "jobs/bridge/src/main").rglob("*.java")]
    uids = {uid for source in sources for uid in re.findall(r'\.uid\("([\w-]+)"\)', source.read_text(encoding="utf-8"))}
    assert uids
    assert sorted(uids - set(page("docs/operations.md").spans())) == []


def test_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        word
        for each in pages()
        for span in [*each.spans(), *"\n".join(each.blocks("")).splitlines()]
        if span.startswith("make ")
        for word in span.partition("#")[0].split()[1:]
        if re.fullmatch(r"[a-z-]+", word)
    }
    assert sorted(named - targets) == []
