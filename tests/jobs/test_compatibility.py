"""Each reason for which a job cannot go on from a state is found before it is stopped, and names what to do."""

from __future__ import annotations

import msgspec
import pytest

from jobs.compatibility import compare, compare_metadata, compare_slots, compare_topics
from jobs.facts import JobFacts, facts_of, installed
from jobs.savepoints import SavedOperator
from jobs.settings import Settings
from jobs.stack.flink_rest import SavepointFormat, Slots


def job(**changes: object) -> JobFacts:
    return msgspec.structs.replace(facts_of(Settings()), **changes)


def settings(**changed: str) -> dict[str, str]:
    return facts_of(Settings()).settings | {key.replace("__", "."): text for key, text in changed.items()}


def blocking(
    old: JobFacts, wanted: dict[str, str] | None = None, form: SavepointFormat = "canonical", **options: object
) -> list[str]:
    target = msgspec.structs.replace(installed(), **options)
    return [each.text for each in compare(old, target, wanted or settings(), form) if each.blocks]


def test_the_same_job_goes_on_with_nothing_to_say() -> None:
    assert compare(job(), installed(), settings()) == []


def test_profiles_of_a_newer_format_are_refused_with_both_versions_named() -> None:
    (text,) = blocking(job(profile_format=99, version="3.1.0"))
    assert "format 99 (written by 3.1.0)" in text
    assert "go on with 3.1.0 or a newer one" in text


def test_an_older_format_is_read_and_the_way_back_is_said_to_end() -> None:
    (note,) = compare(job(profile_format=1), installed(), settings())
    assert not note.blocks
    assert "cannot read them any more" in note.text


@pytest.mark.parametrize(
    ("lost", "what"), [("segments", "the profiles of all users"), ("kafka-events", "how far the events topics")]
)
def test_an_operator_that_the_new_version_lacks_would_lose_its_state(lost: str, what: str) -> None:
    kept = tuple(uid for uid in installed().stateful if uid != lost)
    (text,) = blocking(job(), stateful=kept)
    assert f"no operator '{lost}'" in text
    assert f"{what}" in text


def test_a_new_operator_starts_empty() -> None:
    found = compare(job(), msgspec.structs.replace(installed(), stateful=(*installed().stateful, "new")), settings())
    assert [(each.blocks, each.text) for each in found] == [
        (False, "operator 'new' has no state in the savepoint and starts empty")
    ]


def test_shards_are_fixed() -> None:
    (text,) = blocking(job(), settings(flink__shards="64"))
    assert "set it to 128" in text


def test_another_transactional_prefix_is_refused_only_with_transactions() -> None:
    other = settings(kafka__transactional_id_prefix="mine")
    assert blocking(job(), other) == []
    (text,) = blocking(job(settings=settings(kafka__delivery="exactly_once")), other)
    assert "was segments and would be mine" in text


def test_a_native_savepoint_stays_with_its_backend() -> None:
    heap = settings(flink__state_backend="hashmap")
    assert blocking(job(), heap) == []
    (text,) = blocking(job(), heap, form="native")
    assert "take a canonical one" in text


def test_changed_settings_are_shown_with_what_they_mean() -> None:
    found = compare(job(), installed(), settings(kafka__bootstrap_servers="other:9092", redis__ttl="1ms"))
    assert [each.text.partition(" (")[0] for each in found] == [
        "kafka.bootstrap_servers: 'localhost:9092' -> other:9092",
        "redis.ttl: 2592000000ms -> 1ms",
    ]


def test_slots_are_counted_with_those_that_become_free() -> None:
    assert compare_slots(4, Slots(4, 2), freed=2) == []
    assert compare_slots(4, Slots(0, 0), freed=0, on_demand=True) == []
    (found,) = compare_slots(5, Slots(4, 2), freed=2)
    assert found.blocks


def test_missing_topics_are_named() -> None:
    (found,) = compare_topics(["a", "b", "c"], ["b"], "broker:9092")
    assert found.blocks
    assert "no topic a, c" in found.text


def saved(uid: str | None, shards: int = 128) -> SavedOperator:
    return SavedOperator(uid, "name", 2, shards, has_state=True)


def test_flinks_metadata_is_compared_where_nothing_else_is_known() -> None:
    operators = [saved(uid) for uid in installed().stateful]
    assert compare_metadata(operators, installed(), settings()) == []
    found = compare_metadata([*operators, saved("gone")], installed(), settings(flink__shards="64"))
    assert ["'gone'" in found[0].text, "set it to 128" in found[1].text] == [True, True]
    assert [each.blocks for each in compare_metadata([*operators, saved(None)], installed(), settings())] == [False]
