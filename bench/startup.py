"""
M18: the wall time of ``realmconf get``, against an interpreter that does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from bench import documents, ours
from bench.harness import Spread, compete, each
from bench.results import Figure, Workplace, at_most

REALM = "started"


def measure(place: Workplace) -> list[Figure]:
    """M18: the installed command, from start to exit, in a root that is in use."""
    root = place.path("realms")
    with ours.connect(root) as client:
        client.realm(REALM).set(documents.agent())
        asked = [*command(), "--store", str(root), "--realm", REALM, "get", "agent.model"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == documents.AGENT["agent"]["model"]

        def start(arguments: list[str]) -> None:
            subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)

        count = place.effort.count(15, least=5)
        nothing = [sys.executable, "-c", "pass"]
        isolated = [sys.executable, "-I", "-S", "-c", "import sqlite3"]
        rounds = compete(
            {
                "get": partial(each, partial(start, asked), count),
                "nothing": partial(each, partial(start, nothing), count),
                "isolated": partial(each, partial(start, isolated), count),
            },
            rounds=place.effort.rounds,
        )
    return [
        Figure(
            "M18", "realmconf get / python -c pass", rounds.ratio("get", "nothing"), "x",
            at_most(4), f"python -c pass {rounds.cost('nothing') / 1000:.0f} ms",
        ),
        Figure(
            "M18", "realmconf get",
            Spread.of([batch.median / 1000 for batch in rounds.batches["get"]]), "ms", at_most(100),
        ),
        Figure(
            "M18", "realmconf get / python -I -S -c 'import sqlite3'",
            rounds.ratio("get", "isolated"), "x", None,
        ),
    ]  # fmt: skip


def command() -> list[str]:
    """The command as a user has it: the script beside the interpreter, else the module."""
    script = Path(sys.executable).with_name("realmconf")
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "realmconf"]
