"""Definitions and mappings as somebody hostile writes them: refused soon, with a sentence, and nothing is run."""

import gzip
import string
from pathlib import Path

import msgspec
import pytest

from segments.backfill_chunks import decode_chunk
from segments.control import decode_control
from segments.definitions import DefinitionErrors, parse_definitions
from segments.definitions import yaml_source as limits
from segments.definitions.yaml_source import YamlSource
from segments.fields import getter, struct_for
from segments.mapping import MappingError, files, read_events
from segments.mapping.model import load_mapping

pytestmark = pytest.mark.timeout(60)  # seconds: without its limit each of these takes minutes, or all memory
COUNT = "{count: {event: X, within: 1h, gte: 1}}"
LAUGHS = "a: &a [" + ",".join("x" * 10) + "]\n"
LAUGHS += "".join(
    f"{one}: &{one} [{','.join([f'*{before}'] * 10)}]\n"
    for before, one in zip(string.ascii_lowercase[:9], string.ascii_lowercase[1:10], strict=True)
)


def refused(text: str) -> str:
    with pytest.raises(DefinitionErrors) as caught:
        parse_definitions(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("a: " + "{b: " * 20_000, "nested too deeply"),
        ("\n".join(" " * depth + "a:" for depth in range(200)), "nested too deeply"),
        ("a: &a [*a]", "refers to itself"),
        (LAUGHS, f"more than {limits._MAX_NODES} values"),
        ("#" * (limits._MAX_BYTES + 1), "the file is larger than"),
        (f"segments: [{{name: a, version: {'9' * 100_000}, when: {COUNT}}}]", "no valid YAML"),
        (f"timezone: ../../../etc/passwd\nsegments: [{{name: a, when: {COUNT}}}]", "is no time zone"),
    ],
    ids=["flow", "maps", "blocks", "circle", "laughs", "size", "digits", "path"],
)
def test_what_would_take_all_time_or_memory_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


def test_many_mistakes_are_told_in_a_text_of_bounded_length() -> None:
    missing = [f"{{name: number_{n}, when: {{segment: numbre_{n}}}}}" for n in range(600)]
    text = refused(f"segments: [{', '.join(missing)}]")
    assert "did you mean 'number_0'?" in text
    assert text.endswith("and 400 more mistakes")
    assert text.count("did you mean") == 10


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/name:os.system", "!include", "!!binary"])
def test_tags_run_nothing(tag: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    YamlSource(f"a: {tag} ['{made}']\n", "x")
    assert refused(f"segments: {tag} ['{made}']")
    assert not made.exists()


@pytest.mark.parametrize("path", ["__class__", "__init__.__globals__", "__dict__", "__struct_fields__"])
def test_names_of_properties_are_data(path: str) -> None:
    empty = msgspec.json.decode(b"{}", type=struct_for("Properties", [path], {}))
    assert getter(path)(empty) is None


def test_mappings_have_the_same_limits(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(LAUGHS)
    with pytest.raises((MappingError, DefinitionErrors), match="more than"):
        load_mapping(str(path))


@pytest.mark.parametrize(
    ("name", "mapping"), [("events.ndjson.gz", None), ("events.csv.gz", "taobao"), ("e.jsonl.gz", "rees46")]
)
def test_a_packed_line_that_no_memory_could_hold_is_refused(tmp_path: Path, name: str, mapping: str | None) -> None:
    path = tmp_path / name
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"1,2,3,pv,1511544070\n")
        file.write(b"1" * (files.MAX_LINE + 1))
    with pytest.raises(MappingError, match=r"line 2 has more than 16 MiB"):
        list(read_events(path, mapping))


@pytest.mark.parametrize(("name", "mapping"), [("events.ndjson.gz", None), ("events.csv.gz", "taobao")])
@pytest.mark.parametrize("damage", ["cut", "spoilt", "not packed"])
def test_a_damaged_packed_file_is_said(tmp_path: Path, name: str, mapping: str | None, damage: str) -> None:
    path = tmp_path / name
    packed = gzip.compress(b"".join(b"1,2,3,pv,%d\n" % (1_511_544_070 + n * n) for n in range(5_000)))
    path.write_bytes(
        {"cut": packed[:-9], "spoilt": packed[:99] + b"!" * 99 + packed[99:], "not packed": b"{}\n"}[damage]
    )
    with pytest.raises(MappingError, match=rf"{name} is no whole \.gz file"):
        list(read_events(path, mapping))


def test_a_field_that_is_too_long_is_said(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    long = f"1,2,3,pv,{'4' * 200_000}\n"
    for text in (long, f"1,2,3,pv,1511544070\n{long}"):
        path.write_text(text)
        with pytest.raises(MappingError, match=r"events\.csv .*a line that is no CSV: field larger than field"):
            list(read_events(path, "taobao"))


@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_control_record_that_is_nested_too_deeply_is_a_record_that_cannot_be_read(
    opens: bytes, closes: bytes
) -> None:
    deep = opens * 100_000 + b"1" + closes * 100_000
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        decode_control(b'{"type": "release", "note2": ' + deep + b"}")


@pytest.mark.parametrize(
    "payload",
    [b"\x97" + b"\x91" * 100_000, b"\x97\xa8backfill\x01\x01\x01\x01\xdd\xff\xff\xff\xff", b"\x97\xa8backfill\x01\xc0"],
)
def test_a_chunk_that_promises_more_than_it_holds_cannot_be_read(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_chunk(payload)
