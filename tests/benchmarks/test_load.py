"""The load generator's command line."""

import gzip
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.load import app
from benchmarks.simulator import simulate, uniform_load

START = 1_767_225_600_000


def test_files_hold_what_the_generators_yield(tmp_path: Path) -> None:
    shop, uniform = tmp_path / "shop.ndjson.gz", tmp_path / "uniform.ndjson"
    common = ["--users", "20", "--events", "200", "--seed", "5"]
    assert CliRunner().invoke(app, ["shop", *common, "--out", str(shop)]).exit_code == 0
    assert CliRunner().invoke(app, ["uniform", *common, "--out", str(uniform)]).exit_code == 0
    assert gzip.decompress(shop.read_bytes()).split(b"\n")[:-1] == list(simulate(20, 200, 5, START))
    assert uniform.read_bytes().split(b"\n")[:-1] == list(uniform_load(20, 200, 5, START))


def test_a_bad_time_is_an_error() -> None:
    result = CliRunner().invoke(app, ["shop", "--start", "soon"])
    assert result.exit_code == 2
    assert "is no time" in result.output
