"""Whether a job can go on from a savepoint: what is known of the state against what is to read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from jobs.facts import STATEFUL, Installed, JobFacts
from jobs.savepoints import SavedOperator
from jobs.stack.flink_rest import SavepointFormat, Slots

_NOT_STATE = frozenset({"flink.parallelism"})  # a change of it is named by itself


class Finding(NamedTuple):
    """Something to know before a job goes on; one that blocks says what to do instead."""

    blocks: bool
    text: str


def compare(
    old: JobFacts, target: Installed, wanted: Mapping[str, str], form: SavepointFormat = "canonical"
) -> list[Finding]:
    """Return what is to be known when a job of `target` with settings `wanted` goes on from the state of `old`."""
    found = [*_formats(old, target), *_operators(old.stateful, target), *_fixed(old.settings, wanted)]
    backends = old.settings.get("flink.state_backend"), wanted.get("flink.state_backend")
    if form == "native" and None not in backends and backends[0] != backends[1]:
        found.append(
            _block(
                f"a native savepoint of {backends[0]} can only be read by {backends[0]}, the settings say"
                f" {backends[1]}: take a canonical one (--form canonical)"
            )
        )
    return [*found, *_changed(old.settings, wanted)]


def compare_metadata(operators: Sequence[SavedOperator], target: Installed, wanted: Mapping[str, str]) -> list[Finding]:
    """Return what Flink's own metadata of a savepoint says, where nothing is known of the job it was taken of."""
    with_state = [each for each in operators if each.has_state]
    found = [*_operators([each.uid for each in with_state if each.uid], target)]
    if any(each.uid is None for each in with_state):
        found.append(_note("Flink wrote no uids into the savepoint: whether all state has an owner shows at the start"))
    shards = max((each.max_parallelism for each in with_state if each.uid == "segments"), default=None)
    if shards is not None:
        found += _fixed({"flink.shards": str(shards)}, wanted)
    return found


def compare_slots(parallelism: int, slots: Slots, freed: int, *, on_demand: bool = False) -> list[Finding]:
    """Return whether a job of this parallelism finds its slots once `freed` ones are free; none counted `on_demand`.

    >>> [each.text for each in compare_slots(4, Slots(total=2, free=0), freed=2)]
    ['parallelism 4 needs 4 task slots, 2 would be free (2 in all): start more TaskManagers, or ask for less']
    """
    free = slots.free + freed
    if on_demand or free >= parallelism:
        return []
    return [
        _block(
            f"parallelism {parallelism} needs {parallelism} task slots, {free} would be free ({slots.total} in all):"
            " start more TaskManagers, or ask for less"
        )
    ]


def compare_topics(needed: Iterable[str], existing: Iterable[str], servers: str) -> list[Finding]:
    """Return which topics are missing.

    >>> compare_topics(["events"], ["events"], "k:9092")
    []
    """
    missing = sorted(set(needed) - set(existing))
    if not missing:
        return []
    return [_block(f"Kafka at {servers} has no topic {', '.join(missing)}: create it, or mend kafka.* in the settings")]


def _formats(old: JobFacts, target: Installed) -> Iterator[Finding]:
    if old.profile_format not in target.reads_profiles:
        first, last = target.reads_profiles[0], target.reads_profiles[-1]
        yield _block(
            f"the profiles have format {old.profile_format} (written by {old.version}), version {target.version} reads"
            f" {first} to {last}: go on with {old.version} or a newer one"
        )
    elif old.profile_format != target.writes_profiles:
        yield _note(
            f"profiles are written in format {target.writes_profiles} from now on (now {old.profile_format}): after the"
            f" first checkpoint version {old.version} cannot read them any more, only this savepoint"
        )


def _operators(saved: Iterable[str], target: Installed) -> Iterator[Finding]:
    stateful = set(saved)
    for uid in sorted(stateful - set(target.stateful)):
        what = STATEFUL.get(uid, "its state")
        yield _block(
            f"version {target.version} has no operator '{uid}', whose state is in the savepoint: {what} would be lost."
            " Use a version that has it"
        )
    for uid in sorted(set(target.stateful) - stateful):
        yield _note(f"operator '{uid}' has no state in the savepoint and starts empty")


def _fixed(old: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Finding]:
    shards = old.get("flink.shards"), wanted.get("flink.shards")
    if None not in shards and shards[0] != shards[1]:
        yield _block(
            f"the state has {shards[0]} shards, the settings say flink.shards: {shards[1]}. Shards are fixed for the"
            f" life of the state: set it to {shards[0]}, or build the state anew (docs/operations.md)"
        )
    prefix = "kafka.transactional_id_prefix"
    if old.get("kafka.delivery") == "exactly_once" and wanted.get(prefix, old.get(prefix)) != old.get(prefix):
        yield _block(
            f"{prefix} was {old.get(prefix)} and would be {wanted.get(prefix)}: transactions that a failure leaves open"
            " could not be found and would hold readers back until they time out. Set it to what it was"
        )


def _changed(old: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Finding]:
    for key in sorted(wanted.keys() & old.keys() - _NOT_STATE):
        if old[key] != wanted[key]:
            yield _note(f"{key}: {old[key]} -> {wanted[key]}{_MEANINGS.get(key, '')}")


def _block(text: str) -> Finding:
    return Finding(blocks=True, text=text)


def _note(text: str) -> Finding:
    return Finding(blocks=False, text=text)


_MEANINGS = {
    "kafka.bootstrap_servers": " (offsets are those of the old address: right only if it is the same Kafka)",
    "kafka.events_topics": " (new topics are read from kafka.start_from on; those left out are still read)",
    "kafka.changes_topic": " (readers of the old topic see no more changes)",
    "kafka.memberships_topic": " (the new topic lacks users until they change)",
    "flink.state_backend": " (through a canonical savepoint)",
}
