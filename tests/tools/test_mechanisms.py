"""The list of mechanisms fits the sources; that each is noticed when it is off is what `make mechanisms` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mechanisms import ROOT, Mechanism, is_noticed, listed, without


@pytest.mark.parametrize("mechanism", listed(), ids=lambda each: each.claim)
def test_what_is_listed_is_there(mechanism: Mechanism) -> None:
    text = (ROOT / mechanism.file).read_text(encoding="utf-8")
    assert without(mechanism, text) != text
    assert [test for test in mechanism.tests if not (ROOT / test).is_file()] == []


def test_a_test_that_does_not_look_notices_nothing(tmp_path: Path) -> None:
    (tmp_path / "doubling.py").write_text("def double(number):\n    return 2 * number\n")
    (tmp_path / "test_it.py").write_text("from doubling import double\n\ndef test_it():\n    assert double(2) == 4\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = stack\n")

    def off(line: str) -> Mechanism:
        return Mechanism("doubles", "doubling.py", "return 2 * number", line, ("test_it.py",))

    assert is_noticed(off("return 3 * number"), tmp_path)
    assert not is_noticed(off("return number + 2"), tmp_path)
    with pytest.raises(ValueError, match="0 times"):
        is_noticed(off("return number")._replace(line="return 5"), tmp_path)
