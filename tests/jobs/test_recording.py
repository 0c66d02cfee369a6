"""A recording gives each user's events in order of time, whatever the file looks like and however it is spread."""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.recording import Recording, Timed, recording
from segments.events import Plausibility

T = 1_795_341_600_000
YEAR = 365 * 86_400_000


def page(user: str, at: int, number: int = 0) -> bytes:
    return json.dumps({"type": "page", "userId": user, "timestamp": at, "messageId": f"{number}"}).encode()


def listed(spec: str, users: Iterator[list[Timed]]) -> list[tuple[str, list[Timed]]]:
    return [(spec, events) for events in users]


class Seen:
    """What a bar was told."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.done: Counter[str] = Counter()

    def __call__(self, name: str, size: int) -> "Seen.Bar":
        self.sizes[name] = size
        return Seen.Bar(self, name)

    class Bar:
        def __init__(self, seen: "Seen", name: str) -> None:
            self.seen, self.name = seen, name

        def __call__(self, done: int) -> None:
            self.seen.done[self.name] += done


def users_of(path: Path, workers: int = 1, mapping: str | None = None) -> tuple[Recording, list[list[Timed]]]:
    seen = Seen()
    with Recording.open(path, mapping, plausibility=Plausibility(), workers=workers, bar=seen) as opened:
        parts = list(opened.each(listed, "spec", seen("users", opened.events)))
    assert seen.done == Counter(seen.sizes)
    assert {spec for part in parts for spec, _ in part} <= {"spec"}
    return opened, [events for part in parts for _, events in part]


def test_each_user_comes_once_and_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    lines = [page("b", T + 2), page("a", T + 9), page("a", T, 1), b"", b"{", page("a", T, 2) + b"\r", page("b", T + 1)]
    path.write_bytes(b"\n".join(lines))
    opened, users = users_of(path)
    assert sorted(users) == sorted(
        [
            [(page("b", T + 1), T + 1), (page("b", T + 2), T + 2)],
            [(page("a", T, 1), T), (page("a", T, 2) + b"\r", T), (page("a", T + 9), T + 9)],
        ]
    )
    assert (opened.events, opened.span, opened.rejected) == (5, (T, T + 9), {"not_json": 1})


def test_blocks_and_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(page(f"u{n % 37}", T + n * 7 % 500, n) for n in range(900)) + b"\n")
    whole = users_of(path)
    for size in (1, 64, 1_000):
        monkeypatch.setattr(recording, "_BLOCK", max(size, 37))
        monkeypatch.setattr(recording, "_PARTITION", max(size * 40, 2_000))
        opened, users = users_of(path)
        assert sorted(users) == sorted(whole[1])
        assert opened.span == whole[0].span
    monkeypatch.setattr(recording, "_BLOCK", 5_000)
    monkeypatch.setattr(recording, "_SMALL", 0)
    assert sorted(users_of(path, workers=2)[1]) == sorted(whole[1])


def test_broken_clocks_neither_stretch_the_recording_nor_count_as_plausible(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    events = [page("a", T + n, n) for n in range(20)]
    path.write_bytes(b"\n".join([*events, page("a", T + 3 * YEAR), page("a", T - 20 * YEAR), page("a", T + 30)]))
    opened, (events_of_a,) = users_of(path)
    assert opened.span == (T, T + 30)
    assert events_of_a[0] == (page("a", T - 20 * YEAR), T + 19)
    assert events_of_a[-1] == (page("a", T + 3 * YEAR), T + 19)


def test_files_that_are_no_plain_lines_are_read_too(tmp_path: Path) -> None:
    packed = tmp_path / "events.ndjson.gz"
    packed.write_bytes(gzip.compress(page("a", T) + b"\n"))
    assert users_of(packed)[1] == [[(page("a", T), T)]]
    taobao = tmp_path / "UserBehavior.csv"
    taobao.write_text("7,42,3,fav,1511544070\n7,43,3,pv,1511544060\n")
    ((first, second),) = users_of(taobao, mapping="taobao")[1]
    assert (json.loads(first[0])["event"], json.loads(second[0])["event"]) == (
        "Product Viewed",
        "Product Added to Wishlist",
    )


@pytest.mark.parametrize("content", [b"", b"\n\n", b"nonsense\n"])
def test_a_file_without_events_has_no_span(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(content)
    opened, users = users_of(path)
    assert (opened.span, users) == (None, [])


def test_one_users_events_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([page("a", T + 2), page("b", T + 1), page("a", T)]))
    with Recording.open(path, None, plausibility=Plausibility(), workers=1, bar=Seen()) as opened:
        assert opened.of_user(zlib.crc32(b"a")) == [[(page("a", T), T), (page("a", T + 2), T + 2)]]
        assert opened.of_user(zlib.crc32(b"z")) == []
