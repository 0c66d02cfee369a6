"""The figures of the report: what each says, how it follows from the cases' numbers, and the bound it has to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from segments.population.summary import RANK_ERROR

Cases = Mapping[str, Mapping[str, Any]]


class Bar(NamedTuple):
    """A figure of the report: what it says, how it follows from the cases' numbers, and the bound it has to keep."""

    key: str
    text: str
    cases: tuple[str, ...]
    figure: Callable[[Cases], float]
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Say whether the figure keeps its bound."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def bound(self) -> str:
        """Return the bound as people read it."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"


def _ratio(case: str, other: str) -> Callable[[Cases], float]:
    return lambda cases: float(cases[case]["events_per_s"] / cases[other]["events_per_s"])


def _number(case: str, name: str) -> Callable[[Cases], float]:
    return lambda cases: float(cases[case][name])


BARS = (
    Bar("job_events_per_s", "the job, events/s", ("job",), _number("job", "events_per_s")),
    Bar(
        "job_vs_bare_loop", "the job / one-core bare loop", ("job", "bare_loop"), _ratio("job", "bare_loop"), at_least=1
    ),
    Bar(
        "job_vs_textbook_pyflink",
        "the job / textbook PyFlink",
        ("job", "textbook_pyflink"),
        _ratio("job", "textbook_pyflink"),
        at_least=10,
    ),
    Bar("job_vs_bytewax", "the job / Bytewax", ("job", "bytewax"), _ratio("job", "bytewax"), at_least=2),
    Bar(
        "engine_step_vs_orjson",
        "one engine step / orjson.loads",
        ("engine_step",),
        _number("engine_step", "step_vs_orjson"),
        at_most=12,
    ),
    Bar("latency_p50_ms", "latency p50, ms", ("latency",), _number("latency", "p50_ms"), at_most=150),
    Bar("latency_p99_ms", "latency p99, ms", ("latency",), _number("latency", "p99_ms"), at_most=600),
    Bar(
        "users_1m_vs_10k",
        "cost of an event, many users / 10 k",
        ("users_growth",),
        _number("users_growth", "ratio"),
        at_most=1.3,
    ),
    Bar(
        "segments_1000_vs_10",
        "cost of an event, 1,000 segments / 10",
        ("segments_growth",),
        _number("segments_growth", "ratio"),
        at_most=1.5,
    ),
    Bar(
        "bytes_per_profile",
        "memory of a profile, bytes",
        ("memory",),
        _number("memory", "bytes_per_profile"),
        at_most=1024,
    ),
    Bar(
        "rules_swap_pause_s",
        "a release: the longest an event waits, s",
        ("rules_swap",),
        _number("rules_swap", "pause_s"),
        at_most=2,
    ),
    Bar(
        "rules_swap_all_users_s",
        "a release: until all users follow it, s",
        ("rules_swap",),
        _number("rules_swap", "all_users_s"),
        at_most=60,
    ),
    Bar(
        "rules_preview_s",
        "a preview over recorded events, s",
        ("rules_preview",),
        _number("rules_preview", "seconds"),
        at_most=90,
    ),
    Bar(
        "rules_lateness_ratio",
        "throughput out of order / in order",
        ("rules_lateness",),
        _number("rules_lateness", "usual_ratio"),
        at_least=0.85,
    ),
    Bar(
        "rules_threshold_rank_error",
        "thresholds: rank error on all users, share of them",
        ("rules_thresholds",),
        _number("rules_thresholds", "rank_error"),
        at_most=RANK_ERROR,
    ),
    Bar(
        "rules_mutation_score",
        "mutants of the rules noticed, %",
        ("mutation",),
        _number("mutation", "score"),
        at_least=90,
    ),
    Bar("faults_kills", "kill -9 under load, times", ("faults_kills",), _number("faults_kills", "kills")),
    Bar(
        "faults_lost",
        "changes lost over these kills",
        ("faults_kills",),
        _number("faults_kills", "lost"),
        at_most=0,
    ),
    Bar(
        "faults_doubled",
        "changes doubled over these kills, for a read_committed consumer",
        ("faults_kills",),
        _number("faults_kills", "doubled"),
        at_most=0,
    ),
    Bar(
        "faults_recovery_s",
        "from a kill to the next event handled, s",
        ("faults_recovery",),
        _number("faults_recovery", "recovery_s"),
        at_most=30,
    ),
    Bar("faults_fuzzed", "mutated events, number", ("faults_fuzz",), _number("faults_fuzz", "fuzzed")),
    Bar(
        "faults_unaccounted",
        "of these: neither processed nor a dead letter, or another fate than in a replay",
        ("faults_fuzz",),
        _number("faults_fuzz", "unaccounted"),
        at_most=0,
    ),
    Bar(
        "faults_redis_catch_up_s",
        "Redis away under load and back with nothing: until it equals the topic, s",
        ("faults_redis",),
        _number("faults_redis", "catch_up_s"),
        at_most=120,
    ),
    Bar(
        "faults_soak_slope_mib_per_h",
        "growth of memory under a steady load, MiB an hour",
        ("faults_soak",),
        _number("faults_soak", "slope_mib_per_h"),
        at_most=5,
    ),
    Bar(
        "models_shoppers_auc",
        "Online Shoppers, mean held-out ROC-AUC of five splits",
        ("models_shoppers",),
        _number("models_shoppers", "auc"),
        at_least=0.935,
    ),
    Bar(
        "models_onnx_max_diff",
        "ONNX against scikit-learn, largest difference of a probability",
        ("models_shoppers",),
        _number("models_shoppers", "max_diff"),
        at_most=1e-5,
    ),
    Bar(
        "models_batch256_vs_1",
        "cost of a score, 256 at once / one",
        ("models_batches",),
        _number("models_batches", "batch256_vs_1"),
        at_most=1 / 8,
    ),
    Bar(
        "models_throughput_ratio",
        "the job with two models / with none",
        ("models_job",),
        _number("models_job", "ratio"),
        at_least=0.7,
    ),
    Bar(
        "models_cdnow_equal",
        "CDNOW customers with the published summary",
        ("models_cdnow",),
        _number("models_cdnow", "equal"),
        at_least=2_357,
    ),
    Bar(
        "models_train_serve_equal",
        "training features = serving features, share of pairs",
        ("models_train_serve",),
        _number("models_train_serve", "equal_share"),
        at_least=1,
    ),
    Bar(
        "models_drift_found_intervals",
        "drift: intervals until a shift is found",
        ("models_drift",),
        _number("models_drift", "found_intervals"),
        at_most=1,
    ),
    Bar(
        "models_false_alarms",
        "drift: alarms in 20 steady runs",
        ("models_drift",),
        _number("models_drift", "false_alarms"),
        at_most=0,
    ),
)
