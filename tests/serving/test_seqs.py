"""What a store keeps of seq, and what it refuses."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from serving.seqs import Progress, SeqFile, SeqTable
from serving.troubles import Overtaken


def progress(start: int, end: int, partition: int = 0, **seqs: int) -> Progress:
    return Progress("changes", partition, start, end, {user: (seq, end - 1) for user, seq in seqs.items()})


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    with closing(SeqFile(tmp_path / "seqs")) as store:
        store.save([progress(0, 4, u1=3), progress(2, 3, partition=1, u2=1)])
    with closing(SeqFile(tmp_path / "seqs")) as store:
        assert (store.reached("changes", 0), store.reached("changes", 1), store.reached("changes", 2)) == (4, 3, None)
        assert store.known("changes", {"u1", "u2", "u3"}) == {"u1": 3, "u2": 1}
        assert store.known("other", {"u1"}) == {}


def test_more_users_than_a_query_takes() -> None:
    with closing(SeqFile(":memory:")) as store:
        users = {f"u{number}": number + 1 for number in range(1_201)}
        store.save([progress(0, 2_000, **users)])
        assert store.known("changes", users) == users


def test_a_seq_does_not_go_back() -> None:
    with closing(SeqFile(":memory:")) as store:
        store.save([progress(0, 5, u1=5)])
        store.save([progress(5, 7, u1=2)])
        assert store.known("changes", ["u1"]) == {"u1": 5}


def test_all_or_nothing_when_another_member_is_further_on() -> None:
    with closing(SeqFile(":memory:")) as store:
        store.save([progress(0, 5, u1=5)])
        with pytest.raises(Overtaken, match="changes, partition 0: another member has acknowledged up to offset 5"):
            store.save([progress(0, 2, partition=1, u2=1), progress(3, 6, u1=6)])
        assert store.known("changes", ["u1", "u2"]) == {"u1": 5}
        assert store.reached("changes", 1) is None
        store.save([progress(9, 10, u1=6)])


def test_users_of_whom_kafka_has_nothing_left_are_forgotten() -> None:
    with closing(SeqFile(":memory:")) as store:
        store.save([progress(0, 5, u1=1), progress(0, 5, partition=1, u2=1)])
        store.save([progress(5, 6, u3=1)])
        store.forget("changes", 0, before=5)
        assert store.known("changes", ["u1", "u2", "u3"]) == {"u2": 1, "u3": 1}


@pytest.mark.parametrize("isolation", [None, "DEFERRED"])
def test_effects_and_seqs_are_one_transaction(tmp_path: Path, isolation: None) -> None:
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=isolation)) as own:
        own.execute("CREATE TABLE mails (user_id)")
        table = SeqTable(own)
        own.execute("BEGIN")
        own.execute("INSERT INTO mails VALUES ('u1')")
        table.save([progress(0, 5, u1=1)])
        own.execute("BEGIN")
        own.execute("INSERT INTO mails VALUES ('twice')")
        with pytest.raises(Overtaken):
            table.save([progress(0, 5, u1=1)])
        assert not own.in_transaction
    with closing(sqlite3.connect(tmp_path / "db")) as other:
        assert other.execute("SELECT user_id FROM mails").fetchall() == [("u1",)]
        assert SeqTable(other).known("changes", ["u1"]) == {"u1": 1}


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seqs"
    path.write_bytes(b"something else, and long enough to be no header of SQLite" * 20)
    with pytest.raises(ValueError, match="delete it, what it held is read again from the topic"):
        SeqFile(path)
