"""A release in a running job with all users in state: how long events wait meanwhile, and when all users follow."""

from __future__ import annotations

import time

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.rules_preview import stricter
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import ROOT, SETTINGS_PATH, START_MS, STEP_MS
from benchmarks.probes import PROBES_PER_S, Probes, probing
from jobs.control_topic import read_history
from jobs.release import await_release, write_release
from jobs.release_planning import Intent, planned
from jobs.settings import load_settings
from jobs.stack.waiting import wait_until

NAME = "swap"
QUIET_S = 10.0  # of watching before the release
_EVENTS_A_USER = 2
_SUBMIT_TIMEOUT_S = 60.0
_CATCH_UP_TIMEOUT_S = 900.0
_SWEEP_TIMEOUT_S = 300.0


def measure(context: Context) -> Numbers:
    """Return the longest time (s) that an event waited during the swap, and until all users were judged anew."""
    servers, users = context.servers, context.sizes.swap_users
    servers.prepare(NAME)
    topic = servers.filled(users, _EVENTS_A_USER * users, context.say)
    environment = servers.environment(NAME, topic)
    job = servers.stack.submit(["-py", "jobs/segmentation.py", "--settings", str(SETTINGS_PATH)], environment)
    try:
        wait_until(lambda: servers.stack.rest.tasks_running(job), _SUBMIT_TIMEOUT_S, "the job's tasks to run")
        first_time = START_MS + _EVENTS_A_USER * users * STEP_MS
        with probing(servers.stack.bootstrap_servers, topic, output_topic(NAME, "changes"), first_time) as probes:
            context.say(f"the job takes {users:,} users into its state")
            wait_until(lambda: bool(probes.arrived), _CATCH_UP_TIMEOUT_S, "the job to catch up")
            time.sleep(QUIET_S)  # measured without a release, for comparison
            numbers = _release(context, environment, probes)
        if (state := servers.stack.job_state(job)) != "RUNNING":
            raise BenchmarkError(f"the job is {state}: {servers.stack.rest.root_exception(job)[-2_000:]}")
        return {"users": servers.redis_users(), **numbers}
    finally:
        servers.stack.cancel(job)


def _release(context: Context, environment: dict[str, str], probes: Probes) -> Numbers:
    settings = load_settings(SETTINGS_PATH, environment)
    history = read_history(settings.kafka)
    definitions = stricter((ROOT / "conf" / "segments.yaml").read_text(encoding="utf-8"))
    effective = probes.newest_time() + 1_000 * STEP_MS // PROBES_PER_S
    release = planned(history, Intent("release", definitions, at=effective), int(time.time() * 1_000), None)
    before = probes.longest_wait(time.time() - QUIET_S, time.time())
    context.say("releases")
    started = time.time()
    write_release(settings.kafka, release)
    done = await_release(
        settings.kafka,
        release,
        settings.flink.shards,
        _SWEEP_TIMEOUT_S,
        lambda progress: context.say(f"{progress.users:,} users judged, {progress.shards} shards done"),
    )
    ended = time.time()
    if done is None:
        raise BenchmarkError(f"not all shards had followed the release after {_SWEEP_TIMEOUT_S:.0f} s")
    time.sleep(2.0)  # for the probes sent last
    return {
        "judged": done.users,
        "changes": done.changes,
        "all_users_s": ended - started,
        "pause_s": probes.longest_wait(started, ended),
        "longest_wait_before_s": before,
    }
