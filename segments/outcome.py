"""What a batch, an instant or a sweep led to."""

from __future__ import annotations

from dataclasses import dataclass, field

from segments.changes import Change, Memberships
from segments.events import RejectedEvent
from segments.failures import Failure
from segments.hot_users import Hot


@dataclass(slots=True)
class Outcome:
    """What a batch led to; places are indexes into the batch."""

    changes: list[Change] = field(default_factory=list)
    current: dict[str, Memberships] = field(default_factory=dict)  # of the users whose memberships changed
    rejected: list[tuple[int, RejectedEvent]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)  # that no event stands for
    hot: list[Hot] = field(default_factory=list)  # users found to make too much work
    unscored: list[tuple[str, int, str]] = field(default_factory=list)  # user, instant (ms), version that failed there
    duplicates: int = 0
    applied: int = 0
    rewound: int = 0  # of the applied ones: those that came out of order
    followed: int = 0  # users that a sweep had follow a release

    @property
    def memberships(self) -> list[Memberships]:
        """What the users are in whose memberships changed."""
        return list(self.current.values())
