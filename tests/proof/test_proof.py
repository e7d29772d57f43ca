"""What attacks the guarantees adds up, says what it found, and is on the page."""

from __future__ import annotations

import json

import pytest
from tests.proof import __main__ as command
from tests.proof import record
from tests.proof.harnesses import HARNESSES, Harness


def harness(name: str, findings: list[str]) -> Harness:
    return Harness(
        name=name,
        about="nothing",
        guarantees="G1",
        part=lambda seed, size: ({"points": size}, findings),
        quick=1,
        full=4,
        goals={"points": 10},
    )


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    path = tmp_path / "proof.jsonl"
    monkeypatch.setattr(record, "parts", lambda: _parts(path))
    monkeypatch.setattr(record, "add", lambda part: _add(part, path))
    return path


_parts, _add = record.parts, record.add


def test_page_has_the_counts_of_the_record():
    """The table of counts on the page of guarantees is that of the record."""
    page = record.PAGE.read_text(encoding="utf-8")
    assert record.rendered(page, record.parts()) == page


def test_record_has_no_violation():
    """No part that was recorded has found anything."""
    assert [part for part in record.parts() if part["findings"]] == []


def test_parts_add_up_until_all_is_done(recorded, capsys):
    """The full profile goes on where the record ends, with another seed, and stops when its count is reached."""
    done = command._full([harness("planted", [])], minutes=1)
    assert done == 0
    parts = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert [part["seed"] for part in parts] == [0, 1, 2]
    assert record.totals(parts, "planted") == {"points": 12}
    assert command._full([harness("planted", [])], minutes=1) == 0
    assert len(recorded.read_text().splitlines()) == 3


@pytest.mark.planted
@pytest.mark.parametrize("profile", ["quick", "full"])
def test_a_finding_fails(recorded, profile, capsys):
    """A finding ends the full profile, fails both, and is recorded as a violation."""
    chosen = [harness("planted", ["generation 3 is lost"])]
    failed = command._quick(chosen, 1) if profile == "quick" else command._full(chosen, 1)
    assert failed == 1
    assert "generation 3 is lost" in capsys.readouterr().out


def test_every_harness_says_what_it_is_about():
    """Each harness has a goal, and names guarantees that there are."""
    page = record.PAGE.read_text(encoding="utf-8")
    for one in HARNESSES.values():
        assert one.goals
        for name in one.guarantees.replace("-", " ").split():
            assert f"## {name} " in page
