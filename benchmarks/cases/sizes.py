"""How much each measurement does: the full benchmark, the quick one, and sizes of one's own for trying things."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of events and users; times in seconds."""

    name: str
    events: int  # for the job and the bare loop
    users: int
    textbook_events: int
    bytewax_events: int
    step_events: int  # of each round of the engine step
    growth_users: int
    growth_events: int  # measured at each number of users
    segments_events: int  # of each round, at each number of segments
    memory_users: int
    latency_warmup_s: int
    latency_s: int
    lateness_events: int
    preview_events: int
    swap_users: int
    recovery_users: int
    kills: int
    fuzzed_events: int
    redis_users: int
    redis_away_s: int
    model_instants: int
    model_pairs: int  # of a user and an instant
    model_events: int  # for the job with models and without
    model_users: int
    latency_long_lived: bool  # whether JVMs have the time to compile all that is hot while it warms up
    latency_rate: float | None = None  # events/s; None: half of what the job has managed

    def scaled(self, events: int | None, users: int | None, rate: float | None) -> Sizes:
        """Return these sizes with no measurement above `events` events and `users` users; `rate` in events/s."""
        if events is None and users is None and rate is None:
            return self
        most, crowd = events or self.events, users or self.users
        return replace(
            self,
            name=f"{self.name}, reduced",
            events=most,
            users=crowd,
            textbook_events=min(self.textbook_events, most),
            bytewax_events=min(self.bytewax_events, most),
            step_events=min(self.step_events, most),
            growth_users=min(self.growth_users, crowd),
            growth_events=min(self.growth_events, most),
            segments_events=min(self.segments_events, most),
            memory_users=min(self.memory_users, crowd),
            lateness_events=min(self.lateness_events, most),
            preview_events=min(self.preview_events, most),
            swap_users=min(self.swap_users, crowd),
            recovery_users=min(self.recovery_users, crowd),
            fuzzed_events=min(self.fuzzed_events, most),
            redis_users=min(self.redis_users, crowd),
            model_events=min(self.model_events, most),
            model_users=min(self.model_users, crowd),
            latency_rate=rate or self.latency_rate,
        )


FULL = Sizes(
    name="full",
    events=5_000_000,
    users=1_000_000,
    textbook_events=60_000,
    bytewax_events=5_000_000,
    step_events=100_000,
    growth_users=1_000_000,
    growth_events=600_000,
    segments_events=60_000,
    memory_users=1_000_000,
    latency_warmup_s=150,
    latency_s=60,
    lateness_events=300_000,
    preview_events=5_000_000,
    swap_users=1_160_000,  # so many that a million of them have an event
    recovery_users=1_160_000,
    kills=20,
    fuzzed_events=1_000_000,
    redis_users=100_000,
    redis_away_s=300,
    model_instants=150,
    model_pairs=100_000,
    model_events=1_000_000,
    model_users=300_000,
    latency_long_lived=True,
)
QUICK = Sizes(
    name="quick",
    events=400_000,
    users=80_000,
    textbook_events=20_000,
    bytewax_events=400_000,
    step_events=20_000,
    growth_users=200_000,
    growth_events=150_000,
    segments_events=20_000,
    memory_users=200_000,
    latency_warmup_s=20,
    latency_s=20,
    lateness_events=100_000,
    preview_events=400_000,
    swap_users=100_000,
    recovery_users=100_000,
    kills=4,
    fuzzed_events=50_000,
    redis_users=20_000,
    redis_away_s=30,
    model_instants=10,
    model_pairs=10_000,
    model_events=150_000,
    model_users=60_000,
    latency_long_lived=False,
)
