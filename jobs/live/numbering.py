"""After a rebuild: users whose changes are numbered below what was told before are numbered on from there.

Consumers leave out a change whose number they know, so a user whose number is lower than it was would be silent until
it has passed that. Nobody gets another number before the job has gone as far as what was told: a past change told anew
must keep its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from jobs.live.question import Ask, ask, showing
from jobs.live.state import UNKNOWN, chunks
from jobs.live.table import Table
from jobs.settings import Settings
from jobs.topics import TopicReader
from segments.changes import Action, are_missing
from segments.inspection import Choice, Renumber, Stands

_ASKED_TOGETHER = 5_000
_ROUNDS = 4
Progress = Callable[[int, int], None]


class _Told(msgspec.Struct, gc=False):
    user_id: str
    segment: str
    action: Action
    at: int
    seq: int


class Known(msgspec.Struct, array_like=True, gc=False):
    """What a consumer knows of a user: the newest number, the newest instant (ms), and the segments.

    Of segments entered before `since` (ms) the topic does not tell any more. `missed` is whether a newer change came
    under a number that is known, which the consumer left out.
    """

    seq: int
    at: int
    since: int
    inside: set[str]
    missed: bool = False

    def take(self, change: _Told) -> None:
        """Take a change in as a consumer does."""
        if change.seq <= self.seq:
            self.missed = self.missed or change.at > self.at
            return
        if self.seq and are_missing(self.seq, change.seq):  # the consumer was told, and asked the memberships topic
            self.missed, self.since, self.inside = False, change.at, set()
        self.seq, self.at = change.seq, max(self.at, change.at)
        if change.action == "exited":
            self.inside.discard(change.segment)
        else:
            self.inside.add(change.segment)


_decode_told = msgspec.json.Decoder(_Told).decode
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Known).decode
_decode_stands = msgspec.msgpack.Decoder(Stands).decode


def learn(known: Table, records: Iterable[bytes | None], below: Table | None = None) -> None:
    """Take records of the segment topic in, in order; what is no change says nothing. Who missed one is `below`."""
    for value in records:
        try:
            change = _decode_told(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        first = Known(0, change.at, change.at if change.seq > 1 else 0, set())
        user = _known(known, change.user_id) or first
        user.take(change)
        known[change.user_id] = _encode(user)
        if user.missed and below is not None:
            below[change.user_id] = _encode(UNKNOWN)


def number_for(known: Known | None, state: Stands) -> Renumber | None:
    """Return the number that a user's newest change is to have, None where that is right.

    It is the newest that is known, where the user is in the same segments as consumers know of. Else it is one further
    than both know: consumers then see a gap, which says that something was missed.

    >>> known = Known(7, 900, 0, {"a"})
    >>> [number_for(known, state) for state in ((7, {"a": (1, 3)}), (5, {"a": (1, 3)}), (5, {}))]
    [None, Renumber(was=5, becomes=7, after=900), Renumber(was=5, becomes=8, after=900)]
    """
    number, segments = state
    if known is None or (number > known.seq and not known.missed):
        return None
    inside = {name for name, (_, since) in segments.items() if name in known.inside or since >= known.since}
    if known.missed or inside != known.inside:
        return Renumber(number, max(number, known.seq) + 1, known.at)
    return Renumber(number, known.seq, known.at) if number < known.seq else None


def number_on(
    settings: Settings, reader: TopicReader, rate: int, read: Progress, looked: Progress, asks: Ask = ask
) -> tuple[int, int]:
    """Have the job number users on from what `reader`, of the segment topic, tells; raises TopicError.

    Returns how many users got another number, and how many are still below what is known of them. `read` and `looked`
    are told how many records were read, how many users looked at, and of how many.
    """
    known, below, done = Table(), Table(), 0
    try:
        learn(known, (each.value for each in reader.to_the_end(read)), below)
        for answer in showing(asks(settings, Choice(), rate=rate), looked):
            _note(below, known, answer.users)
            known.know(answer.users)
        for user in known.unknown():  # has had no change in the job's eyes, or is gone
            below[user] = _encode(UNKNOWN)
        for _ in range(_ROUNDS):  # who moved meanwhile is asked for again
            learn(known, (each.value for each in reader.to_the_end()), below)
            for some in chunks(below, _ASKED_TOGETHER):
                done += _renumber(settings, some, below, known, rate, asks)
        return done, len(below)
    finally:
        known.close()
        below.close()


def _renumber(settings: Settings, some: list[str], below: Table, known: Table, rate: int, asks: Ask) -> int:
    """Ask for users by name, with the number that each is to have; returns how many got it."""
    wanted = {user: number_for(_known(known, user), _decode_stands(below[user])) for user in some}
    for user in some:
        del below[user]
    numbers = {user: number for user, number in wanted.items() if number is not None}
    done = 0
    if numbers:
        for answer in asks(settings, Choice(), users=list(numbers), rate=rate, renumber=list(numbers.values())):
            done += answer.written
            others = {user: state for user, state in answer.users.items() if state[0] != numbers[user].becomes}
            _note(below, known, others)
    return done


def _note(below: Table, known: Table, users: Mapping[str, Stands]) -> None:
    """Note who is below what is known, and how they stand."""
    for user, state in users.items():
        if number_for(_known(known, user), state) is not None:
            below[user] = _encode(state)


def _known(known: Table, user: str) -> Known | None:
    found = known.get(user)
    return None if found is None else _decode(found)
