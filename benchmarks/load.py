"""The load generator's command line: traffic into a file, to standard output or to a Kafka topic.

python -m benchmarks.load shop --users 2000 --events 100000 --out events.ndjson.gz
python -m benchmarks.load uniform --users 1000000 --events 5000000 --bootstrap-servers localhost:9092 --topic events
"""

import gzip
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from benchmarks.simulator import Distribution, simulate, uniform_load
from jobs.player import PlayError, Progress, play

app = typer.Typer(add_completion=False)
_DEFAULT_START = "2026-01-01T00:00:00+00:00"


class Traffic(StrEnum):
    """What to generate: `shop` has sessions, carts and disturbances; `uniform` and `zipf` are the benchmarks' load."""

    SHOP = "shop"
    UNIFORM = "uniform"
    ZIPF = "zipf"


@app.command()
def load(  # noqa: PLR0913, PLR0917 - every argument is an option of the command line
    traffic: Traffic,
    users: Annotated[int, typer.Option(min=1)] = 2_000,
    events: Annotated[int, typer.Option(min=0)] = 100_000,
    seed: int = 1,
    start: Annotated[str, typer.Option(help="time of the first event, ISO 8601")] = _DEFAULT_START,
    days: Annotated[float | None, typer.Option(help="event time to fill (shop only; default: natural pace)")] = None,
    out: Annotated[Path | None, typer.Option(help="NDJSON file, gzipped when it ends in .gz")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="Kafka, host:port")] = None,
    topic: str = "events",
    rate: Annotated[float | None, typer.Option(help="events per second to send")] = None,
    speed: Annotated[float | None, typer.Option(help="event time per real time")] = None,
) -> None:
    """Generate traffic; without --out and --bootstrap-servers it goes to standard output."""
    start_ms = start_to_ms(start)
    records = _records(traffic, users, events, seed, start_ms, days)
    if bootstrap_servers is not None:
        _send(records, bootstrap_servers, topic, rate, speed)
        return
    count = write_records(records, out)
    typer.echo(f"{count} events" + (f" in {out}" if out else ""), err=True)


def start_to_ms(text: str) -> int:
    """Return ISO 8601 as ms since 1970, UTC where it names no zone; raises typer.BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no time; write for example {_DEFAULT_START}") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def write_records(records: Iterable[bytes], out: Path | None) -> int:
    """Write one record a line to a file, or to standard output when `out` is None; returns how many."""
    if out is None:
        return _write(records, sys.stdout.buffer)
    if out.suffix == ".gz":
        with gzip.open(out, "wb", compresslevel=3) as file:
            return _write(records, cast("BinaryIO", file))
    with out.open("wb") as file:
        return _write(records, file)


def _write(records: Iterable[bytes], file: BinaryIO) -> int:
    count = 0
    for record in records:
        file.write(record + b"\n")
        count += 1
    return count


def _records(
    traffic: Traffic, users: int, events: int, seed: int, start_ms: int, days: float | None
) -> Iterator[bytes]:
    if traffic is Traffic.SHOP:
        return simulate(users, events, seed, start_ms, days=days)
    distribution: Distribution = "zipf" if traffic is Traffic.ZIPF else "uniform"
    return uniform_load(users, events, seed, start_ms, distribution=distribution)


def _send(
    records: Iterable[bytes], bootstrap_servers: str, topic: str, rate: float | None, speed: float | None
) -> None:
    try:
        done = play(records, bootstrap_servers, topic, rate=rate, speed=speed, on_progress=_show)
    except (PlayError, ValueError) as error:
        typer.echo(f"\n{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"\nsent {done.sent} events at {done.events_per_s:,.0f}/s, {done.failed} refused", err=True)
    if done.failed:
        typer.echo(f"first refusal: {done.first_error}", err=True)
        raise typer.Exit(1)


def _show(progress: Progress) -> None:
    typer.echo(f"\rsent {progress.sent} ({progress.events_per_s:,.0f}/s)", err=True, nl=False)


if __name__ == "__main__":
    app()
