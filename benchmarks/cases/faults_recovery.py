"""A kill -9 with many users in state: how long until events are handled again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import median

from benchmarks.cases.case import Context, Numbers
from benchmarks.faults.acts import kill_jvm, kill_python_worker
from benchmarks.faults.live_run import LiveRun, RunOptions, live_run, own_stack
from benchmarks.faults.load import LoadOptions
from benchmarks.faults.recovery import STAGES, Recovery, measure_recovery
from benchmarks.probes import probing

RUN = "faults"
_EVENTS_A_USER = 2
_LOAD_RATE = 30_000.0  # more than the job takes
_CATCH_UP_TIMEOUT_S = 900.0


def measure(context: Context) -> Numbers:
    """Return the longest time (s) from a kill of a TaskManager or a Python worker to the next event handled."""
    users = context.sizes.recovery_users
    load = LoadOptions(users=users, events=_EVENTS_A_USER * users, rate=_LOAD_RATE, shop=False)
    options = RunOptions(load=load, delivery="at_least_once", shards=128, checkpoint_interval="10s", restart_delay="1s")
    with own_stack(RUN, high_availability=False) as stack, live_run(stack, options) as run:
        context.say(f"the job takes {users:,} users into its state")
        run.wait_for(lambda: run.load.sent >= load.events, "the users to be played", _CATCH_UP_TIMEOUT_S)
        run.await_caught_up(_CATCH_UP_TIMEOUT_S)
        found = {name: _kill(context, run, name, kill) for name, kill in _KILLS.items()}
    worst = max(found.values(), key=lambda recovery: recovery.seconds["processing"])
    return {
        "users": users,
        "recovery_s": worst.seconds["processing"],
        **{f"{name}_s": recovery.seconds["processing"] for name, recovery in found.items()},
        **{
            f"until_{stage}_s": median(each.seconds.get(stage, 0.0) for each in found.values()) for stage in STAGES[:-1]
        },
    }


def _kill(context: Context, run: LiveRun, name: str, kill: Callable[[LiveRun], None]) -> Recovery:
    kafka = run.settings.kafka
    first_time = run.load.event_time + 1_000
    with probing(kafka.bootstrap_servers, run.events_topic, kafka.changes_topic, first_time, name) as probes:
        run.wait_for(lambda: bool(probes.arrived), "the probes to come through")
        run.await_checkpoint()
        recovery = measure_recovery(run, probes, lambda: kill(run))
    context.say(f"{name}: {recovery}")
    run.await_caught_up()
    return recovery


_KILLS: dict[str, Callable[[LiveRun], None]] = {
    "task_manager": lambda run: kill_jvm(run, "taskmanager-1"),
    "python_worker": lambda run: kill_python_worker(run, Random(1)),  # noqa: S311 - any will do
    "other_task_manager": lambda run: kill_jvm(run, "taskmanager-2"),
}
