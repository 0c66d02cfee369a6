"""Redis away for minutes under load, back with nothing: how soon it equals the topic, and what was lost meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import redis

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.judged import figures, judged
from benchmarks.faults.live_run import LiveRun, RunOptions, live_run, own_stack
from benchmarks.faults.load import LoadOptions
from jobs.stack.redis_server import ping
from udfs.redis_entries import SEQ_FIELD, USER_KEY, WHOLE_KEY

RUN = "faults-redis"
RATE = 5_000.0  # events/s
SEED = 1
SHARDS = 128
_BEFORE_S = 30
_CATCH_UP_TIMEOUT_S = 600.0
_DRAIN_TIMEOUT_S = 1_800.0
_WATCHED = 200


def measure(context: Context) -> Numbers:
    """Return the seconds from Redis's return until it equals the topic, and what was lost, doubled or out of order."""
    away_s, users = context.sizes.redis_away_s, context.sizes.redis_users
    load = LoadOptions(users=users, rate=RATE, seed=SEED)
    with own_stack(RUN, high_availability=False) as stack, live_run(stack, RunOptions(load, shards=SHARDS)) as run:
        run.await_sent(int(_BEFORE_S * RATE))
        watched = Watched(stack.redis_url)
        context.say(f"Redis goes away for {away_s} s")
        before, began = run.handled(), time.monotonic()
        stack.kill("redis")
        run.wait_for(lambda: time.monotonic() - began >= away_s, "the outage to end", 2.0 * away_s)
        handled = run.handled() - before
        stack.start_again("redis")
        run.wait_for(lambda: ping(stack.redis_url), "Redis to be back")
        back = time.monotonic()
        run.wait_for(lambda: watched.look() and is_whole(run), "Redis to have all users", _CATCH_UP_TIMEOUT_S)
        catch_up_s = time.monotonic() - back
        context.say(f"Redis has all users after {catch_up_s:.1f} s")
        sent = run.finish(_DRAIN_TIMEOUT_S)
        watched.look()
        verdict = judged(context, run, sent)
    if handled <= 0:
        raise BenchmarkError("the job handled nothing while Redis was away")
    return {
        "users": users,
        "away_s": away_s,
        "events": verdict.events,
        "handled_while_away": handled,
        "catch_up_s": catch_up_s,
        **figures(verdict),
        "out_of_order": verdict.misplaced + watched.went_back,
    }


def is_whole(run: LiveRun) -> bool:
    """Say whether the job has marked the Redis server that runs now as holding all users."""
    with redis.Redis.from_url(run.stack.redis_url, decode_responses=True) as client:
        marks = client.hgetall(WHOLE_KEY)
        return len(marks) == SHARDS and set(marks.values()) == {client.info("server")["run_id"]}


class Watched:
    """Some users whose `_seq` is looked at again and again; `went_back` counts those that fell."""

    def __init__(self, url: str) -> None:
        self._url = url
        with redis.Redis.from_url(url, decode_responses=True) as client:
            self._users = _some_of(client.scan_iter(f"{USER_KEY}*", count=1_000))
        self._seqs = dict.fromkeys(self._users, 0)
        self.went_back = 0

    def look(self) -> bool:
        """Note the numbers of now; a user who is missing is not written yet."""
        with redis.Redis.from_url(self._url, decode_responses=True) as client:
            pipeline = client.pipeline(transaction=False)
            for key in self._users:
                pipeline.hget(key, SEQ_FIELD)
            for key, found in zip(self._users, pipeline.execute(), strict=True):
                seq = int(found or self._seqs[key])
                self.went_back += seq < self._seqs[key]
                self._seqs[key] = seq
        return True


def _some_of(keys: Iterable[Any]) -> list[str]:
    return [str(key) for key, _ in zip(keys, range(_WATCHED), strict=False)]
