"""Beam's own StateSampler, with and without its thread."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from udfs import beam_sampler

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Beam's own dependencies
    statesampler: Any = import_module("apache_beam.runners.worker.statesampler")  # Beam is not typed
    counters: Any = import_module("apache_beam.utils.counters")
AS_SHIPPED = {method: getattr(statesampler.StateSampler, method) for method in ("start", "stop")}


@pytest.fixture
def sampler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for method, shipped in AS_SHIPPED.items():  # a worker that another test opened may have switched it off
        monkeypatch.setattr(statesampler.StateSampler, method, shipped)
    yield statesampler.StateSampler("test", counters.CounterFactory())
    assert statesampler.get_current_tracker() is None


def test_a_bundle_starts_no_thread_and_ends(sampler: Any) -> None:
    beam_sampler.switch_off()
    threads = threading.active_count()
    for _ in range(3):
        sampler.start()
        assert threading.active_count() == threads
        assert statesampler.get_current_tracker() is sampler
        with sampler.scoped_state("step", "process"):
            pass
        sampler.stop()
        assert statesampler.get_current_tracker() is None
        sampler.reset()


def test_the_bundle_in_which_it_is_switched_off_ends_as_it_began(sampler: Any) -> None:
    threads = threading.active_count()
    sampler.start()
    beam_sampler.switch_off()
    assert threading.active_count() == threads + 1
    sampler.stop()
    assert threading.active_count() == threads
    sampler.reset()
    sampler.start()
    assert threading.active_count() == threads
    sampler.stop()


def test_switching_it_off_twice_changes_nothing_more(sampler: Any) -> None:
    beam_sampler.switch_off()
    quiet = statesampler.StateSampler.stop
    beam_sampler.switch_off()
    assert statesampler.StateSampler.stop is quiet
    sampler.start()
    sampler.stop()


def test_where_beam_is_not_loaded_there_is_nothing_to_do(sampler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "apache_beam.runners.worker.statesampler")
    beam_sampler.switch_off()
    assert not getattr(type(sampler).start, "is_quiet", False)
