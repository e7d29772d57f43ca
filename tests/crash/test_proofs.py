"""Proofs of several realms beside a writer: no read is stale, and every read is of one point."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash import proving

from realmconf.stores.embedded.proofs import Proofs

SECONDS_MAX = 60.0
"""For what is seen within a second."""


def test_no_proved_read_is_stale_beside_a_writer(tmp_path: Path) -> None:
    """G3, G9: heads proved together are never older than what was acknowledged before, and stood together once."""
    seen = proving.read_beside(tmp_path / "root", seconds=3)
    assert seen.stood, seen
    assert seen.given, seen


@pytest.mark.planted
@pytest.mark.parametrize("bug", proving.OF_THE_READER)
def test_a_bug_of_the_reader_is_caught(tmp_path: Path, bug: str, monkeypatch) -> None:
    """The order that a reader keeps, turned round, is a stale read."""
    monkeypatch.setattr(Proofs, "of", Proofs.of)
    proving.OF_THE_READER[bug]()
    with pytest.raises(AssertionError):
        proving.read_beside(tmp_path / "root", seconds=SECONDS_MAX)


@pytest.mark.planted
@pytest.mark.parametrize("bug", proving.OF_THE_WRITER)
def test_a_bug_of_the_writer_is_caught(tmp_path: Path, bug: str) -> None:
    """The order that a writer keeps, turned round, is a stale read."""
    with pytest.raises(AssertionError):
        proving.read_beside(tmp_path / "root", seconds=SECONDS_MAX, bug=bug)
