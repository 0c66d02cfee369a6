"""Runs a measurement in a fresh Python process that has one core for itself."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def fresh_process() -> ProcessPoolExecutor:
    """Return an executor of one new process, which shares nothing with this one and keeps its memory between calls."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what the function returns in a new process pinned to the last core; its exception is raised here."""
    with fresh_process() as pool:
        pool.submit(_pin).result()
        return pool.submit(function, *args, **kwargs).result()


def _pin() -> None:
    if hasattr(os, "sched_setaffinity"):  # Linux only
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
