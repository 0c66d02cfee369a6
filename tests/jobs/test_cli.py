import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.cli.errors import BadInput
from jobs.cli.inputs import parse_instant
from segments.changes import Cause, Change, decode_change
from segments.control import Release, encode_control
from tests.conftest import ROOT

SHIPPED = ROOT / "conf" / "segments.yaml"
DEFINITIONS = """\
segments:
  - name: buyer
    when: {count: {event: Order Completed, within: 1h, gte: 2}}
  - name: abandoner
    when: {absence: {after: Product Added, of: Order Completed, within: 30m, per: cart_id}}
    exit_when: {recency: {event: Order Completed, within: 1h}}
"""
T0 = 1_795_341_600_000  # 2026-11-22T10:00:00Z
MINUTE = 60_000
COMMANDS = (
    "demo", "up", "down", "run", "submit", "savepoint", "upgrade", "rescale", "resume", "version",
    "release", "rollback", "promote", "withdraw", "backfill", "history", "diff",
    "validate", "lint", "cost", "schema", "preview", "funnel", "replay", "explain", "consume", "reconcile",
    "train",
)  # fmt: skip


def segments(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def event(user: str, name: str, minute: int, number: int, **properties: object) -> bytes:
    return json.dumps(
        {
            "type": "track",
            "event": name,
            "userId": user,
            "messageId": f"m{number}",
            "timestamp": T0 + minute * MINUTE,
            "properties": properties,
        }
    ).encode()


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    path = tmp_path / "segments.yaml"
    path.write_text(DEFINITIONS)
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    lines = [
        event("u2", "Product Viewed", 50, 5),  # not in its place: replay sorts by time
        event("u1", "Order Completed", 0, 1),
        event("u1", "Order Completed", 10, 2),
        event("u2", "Product Added", 15, 3, cart_id="c1"),
        event("u1", "Order Completed", 10, 2),
        b'{"type": "track"',
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_every_command_shows_an_example_and_is_documented() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names >= {*COMMANDS}, "people's scripts call a command that is gone"
    for command in sorted(names):
        result = segments(command, "--help")
        assert result.exit_code == 0
        assert f"Example: segments {command}" in result.output
        assert f"## segments {command}" in reference


def test_validate_accepts_the_shipped_definitions() -> None:
    result = segments("validate", SHIPPED)
    assert result.exit_code == 0
    assert "no mistakes" in result.output


def test_validate_lists_every_mistake_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(
        "segments:\n"
        "  - name: a\n"
        "    when: {count: {event: X, within: -1, gte: 1}}\n"
        "  - name: a\n"
        "    whem: {segment: b}\n"
    )
    result = segments("validate", bad)
    assert result.exit_code == 2
    assert f"{bad}:3:" in result.output
    assert f"{bad}:4:" in result.output
    assert "did you mean 'when'" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "/nowhere.yaml"),
        ("replay", "/nowhere.ndjson"),
        ("replay", SHIPPED),
        ("replay", "/nowhere.csv", "--until", "soon"),
        ("explain", "u1", "--mapping", "rees46"),
        ("explain", "u1", "--events", SHIPPED, "--bootstrap-servers", "x:1"),
        ("explain", "u1", "--events", "/nowhere.ndjson"),
        ("demo", "--mapping", "rees46"),
        ("demo", "--events", "/nowhere.ndjson"),
        ("submit", "--definitions", "/nowhere.yaml"),
        ("submit", "--target", "localhost:1"),
        ("reconcile", "--settings", "/nowhere.yaml"),
        ("schema", "nothing"),
        ("lint", "/nowhere.yaml"),
        ("cost", "/nowhere.yaml"),
        ("cost", SHIPPED, "--format", "json"),
        ("cost", SHIPPED, "--events", "/nowhere.ndjson"),
        ("lint", SHIPPED, "--events", "/nowhere.ndjson"),
        ("lint", SHIPPED, "--mapping", "rees46"),
        ("lint", SHIPPED, "--format", "xml"),
    ],
)
def test_wrong_input_ends_with_2_and_a_sentence(arguments: tuple[object, ...]) -> None:
    result = segments(*arguments)
    assert result.exit_code == 2
    assert result.output.strip()
    assert "Traceback" not in result.output


