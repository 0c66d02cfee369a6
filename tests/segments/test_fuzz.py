"""Events changed at random: none raises, and each is applied, a duplicate, late or rejected."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.simulator.mutated import Record, mutated
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.events import EventDecoder, Plausibility, RejectedEvent
from segments.outcome import Outcome
from segments.plan import Plan
from segments.processor import Processor
from udfs.frames import OutputFrame

FOR_THE_BRIDGE = Path("jobs/bridge/src/test/resources/mutated-events.tsv")
LONGEST = 800  # bytes of a record that is worth keeping among the tests
T = 1_764_000_000_000
EVENTS = 10_000
READS_EVERYTHING = """
version: 1
segments:
  - name: priced
    when: {max: {event: any, property: price, within: 30d, gte: 100}}
  - name: variety
    when: {distinct: {event: any, property: category, within: 7d, gte: 3}}
  - name: coats
    when: {count: {event: any, where: {category: coats}, within: 1h, gte: 1}}
  - name: carts
    when: {absence: {after: Product Added, of: Order Completed, within: 30m, per: cart_id}}
  - name: named
    when: {trait: {name: email, exists: true}}
  - name: aged
    when: {trait: {name: age, gte: 18}}
  - name: german
    when: {context: {path: location.country, eq: DE}}
  - name: steps
    when: {sequence: {steps: [Product Viewed, Product Added], within: 2h, per: product_id}}
  - name: total
    when: {lifetime: {of: sum, event: any, property: total, gte: 10}}
"""
DEFINITIONS = {"shipped": Path("conf/segments.yaml").read_text(encoding="utf-8"), "reads everything": READS_EVERYTHING}


def processor(definitions: str) -> Processor:
    return Processor(Engine(Plan(parse_definitions(definitions), Plausibility()), allowed_lateness=3_600_000))


def run(made: Processor, records: list[Record], batch: int) -> Outcome:
    """Return all that came of events, with records encoded and profiles written as the job does."""
    total = Outcome()
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        payloads, written_at = [each.payload for each in part], [each.written_at for each in part]
        for outcome in (made.process(payloads, written_at), made.advance(written_at[-1] - 5_000)):
            output = OutputFrame()
            assert output.add_each(output.add_changes, outcome.changes) == []
            assert output.add_each(output.add_memberships, outcome.memberships) == []
            total.rejected += [(start + place, why) for place, why in outcome.rejected]
            total.late += [start + place for place in outcome.late]
            total.changes += outcome.changes
            total.failures += outcome.failures
            total.applied += outcome.applied
            total.duplicates += outcome.duplicates
        made.profiles.settle()
    total.failures += made.advance(T + 400 * 86_400_000).failures
    return total


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_mutated_event_is_accounted_for_and_none_is_a_bug(name: str, seed: int) -> None:
    records = list(mutated(seed, EVENTS, T))
    total = run(processor(DEFINITIONS[name]), records, 700)
    assert [(each.user_id, each.detail) for each in total.failures] == []
    assert [(records[place].payload[:300], why.detail) for place, why in total.rejected if why.reason == "failed"] == []
    assert total.applied + total.duplicates + len(total.late) + len(total.rejected) == EVENTS
    assert total.applied > EVENTS / 5
    assert len(total.rejected) > EVENTS / 10
    assert len({why.reason for _, why in total.rejected}) >= 8
    again = run(processor(DEFINITIONS[name]), records, 700)
    assert again.changes == total.changes
    assert [(place, why.reason) for place, why in again.rejected] == [(p, w.reason) for p, w in total.rejected]


def test_a_user_may_be_called_zero_as_the_bridge_has_it() -> None:
    event = b'{"type": "page", "userId": 0, "anonymousId": "v", "timestamp": 1764000000000}'
    assert EventDecoder().decode(event).user_id == "0"


def verdicts() -> str:
    """What Python says of mutated events, a line each: the user or nothing, and the record, both in base64."""
    decoder, lines = EventDecoder(), list[str]()
    for record in mutated(3, 450, T):
        user = ""
        with suppress(RejectedEvent):
            user = decoder.decode(record.payload, record.written_at).user_id
        if len(record.payload) < LONGEST:
            lines.append(f"{b64encode(user.encode()).decode()}\t{b64encode(record.payload).decode()}\n")
    return "".join(lines)


def test_the_bridge_is_tested_with_what_python_says_of_the_same_events() -> None:
    again = "what Python says has changed: `.venv/bin/python -m tests.segments.test_fuzz` writes it anew for the bridge"
    assert FOR_THE_BRIDGE.read_text(encoding="ascii") == verdicts(), again


if __name__ == "__main__":
    FOR_THE_BRIDGE.write_text(verdicts(), encoding="ascii")
