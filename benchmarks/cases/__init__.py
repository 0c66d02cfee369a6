"""The measurements, in the order in which they run: first those that need no servers."""

from benchmarks.cases import (
    bare_loop,
    bytewax,
    engine_step,
    faults_fuzz,
    faults_kills,
    faults_recovery,
    faults_redis,
    job,
    latency,
    memory,
    models_batches,
    models_job,
    models_learning,
    moving_thresholds,
    rules_lateness,
    rules_preview,
    rules_swap,
    segments_growth,
    textbook_pyflink,
    users_growth,
)
from benchmarks.cases.case import BenchmarkError, Case, Context, Numbers

CASES = (
    Case("engine_step", "one step of the engine against orjson.loads", engine_step.measure),
    Case("segments_growth", "1,000 segments against 10", segments_growth.measure),
    Case("users_growth", "many users against few", users_growth.measure),
    Case("memory", "memory of a profile", memory.measure),
    Case("bare_loop", "bare loop of the engine on one core", bare_loop.measure),
    Case("job", "the job: Kafka, Flink, Redis", job.measure),
    Case("textbook_pyflink", "textbook PyFlink with the same engine", textbook_pyflink.measure),
    Case("bytewax", "Bytewax with the same engine, outputs and checkpoints", bytewax.measure),
    Case("bytewax_light", "Bytewax with the same engine, no checkpoints, no memberships", bytewax.measure_light),
    Case("latency", "latency at half the job's throughput", latency.measure),
)

RULES_CASES = (
    Case("rules_lateness", "events out of order against events in order", rules_lateness.measure),
    Case("rules_thresholds", "moving thresholds on many users", moving_thresholds.measure),
    Case("rules_preview", "a preview over recorded events", rules_preview.measure),
    Case("rules_swap", "a release in the running job", rules_swap.measure),
)

FAULTS_CASES = (
    Case("faults_recovery", "recovery after a kill, with many users in state", faults_recovery.measure),
    Case("faults_fuzz", "mutated events through the job", faults_fuzz.measure),
    Case("faults_kills", "kill -9 of TaskManagers and Python workers under load", faults_kills.measure),
    Case("faults_redis", "Redis away under load, and back with nothing", faults_redis.measure),
)

MODELS_CASES = (
    Case("models_shoppers", "Online Shoppers: five splits, ONNX", models_learning.shoppers),
    Case("models_batches", "cost of a score, alone and in batches", models_batches.batches),
    Case("models_cdnow", "recency, frequency and monetary value of CDNOW", models_learning.cdnow),
    Case("models_train_serve", "training features against serving features", models_learning.train_serve),
    Case("models_job", "the job with two models against the job with none", models_job.measure),
    Case("models_drift", "drift: false alarms, and how soon a shift is found", models_learning.drift_found),
)

__all__ = ["CASES", "FAULTS_CASES", "MODELS_CASES", "RULES_CASES", "BenchmarkError", "Case", "Context", "Numbers"]
