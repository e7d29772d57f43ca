"""Processes that want the same thing at once: counters that add up, and one winner in each round."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.crash import scenarios
from tests.crash.scenarios import PROJECT, REALM, start

from realmconf.runtime.client import connect


def competing(root: Path, processes: int, rounds: int) -> list[list[dict[str, Any]]]:
    """Let *processes* write against the same expected generation, *rounds* times; what each was told."""
    competitors = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.crash.scenarios", "compete", str(root), str(index)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    told: list[list[dict[str, Any]]] = []
    try:
        for generation in range(1, rounds + 1):
            for one in competitors:
                assert one.stdin is not None
                one.stdin.write(f"{generation}\n")
                one.stdin.flush()
            answers = []
            for one in competitors:
                assert one.stdout is not None
                answers.append(json.loads(one.stdout.readline()))
            told.append(answers)
    finally:
        for one in competitors:
            one.communicate()
    return told


def check_rounds(root: Path, processes: int, rounds: int) -> None:
    with connect(str(root)) as client:
        client.realm(REALM).set({"round": 0})
    for expected, answers in enumerate(competing(root, processes, rounds), start=1):
        winners = [answer for answer in answers if "generation" in answer]
        losers = [answer for answer in answers if "code" in answer]
        assert [winner["generation"] for winner in winners] == [expected + 1]
        assert len(losers) == processes - 1
        for loser in losers:
            assert loser["code"] == "generation_conflict"
            assert (loser["expected"], loser["current"]) == (expected, expected + 1)
    with connect(str(root)) as client:
        assert client.realm(REALM).get().generation == rounds + 1
        client.realm(REALM).verify()


def check_increments(root: Path, processes: int, each: int) -> None:
    writers = [start("increment", root, str(each)) for _ in range(processes)]
    for writer in writers:
        writer.communicate(timeout=500)
        assert writer.returncode == 0
    scenarios.run("expect", root, str(processes * each))


def test_increments_add_up(tmp_path: Path) -> None:
    """G1, G2: eight processes that count up one leaf with ``update`` lose none, at contiguous generations."""
    check_increments(tmp_path / "root", processes=8, each=40)


def test_one_winner_in_each_round(tmp_path: Path) -> None:
    """G1: of eight processes with the same expected generation one wins, and each loser is told both numbers."""
    check_rounds(tmp_path / "root", processes=8, rounds=40)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_four_thousand_increments(tmp_path: Path) -> None:
    """The same with 500 increments each: the leaf is 4,000."""
    check_increments(tmp_path / "root", processes=8, each=500)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_a_thousand_rounds(tmp_path: Path) -> None:
    """The same for a thousand rounds."""
    check_rounds(tmp_path / "root", processes=8, rounds=1_000)
