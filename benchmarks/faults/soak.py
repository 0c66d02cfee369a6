"""Whether the job's memory stays flat under a steady load: `python -m benchmarks.faults.soak --minutes 60`.

The users are a fixed crowd who come about four times a day of event time. The first fifth of the run is thirty days of
it, the longest window of the shipped segments, so what is kept of the users does not grow any more after that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.cases.case import Numbers
from benchmarks.faults.live_run import LiveRun, RunOptions, live_run, own_stack
from benchmarks.faults.load import EVENTS_A_USER_AND_DAY, LoadOptions
from benchmarks.faults.memory import Sample, Sampler, write_samples
from benchmarks.faults.slope import Slope, slope_of
from benchmarks.faults.verdict import Verdict, judge
from benchmarks.plot import plot_memory
from benchmarks.report import REPORT, merge, read_report, write_docs, write_report
from benchmarks.surroundings import surroundings
from jobs.stack.flink_config import ClusterSize
from jobs.stack.signals import exit_on_signals

CASE = "faults_soak"
SETTLING = 0.2  # of the run: thirty days of event time
WARM_UP = 0.5  # of the run: what a checkpoint does is compiled for good after 50 of them
SAMPLE_S = 10.0
_LONGEST_WINDOW_DAYS = 30
_FEWEST_USERS = 50

app = typer.Typer(add_completion=False)
console = Console(highlight=False)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=4, help="how long")] = 60,
    rate: Annotated[float, typer.Option(min=10, help="events per second")] = 300,
    seed: Annotated[int, typer.Option(help="of the traffic")] = 1,
    report: Annotated[Path, typer.Option(help="file that the figures are merged into")] = REPORT,
) -> None:
    """Run the job, sample its processes every ten seconds, fit a line through each and merge the figures.

    Writes soak.csv and soak.png beside the report. Exit codes: 0 measured, 1 the job failed or its output is wrong.
    """
    started = surroundings(f"{minutes:g} minutes")
    samples, verdict = _run(minutes, rate, seed)
    write_samples(report.with_name("soak.csv"), samples)
    numbers = figures(samples, verdict)
    plot_memory(samples, samples[-1].hours * WARM_UP, report.with_name("soak.png"))
    merged = merge(read_report(report), {CASE: {**numbers, **started}})
    write_report(report, merged)
    if report == REPORT:
        write_docs(merged)
    for name, value in numbers.items():
        console.print(f"  {name:<28} {value:>16,.3f}" if isinstance(value, float) else f"  {name:<28} {value:>16}")
    if not verdict.good:
        console.print(f"the output is not that of the replay: {verdict}")
        raise typer.Exit(1)


def users_for(minutes: float, rate: float) -> int:
    """Return how many users make the settling part of the run thirty days long.

    >>> users_for(60, 300)
    1800
    """
    settled = SETTLING * minutes * 60 * rate  # events
    return max(_FEWEST_USERS, round(settled / (_LONGEST_WINDOW_DAYS * EVENTS_A_USER_AND_DAY)))


def _run(minutes: float, rate: float, seed: int) -> tuple[list[Sample], Verdict]:
    load = LoadOptions(users=users_for(minutes, rate), rate=rate, seed=seed, shop=False)
    options = RunOptions(load=load, checkpoint_interval="10s", shards=128)
    size = ClusterSize(task_managers=options.parallelism, long_lived=True)
    with own_stack("soak", size) as stack, live_run(stack, options) as run:
        samples = _sampled(run, minutes * 60)
        return samples, judge(run.settings, run.finish())


def _sampled(run: LiveRun, seconds: float) -> list[Sample]:
    run.await_checkpoint()
    sampler, begin, samples = Sampler(run), time.monotonic(), list[Sample]()
    while (passed := time.monotonic() - begin) < seconds:
        run.check()
        samples.append(sampler.sample())
        if len(samples) % 30 == 1:
            newest = samples[-1]
            console.print(f"{passed / 60:5.1f} min  JVMs {newest.jvm:,.1f} MiB, Python {newest.python:,.1f} MiB")
        time.sleep(max(0.0, min(len(samples) * SAMPLE_S, seconds) - (time.monotonic() - begin)))
    return samples


def figures(samples: Sequence[Sample], verdict: Verdict) -> Numbers:
    """Return the slopes after the warm-up in MiB an hour, each with the ends of its 95 % confidence interval.

    `slope_mib_per_h` is that of the JVMs' or the Python workers' resident memory, whichever grows faster.
    """
    warm = [sample for sample in samples if sample.hours >= samples[-1].hours * WARM_UP]
    hours = [sample.hours for sample in warm]
    kinds: dict[str, Callable[[Any], float]] = {
        "heap": min,
        **dict.fromkeys(("jvm", "python", "non_heap", "direct"), median),
    }
    slopes = {name: slope_of(hours, [getattr(each, name) for each in warm], kind) for name, kind in kinds.items()}
    return {
        "minutes": round(60 * samples[-1].hours, 1),
        "events": verdict.events,
        "changes": verdict.changes,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "slope_mib_per_h": max(slopes["jvm"].value, slopes["python"].value),
        "jvm_mib": median(sample.jvm for sample in warm),
        "python_mib": median(sample.python for sample in warm),
        **{f"{name}_{key}": value for name, slope in slopes.items() for key, value in _told(slope).items()},
    }


def _told(slope: Slope) -> dict[str, float | str]:
    named = {"mib_per_h": slope.value, "low": slope.low, "high": slope.high}
    return {**{name: round(value, 3) for name, value in named.items()}, "is": "noise" if slope.is_noise else "a trend"}


if __name__ == "__main__":
    exit_on_signals()
    app()
