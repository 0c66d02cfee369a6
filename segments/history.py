"""What a job was told, oldest first, and the release that follows from it."""

from __future__ import annotations

from collections.abc import Iterable

from segments.control import ControlRecord, Release, ReleaseAction, Thresholds
from segments.definitions import DefinitionErrors, parse_definitions
from segments.models.released import ModelVersion
from segments.models.releasing import champions

_BOUNDS_KEPT_MS = 86_400_000  # as long as a late event may take, by far


class History:
    """The records of the control topic, each number once: where two writers took the same one, the first counts.

    >>> history = History([Release(1, 0, "segments: []"), Release(1, 5, "segments: [x]")])
    >>> [release.effective_at for release in history.releases]
    [0]
    """

    def __init__(self, records: Iterable[ControlRecord] = ()) -> None:
        self.records: list[ControlRecord] = []
        self.refused: set[int] = set()  # numbers of releases that the job cannot use: it goes on as before
        self._keys: set[tuple[str, int]] = set()
        for record in records:
            self.add(record)

    def add(self, record: ControlRecord) -> bool:
        """Take a record in; False when one of its kind and number is there."""
        key = _key(record)
        if key in self._keys:
            return False
        self._keys.add(key)
        self.records.append(record)
        return True

    def in_use(self) -> list[ControlRecord]:
        """Return all releases, and of the population's bounds those that may still be asked for.

        These are the newest of each threshold and all of the day (event time) before the newest.
        """
        bounds = [record for record in self.records if isinstance(record, Thresholds)]
        newest = {key: record.version for record in bounds for key in record.bounds}
        since = max((record.effective_at for record in bounds), default=0) - _BOUNDS_KEPT_MS
        return [
            record
            for record in self.records
            if isinstance(record, Release) or record.effective_at >= since or record.version in newest.values()
        ]

    @property
    def heard(self) -> int:
        """How many records were ever added."""
        return len(self._keys)

    @property
    def releases(self) -> list[Release]:
        """All releases, oldest first."""
        return [record for record in self.records if isinstance(record, Release)]

    @property
    def current(self) -> Release | None:
        """The newest release that the job did not refuse, None before the first."""
        return next((release for release in reversed(self.releases) if release.number not in self.refused), None)

    @property
    def followed(self) -> list[ControlRecord]:
        """All records but the releases that the job refused."""
        return [each for each in self.records if not (isinstance(each, Release) and each.number in self.refused)]

    def release(self, number: int) -> Release | None:
        """Return a release by its number, None when there is none."""
        return next((release for release in self.releases if release.number == number), None)

    def following(  # noqa: PLR0913 - a release has so many parts
        self,
        action: ReleaseAction,
        definitions: str,
        *,
        effective_at: int,
        shadow: str | None = None,
        released_at: int = 0,
        by: str = "",
        note: str = "",
        models: tuple[ModelVersion, ...] | None = None,
        refills: bool = False,
    ) -> Release:
        """Return the release to be written next; it never takes effect before the one that it follows (ms).

        Without `models` those in force stay.
        """
        newest = max((release.number for release in self.releases), default=0)
        number, earliest = newest + 1, self.current.effective_at if self.current else effective_at
        scoring = models if models is not None else self.current.models if self.current else ()
        return Release(
            number,
            max(effective_at, earliest),
            definitions,
            shadow,
            action,
            released_at,
            by,
            note,
            models=scoring,
            refills=refills,
        )

    def before(self, release: Release, older_than: int | None = None) -> Release | None:
        """Return the newest release before one whose definitions or models were others, None when there is none.

        Those from the number `older_than` on are left out.

        >>> history = History([Release(1, 0, "segments: []"), Release(2, 0, "version: 2")])
        >>> history.before(history.releases[1]).number
        1
        """
        newest = release.number if older_than is None else older_than
        for each in reversed(self.releases):
            used = each.number < newest and each.number not in self.refused
            if used and not same_release(each, release):
                return each
        return None


def first_release(definitions: str) -> Release:
    """Return the release of a job that was told nothing else: these definitions from the beginning of time on."""
    return Release(1, 0, definitions, action="submit")


def same_meaning(first: str, second: str) -> bool:
    """Say whether two texts of definitions say the same; comments and order of keys count for nothing.

    >>> buyer = "segments: [{name: buyer, when: {lifetime: {of: count, event: Order Completed, gte: 1}}}]"
    >>> same_meaning(buyer, "# those who bought" + chr(10) + buyer)
    True
    """
    if first == second:
        return True
    try:
        return parse_definitions(first) == parse_definitions(second)
    except DefinitionErrors:
        return False


def same_release(one: Release, other: Release) -> bool:
    """Say whether two releases judge alike: what is in the shadow and what only tries to be counts for nothing."""
    return champions(one.models) == champions(other.models) and same_meaning(one.definitions, other.definitions)


def _key(record: ControlRecord) -> tuple[str, int]:
    return ("release", record.number) if isinstance(record, Release) else ("thresholds", record.version)