def test_bad_definitions_never_reach_flink(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("segments:\n  - name: A\n    when: {segment: A}\n")
    result = segments("submit", "--definitions", bad, "--flink-home", "/nowhere")
    assert result.exit_code == 2
    assert f"{bad}:2:" in result.output


def test_submit_prints_the_command(definitions: Path) -> None:
    options = ("--flink-home", "/opt/flink", "--target", "jm:8081", "--parallelism", 3, "--bounded", "--print")
    result = segments("submit", "--definitions", definitions, *options, "--", "-pyfs", "more.zip")
    assert result.exit_code == 0
    assert "SEGMENTS__FLINK__PARALLELISM=3" in result.output
    assert f"SEGMENTS__DEFINITIONS__PATH={definitions}" in result.output
    assert "/opt/flink/bin/flink run --detached -pyfs more.zip -m jm:8081 -py" in result.output
    assert result.output.rstrip().endswith("--bounded")


@pytest.mark.parametrize("of", ["definitions", "changes", "memberships", "lint", "cost", "explanation"])
def test_schema_prints_json(of: str) -> None:
    result = segments("schema", of)
    assert result.exit_code == 0
    assert "$defs" in json.loads(result.output)


def replayed(*arguments: object) -> list[Change]:
    result = segments("replay", *arguments)
    assert result.exit_code == 0, result.output
    return [decode_change(line) for line in result.stdout_bytes.splitlines()]


def test_replay_prints_the_topics_bytes(events: Path, definitions: Path) -> None:
    result = segments("replay", events, "--definitions", definitions)
    assert result.exit_code == 0
    assert result.stdout_bytes.splitlines() == [
        (
            b'{"user_id":"u1","segment":"buyer","segment_version":1,"action":"entered","at":1795342200000,"seq":1,'
            b'"cause":{"kind":"event","message_id":"m2"},"because":[{"condition":"count of Order Completed in 1h",'
            b'"expected":">= 2","value":2,"holds":true}],"score":null,"model_version":null,"confidence":1.0,'
            b'"next_change_at":1795345200000}'
        ),
        (
            b'{"user_id":"u2","segment":"abandoner","segment_version":1,"action":"entered","at":1795344300000,"seq":1,'
            b'"cause":{"kind":"timer"},"because":[{"condition":"Product Added without Order Completed per cart_id",'
            b'"expected":">= 30m","value":"open for 30m","holds":true}],"score":null,"model_version":null,'
            b'"confidence":1.0,"next_change_at":null}'
        ),
    ]
    assert "4 applied; 1 duplicates; 1 rejected (not_json 1)" in result.stderr
    assert "changes: 2" in result.stderr


def test_replay_goes_on_until_an_instant_and_narrows_to_a_user(events: Path, definitions: Path, tmp_path: Path) -> None:
    changes = replayed(events, "--definitions", definitions, "--until", "2026-11-22T11:00:00Z")
    assert [(c.user_id, c.segment, c.action) for c in changes][-1] == ("u1", "buyer", "exited")
    out = tmp_path / "changes.ndjson"
    assert replayed(events, "--definitions", definitions, "--user", "u2", "--out", out) == []
    assert [decode_change(line).user_id for line in out.read_bytes().splitlines()] == ["u2"]


def test_replay_keeps_the_files_order_when_asked(events: Path, definitions: Path) -> None:
    changes = replayed(events, "--definitions", definitions, "--order", "file")
    # u2's cart was filled at 10:15, but is seen after an event at 10:50: it was abandoned at 10:45 all the same
    found = [(c.segment, c.at, c.cause) for c in changes if c.user_id == "u2"]
    assert found == [("abandoner", T0 + 45 * MINUTE, Cause("event", "m3"))]


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00+01:00", "2026-11-22 10:00", str(T0)])
def test_instants_are_iso_or_milliseconds(text: str) -> None:
    assert parse_instant(text) == T0


@pytest.mark.parametrize("text", ["soon", "²", "9" * 17, "9" * 5_000, "2026-13-01", ""])
def test_what_is_no_instant_is_said(text: str) -> None:
    with pytest.raises(BadInput, match="is no instant: write"):
        parse_instant(text)


@pytest.mark.parametrize("command", [("release", SHIPPED), ("rollback",), ("promote",), ("withdraw",)])
def test_a_release_at_an_instant_in_seconds_is_refused(command: tuple[object, ...]) -> None:
    result = segments(*command, "--at", T0 // 1_000)
    assert (result.exit_code, "1970-01-21" in result.output, "give milliseconds" in result.output) == (2, True, True)


def test_light_commands_import_nothing_heavy() -> None:
    code = (
        "import sys; from jobs.cli import app\n"
        "try: app(['validate', 'conf/segments.yaml'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pyflink', 'kafka', 'confluent_kafka', 'apache_beam', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_replay_follows_what_a_job_was_told(events: Path, definitions: Path, tmp_path: Path) -> None:
    first = definitions.read_text()
    second = first.replace("gte: 2", "gte: 1")
    assert first != second
    control = tmp_path / "control.ndjson"
    told = [Release(1, 0, first), Release(2, T0 - 1, second), Release(2, 0, "somebody was faster")]
    control.write_bytes(b"".join(encode_control(record) + b"\n" for record in told))
    kinds = {change.cause.kind for change in replayed(events, "--control", control)}
    assert replayed(events, "--control", control) != replayed(events, "--definitions", definitions)
    assert kinds <= {"event", "timer", "definition"}
    control.write_bytes(control.read_bytes() + b"{}\n")
    refused = segments("replay", events, "--control", control)
    assert refused.exit_code == 2
    assert f"{control}:4: this is no record of a control topic" in refused.stderr
