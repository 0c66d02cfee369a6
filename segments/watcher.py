"""Who follows what becomes of profiles."""

from collections.abc import Sequence
from typing import Protocol

from segments.profile import Profile


class Watcher(Protocol):
    """Who is told what becomes of profiles; users by number."""

    def opened(self, number: int, profile: Profile) -> None:
        """A profile was decoded; nothing has happened to it yet."""
        ...

    def settled(self, number: int, profile: Profile) -> None:
        """A profile that changed was encoded."""
        ...

    def loaded(self, numbers: Sequence[int]) -> None:
        """Profiles were read from the state."""
        ...
