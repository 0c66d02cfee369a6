"""How the local cluster's JVMs are started: what they compile when, and what the C library keeps for their threads."""

from pathlib import Path

import pytest

from jobs.stack.flink_cluster import flink_environment
from jobs.stack.flink_config import ClusterSize, taskmanager_command
from jobs.stack.jvm import CLIENT_JVM, COMPILE_EARLY, COMPILE_LATE, ONE_CODE_CACHE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "shipped.yaml").write_text("env: {java: {opts: {all: --add-opens=x=y}}}")
    return tmp_path


@pytest.mark.parametrize("long_lived", [True, False])
def test_a_jvm_that_lives_long_takes_its_heap_and_compiles_at_once(home: Path, long_lived: bool) -> None:
    size = ClusterSize(1, long_lived=long_lived)
    command = taskmanager_command(home, Path("java"), home / "log", size)
    assert ("-XX:+AlwaysPreTouch" in command) is long_lived
    assert (ONE_CODE_CACHE in command) is long_lived
    assert any(each in command for each in COMPILE_EARLY) is long_lived
    assert any(each in command for each in COMPILE_LATE) is not long_lived


def test_a_hundred_threads_share_two_arenas_unless_the_environment_says_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert flink_environment(home, Path("jdk"))["MALLOC_ARENA_MAX"] == "2"
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    assert flink_environment(home, Path("jdk"))["MALLOC_ARENA_MAX"] == "8"


def test_a_client_compiles_quickly_unless_the_environment_says_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JVM_ARGS", raising=False)
    assert flink_environment(home, Path("jdk"))["JVM_ARGS"] == CLIENT_JVM
    monkeypatch.setenv("JVM_ARGS", "-Xmx1g")
    assert flink_environment(home, Path("jdk"))["JVM_ARGS"] == "-Xmx1g"
