"""The demo's parts that need no servers."""

from io import StringIO

import pytest
from rich.console import Console

from jobs.demo.latency import Latency
from jobs.demo.pace import Pace
from jobs.demo.screen import Screen
from jobs.demo.tally import Tally
from jobs.demo.traffic import shop_traffic
from jobs.player import HEARTBEAT_USER
from segments.changes import TIMER, Action, Cause, Change, Reason
from segments.definitions import load_definitions
from segments.replay import Replay
from tests.conftest import ROOT


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def event(number: int) -> bytes:
    return b'{"messageId": "m%d"}' % number


def change(segment: str, action: Action = "entered", user: str = "u1", cause: Cause = TIMER) -> Change:
    reasons = [Reason("count of any in 1h", ">= 3", 3, action == "entered")]
    return Change(user, segment, 1, action, 0, 1, cause, reasons, None, None, 1.0, None)


def test_latency_is_taken_on_a_sample_and_once() -> None:
    clock = Clock()
    latency = Latency(every=2, clock=clock)
    assert list(latency.watched(map(event, range(4)))) == [event(n) for n in range(4)]
    clock.sleep(0.1)
    assert latency.seen("m0")
    assert not latency.seen("m0")
    assert not latency.seen("m1")
    clock.sleep(0.2)
    assert latency.seen("m2")
    assert [round(latency.percentile(share) or 0) for share in (0.0, 0.99)] == [100, 300]


def test_silence_counts_as_latency() -> None:
    clock = Clock()
    latency = Latency(every=1, clock=clock)
    assert latency.newest() == 0
    list(latency.watched([event(0)]))
    clock.sleep(3)
    assert round(latency.newest()) == 3_000


def test_pace_plays_at_the_rate_and_stops_in_time() -> None:
    clock = Clock()
    pace = Pace(100, 2.0, Latency(clock=clock), clock, clock.sleep)
    played = list(pace.through(map(event, range(1_000))))
    assert pace.played == len(played)
    assert 198 <= pace.played <= 201


def test_pace_slows_down_while_the_job_is_behind_and_recovers() -> None:
    clock = Clock()
    latency = Latency(every=1, clock=clock)
    pace = Pace(1_000, 10.0, latency, clock, clock.sleep)
    stuck = list(latency.watched(pace.through(map(event, range(100_000)))))
    assert len(stuck) < 5_000  # no change ever came back
    clock = Clock()
    latency = Latency(every=1, clock=clock)
    pace = Pace(1_000, 10.0, latency, clock, clock.sleep)
    for number, _ in enumerate(latency.watched(pace.through(map(event, range(100_000))))):
        latency.seen(f"m{number}")
    assert 9_900 <= pace.played <= 10_001


def test_tally_counts_all_but_the_heartbeat() -> None:
    tally = Tally(["active", "new"], Latency())
    for each in (change("active"), change("active", user="u2"), change("active", "exited"), change("new")):
        tally.add(each)
    tally.add(change("new", user=HEARTBEAT_USER))
    assert (tally.changes, tally.size("active"), tally.size("new")) == (4, 1, 1)
    tally.tell()
    tally.add(change("new", "exited"))
    tally.tell()  # told about just now
    tally.add(change("active", "exited", user="u2", cause=Cause("event", "m1")))
    tally.tell()
    assert list(tally.recent) == [
        "u1 entered new: count of any in 1h is 3 (>= 3), by time alone",
        "u2 left active: count of any in 1h is 3 (>= 3)",
    ]


def test_the_screen_shows_lines_without_a_terminal_and_a_picture_in_one() -> None:
    tally = Tally(["active", "new"], Latency())
    tally.add(change("active"))
    tally.tell()
    for terminal in (False, True):
        output = StringIO()
        screen = Screen(Console(file=output, force_terminal=terminal, width=100, height=40))
        with screen.step("starting"):
            pass
        with screen.live():
            assert screen.due()
            screen.update(tally, "playing")
            assert not screen.due()
        screen.summary(tally)
        text = output.getvalue()
        assert "starting: done in " in text
        assert "u1 entered active" in text
        assert "changes 1" in text
        assert "Segments at the end" in text


@pytest.mark.slow
def test_the_simulated_shop_moves_every_shipped_segment() -> None:
    definitions = load_definitions(ROOT / "conf" / "segments.yaml")
    traffic = list(shop_traffic(600, 40_000))
    assert traffic == list(shop_traffic(600, 40_000))
    replay = Replay(definitions)
    entered = {each.segment for each in replay.run(traffic)}
    assert entered == {segment.name for segment in definitions.segments}
    assert all(replay.counts[name] for name in ("late", "duplicates", "rejected"))
