"""What a measurement gets and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.cases.servers import Servers
from benchmarks.cases.sizes import Sizes

Numbers = dict[str, float | int | str]


class BenchmarkError(RuntimeError):
    """A measurement that says nothing, because what it measures did not do its work; the message says what happened."""


@dataclass(frozen=True)
class Context:
    """Sizes, the servers (started when first asked for), the job's rate so far (events/s) and where to say progress."""

    sizes: Sizes
    servers: Servers
    job_rate: Callable[[], float | None]
    say: Callable[[str], None]


class Case(NamedTuple):
    """One measurement: its name in the report, what people read while it runs, and the function."""

    name: str
    title: str
    measure: Callable[[Context], Numbers]
