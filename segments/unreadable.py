"""Users whose profiles cannot be read: their bytes stay as they are, until a version comes that can read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from segments.events import RejectedEvent
from segments.failures import Failure, failure
from segments.profile import Layout

T = TypeVar("T")
Written = tuple[int, Layout]  # the release of a profile, and what the ids in it stand for


class Unreadable:
    """Keeps those users from what would read their profiles, and tells each once.

    `failures` are to be told; who reads them empties the list.
    """

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self._users: dict[str, Written | None] = {}

    def __bool__(self) -> bool:
        return bool(self._users)

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._users

    def note(self, user_id: str, blob: bytes, error: Exception, written: Written | None = None) -> RejectedEvent:
        """Keep a user aside; returns why events of that user are not applied."""
        if user_id not in self._users:
            self._users[user_id] = written
            self.failures.append(failure("corrupt_profile", user_id, 0, error)._replace(content=blob))
        return RejectedEvent("corrupt_profile", f"the profile of the user cannot be read: {error}", user=user_id)

    def read(self, user_id: str, blob: bytes, decode: Callable[[bytes], T]) -> T:
        """Return what is read of a profile's bytes; raises RejectedEvent, and keeps the user aside, if that fails."""
        try:
            return decode(blob)
        except (ValueError, msgspec.DecodeError) as error:
            raise self.note(user_id, blob, error) from error

    def forget(self, user_id: str) -> None:
        """A newer profile of the user was found, which may be whole."""
        self._users.pop(user_id, None)

    def written(self, user_id: str) -> Written | None:
        """Return how the profile was written, None where that is not known."""
        return self._users.get(user_id)
