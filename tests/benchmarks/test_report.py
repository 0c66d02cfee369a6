"""The benchmarks' report: figures, merging, documents, and the arithmetic behind the measurements."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import report
from benchmarks.bars import BARS
from benchmarks.cases import CASES, FAULTS_CASES, MODELS_CASES, RULES_CASES
from benchmarks.cases.case import BenchmarkError, Case, Context, Numbers
from benchmarks.cases.job import throughput
from benchmarks.cases.latency import summary
from benchmarks.cases.latency_readers import Arrivals
from benchmarks.cases.segments_growth import GROUPS_A_USER, definitions, views
from benchmarks.cases.sizes import FULL, QUICK
from benchmarks.cases.worker import Worker, batches, load
from benchmarks.peers.pace import Trace, rate
from benchmarks.plot import plot

MEASURED: dict[str, dict[str, Any]] = {
    "engine_step": {"step_vs_orjson": 9.0},
    "segments_growth": {"ratio": 1.1},
    "users_growth": {"ratio": 1.2},
    "memory": {"bytes_per_profile": 900.0},
    "bare_loop": {"events_per_s": 50_000.0},
    "job": {"events_per_s": 60_000.0},
    "textbook_pyflink": {"events_per_s": 4_000.0},
    "bytewax": {"events_per_s": 20_000.0},
    "latency": {"p50_ms": 80.0, "p99_ms": 700.0},
    "rules_swap": {"pause_s": 0.5, "all_users_s": 40.0},
    "rules_preview": {"seconds": 30.0},
    "rules_lateness": {"usual_ratio": 0.9},
    "rules_thresholds": {"rank_error": 0.001},
    "mutation": {"score": 95.0},
    "faults_kills": {"kills": 20, "lost": 0, "doubled": 0},
    "faults_recovery": {"recovery_s": 12.0},
    "faults_fuzz": {"fuzzed": 1_000_000, "unaccounted": 0},
    "faults_redis": {"catch_up_s": 20.0},
    "faults_soak": {"slope_mib_per_h": 0.5},
    "models_shoppers": {"auc": 0.933, "max_diff": 3e-7},
    "models_batches": {"batch256_vs_1": 0.05},
    "models_job": {"ratio": 0.8},
    "models_cdnow": {"equal": 2_357},
    "models_train_serve": {"equal_share": 1.0},
    "models_drift": {"found_intervals": 1, "false_alarms": 0},
}
KEYS = [
    "job_events_per_s", "job_vs_bare_loop", "job_vs_textbook_pyflink", "job_vs_bytewax", "engine_step_vs_orjson",
    "latency_p50_ms", "latency_p99_ms", "users_1m_vs_10k", "segments_1000_vs_10", "bytes_per_profile",
    "rules_swap_pause_s", "rules_swap_all_users_s", "rules_preview_s", "rules_lateness_ratio",
    "rules_threshold_rank_error",
    "rules_mutation_score",
    "faults_kills", "faults_lost", "faults_doubled", "faults_recovery_s",
    "faults_fuzzed", "faults_unaccounted", "faults_redis_catch_up_s", "faults_soak_slope_mib_per_h",
    "models_shoppers_auc", "models_onnx_max_diff", "models_batch256_vs_1", "models_throughput_ratio",
    "models_cdnow_equal",
    "models_train_serve_equal", "models_drift_found_intervals", "models_false_alarms",
]  # fmt: skip


def test_every_case_has_a_figure_and_every_figure_its_cases() -> None:
    assert [bar.key for bar in BARS] == KEYS
    beside = {"bytewax_light"}  # shown next to the figure that counts
    elsewhere = {"mutation", "faults_soak"}  # measured by `make mutation` and `make soak`
    named = {name for bar in BARS for name in bar.cases}
    assert {case.name for case in (*CASES, *RULES_CASES, *FAULTS_CASES, *MODELS_CASES)} - beside == named - elsewhere


def test_figures_follow_from_the_numbers_of_the_cases() -> None:
    figures = report.figures(MEASURED)
    assert list(figures) == KEYS
    assert figures["job_vs_bare_loop"] == 1.2
    assert figures["job_vs_textbook_pyflink"] == 15
    assert figures["job_vs_bytewax"] == 3
    assert figures["models_onnx_max_diff"] == 3e-7


def test_a_failed_case_leaves_its_figures_empty() -> None:
    figures = report.figures({**MEASURED, "bytewax": {"error": "it broke"}})
    assert figures["job_vs_bytewax"] is None
    assert figures["job_vs_bare_loop"] == 1.2


def test_merging_keeps_what_others_wrote_and_drops_comparisons_of_two_runs() -> None:
    old = report.merge({"recovery_s": 8.0, "details": {"recovery": {"kills": 5}}}, MEASURED)
    merged = report.merge(old, {"job": {"events_per_s": 70_000.0}})
    assert merged["recovery_s"] == 8.0
    assert merged["job_events_per_s"] == 70_000
    assert merged["latency_p50_ms"] == 80
    assert "job_vs_bytewax" not in merged
    assert merged["details"]["recovery"] == {"kills": 5}
    assert merged["details"]["bytewax"] == MEASURED["bytewax"]


def test_each_row_says_whether_its_bound_is_kept() -> None:
    failed = report.merge(report.merge({}, MEASURED), {"memory": {"error": "out of memory"}})
    verdicts = {bar.key: row[3] for bar, row in zip(BARS, report.rows(failed), strict=True)}
    assert verdicts["latency_p50_ms"] == "met"
    assert verdicts["latency_p99_ms"] == "missed"
    assert verdicts["bytes_per_profile"] == "failed"
    assert report.rows({})[0][3] == "not measured"
    rows = {row[0]: row[1:] for row in report.rows({"models_throughput_ratio": 0.69951})}
    assert rows["the job with two models / with none"] == ("0.69951", "≥ 0.7", "missed"), "rounded it would be 0.7"


def test_the_report_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert report.read_report(path) == {}
    written = report.merge({}, MEASURED)
    report.write_report(path, written)
    assert report.read_report(path) == written
    path.write_text("[]")
    with pytest.raises(ValueError, match="no JSON object"):
        report.read_report(path)


def test_the_documents_are_filled_between_their_marks(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(f"before\n{report.BEGIN}\noutdated\n{report.END}\nafter\n")
    report.write_docs(report.merge({}, {**MEASURED, "memory": {"error": "out | of\nmemory"}}), path)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "outdated" not in text
    assert "| `job_vs_bytewax` | 3 | ≥ 2 | met |" in text
    path.write_text("no marks")
    with pytest.raises(ValueError, match="needs the lines"):
        report.write_docs({}, path)


def test_the_shipped_documents_say_what_the_shipped_report_says() -> None:
    assert report.markdown(report.read_report(report.REPORT)) in report.DOCS.read_text(encoding="utf-8")


def test_the_plot_is_drawn_also_when_little_was_measured(tmp_path: Path) -> None:
    for name, content in (("full", report.merge({}, MEASURED)), ("empty", {})):
        plot(content, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_job_is_timed_from_its_first_batch_to_its_last() -> None:
    workers = [
        {"events": 600, "first": 100.0, "last": 102.0, "frames": {"EVENTS": 4}, "busy_s": {"EVENTS": 2.0}},
        {"events": 400, "first": 100.5, "last": 101.5, "frames": {"EVENTS": 4}, "busy_s": {"EVENTS": 1.0}},
    ]
    assert throughput(workers, 1_000)["events_per_s"] == 1_000 / 2.5
    with pytest.raises(BenchmarkError, match="1001 events went in, 1000"):
        throughput(workers, 1_001)


def test_a_trace_tells_the_rate_without_the_warm_up(tmp_path: Path) -> None:
    trace = Trace()
    trace.note(50)
    trace.note(60)
    trace.write(tmp_path / "deep" / "trace.json")
    marks = json.loads((tmp_path / "deep" / "trace.json").read_text())
    assert [count for _, count in marks] == [50, 110, 110]
    assert rate([[(0.0, 100), (10.0, 200), (11.0, 400)]], skip=0.5) == 200


def test_latency_is_the_worse_of_the_two_places_and_leaves_the_warm_up_out() -> None:
    sent = [float(number) for number in range(10)]
    kafka = Arrivals([0, 5, 6], [9.0, 5.010, 6.020])  # type: ignore[arg-type]  # a list serves as well
    redis = Arrivals([5, 6], [5.015, 6.016])  # type: ignore[arg-type]
    numbers = summary(sent, 5.0, kafka, redis)
    assert numbers["kafka_samples"] == 2
    assert numbers["p50_ms"] == pytest.approx(15)
    assert numbers["p99_ms"] == pytest.approx(20)
    with pytest.raises(BenchmarkError, match="nothing was read"):
        summary(sent, 20.0, kafka, redis)


def test_the_worker_handles_every_event_and_ticks() -> None:
    worker = Worker()
    timing = worker.run(load(200, 4_500))
    assert timing.events == worker.applied == 4_500
    assert timing.changes > 0
    assert timing.us_per_event > 0


@pytest.mark.parametrize("segments", [10, 1_000])
def test_a_user_touches_as_many_segments_however_many_there_are(segments: int) -> None:
    worker = Worker(definitions(segments))
    worker.run(batches(views(segments, 4_000), 100))
    profiles = worker.processor.profiles
    widest = max(len(profiles.open(user).features) for user in list(profiles.users()))
    assert len(worker.processor.engine.plan.rules) == segments
    assert widest <= GROUPS_A_USER * 2


def test_sizes_can_only_be_reduced() -> None:
    assert FULL.scaled(None, None, None) is FULL
    small = QUICK.scaled(10_000, 5_000, 900.0)
    assert (small.events, small.users, small.bytewax_events, small.memory_users) == (10_000, 5_000, 10_000, 5_000)
    assert small.latency_rate == 900.0
    assert "reduced" in small.name


def test_a_measurement_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Context) -> Numbers:
        raise BenchmarkError("it [broke]")

    cases = (Case("memory", "breaks", broken), Case("users_growth", "works", lambda _: {"ratio": 1.1}))
    monkeypatch.setattr(command, "CASES", cases)
    path = tmp_path / "report.json"
    path.write_text('{"recovery_s": 8}')
    result = CliRunner().invoke(command.app, ["--quick", "--report", str(path)])
    assert result.exit_code == 1
    assert "it [broke]" in result.output
    written = json.loads(path.read_text())
    assert written["recovery_s"] == 8
    assert written["users_1m_vs_10k"] == 1.1
    assert written["bytes_per_profile"] is None
    assert written["details"]["users_growth"]["scale"] == "quick"
    assert path.with_suffix(".png").is_file()


def test_an_unknown_measurement_is_named() -> None:
    result = CliRunner().invoke(command.app, ["--only", "speed"])
    assert result.exit_code == 2
    assert "speed" in result.output
