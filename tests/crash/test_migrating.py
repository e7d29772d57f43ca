"""
Moves between two stores that are killed at any instant, while processes write and watch.

    python -m tests.crash.test_migrating write|watch FOLDER NAME     what the processes here do
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.crash.killedmoves import STEPS, killed_at
from tests.crash.scenarios import PROJECT

from realmconf.domain.names import RealmName
from realmconf.errors import OutcomeUnknown, RealmMoved
from realmconf.runtime.client import Client, connect
from realmconf.stores.embedded.store import EmbeddedStore

REALM = "team"
ROUNDS = 10
WRITERS = 4
PAUSE_SECONDS = 0.015
"""Between two writes of one writer: together they make some 200 a second."""
KILLS_PER_ROUND = 3


def old_and_new(folder: Path) -> tuple[str, str]:
    return str(folder / "old"), str(folder / "new")


# --- at every step of a move ------------------------------------------------------------------------


@pytest.mark.parametrize("is_before", [True, False])
def test_a_move_that_is_killed_at_any_step_goes_on(tmp_path: Path, is_before: bool) -> None:
    """At no step does a realm live in two stores; the same call finishes, with every write of the meantime."""
    points = [(EmbeddedStore, name) for name in STEPS]
    number = 1
    while killed_at(*old_and_new(tmp_path / str(number)), points, number, is_before=is_before):
        number += 1
    # Four things are done for each of three realms at least.
    assert number > 9


# --- at random, in use --------------------------------------------------------------------------------


def homes_of(folder: Path) -> dict[str, Client]:
    clients = [connect(url, author="w") for url in old_and_new(folder)]
    return {client.store.url: client for client in clients}


def write(folder: Path, name: str) -> None:
    """Write until told to stop, wherever the realm is said to live; note what was acknowledged."""
    clients = homes_of(folder)
    client = clients[str(folder / "old")]
    number = 0
    with open(folder / f"{name}.log", "a", buffering=1) as log:
        while not (folder / "stop").exists():
            write_id = f"{name}-{number}"
            try:
                done = client.realm(REALM).patch({name: number}, write_id=write_id)
            except RealmMoved as moved:
                client = clients[moved.to]
                log.write(json.dumps({"told": moved.to}) + "\n")
                time.sleep(PAUSE_SECONDS)
                continue
            except OutcomeUnknown:
                continue
            log.write(json.dumps({"id": write_id, "generation": done.generation}) + "\n")
            number += 1
            time.sleep(PAUSE_SECONDS)


def watch(folder: Path, name: str) -> None:
    """Note every generation that comes, wherever the realm lives, going on after the last cursor."""
    clients = homes_of(folder)
    client = clients[str(folder / "old")]
    cursor: Any = 0
    with open(folder / f"{name}.log", "a", buffering=1) as log:
        while True:
            try:
                for snapshot in client.realm(REALM).watch(after=cursor, view="own"):
                    log.write(
                        json.dumps([snapshot.generation, snapshot.digest, snapshot.reset]) + "\n"
                    )
                    cursor = snapshot.cursor
                    if snapshot.document is not None and snapshot.document.get("end"):
                        return
            except RealmMoved as moved:
                client = clients[moved.to]
                time.sleep(PAUSE_SECONDS)


def started(what: str, folder: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.test_migrating", what, str(folder), name], cwd=PROJECT
    )


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def moved_in_pieces(source: Path, target: Path, chance: random.Random) -> int:
    """Let the command move everything, and kill it at random a few times first; how often it was."""
    kills = 0
    while True:
        command = subprocess.Popen(
            [sys.executable, "-m", "realmconf", "migrate", str(source), str(target), "--live"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            seconds = chance.uniform(0.08, 0.3) if kills < KILLS_PER_ROUND else None
            _, said = command.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            command.kill()
            command.communicate()
            kills += 1
            continue
        assert command.returncode == 0, said
        return kills


def test_nothing_is_lost_between_two_stores_in_use(tmp_path: Path) -> None:
    """
    G1, G2, G4, G6, G7: some 200 writes a second go on while realms move to and fro by commands that are killed at
    random.  No gap, no number twice, no acknowledged write lost or done twice; watchers see each once, without a reset.
    """
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    old, new = tmp_path / "old", tmp_path / "new"
    with connect(str(old), author="ada") as client:
        client.realm(REALM).set({"begin": True})
    writers = [f"w{number}" for number in range(WRITERS)]
    watchers = ["s0", "s1"]
    processes = [started("write", tmp_path, name) for name in writers]
    seeing = [started("watch", tmp_path, name) for name in watchers]
    try:
        kills = 0
        for number in range(ROUNDS):
            source, target = (old, new) if number % 2 == 0 else (new, old)
            kills += moved_in_pieces(source, target, chance)
        (tmp_path / "stop").touch()
        for process in processes:
            assert process.wait(60) == 0
        with connect(str(old), author="ada") as client:
            client.realm(REALM).patch({"end": True})
            client.realm(REALM).verify()
            with client.store.view() as view:
                history = list(view.revisions(RealmName(REALM)))
        for process in seeing:
            assert process.wait(60) == 0
    finally:
        for process in (*processes, *seeing):
            process.kill()
            process.wait()
    noted = [line for name in writers for line in lines_of(tmp_path / f"{name}.log")]
    acknowledged = [(line["generation"], line["id"]) for line in noted if "id" in line]
    assert [one.generation for one in history] == list(range(1, len(history) + 1))
    written = {one.generation: one.write_id for one in history}
    assert all(written[generation] == write_id for generation, write_id in acknowledged)
    assert Counter(written.values()).most_common(1)[0][1] == 1
    assert len(acknowledged) == len(history) - 2
    assert {line["told"] for line in noted if "told" in line} == {str(old), str(new)}
    expected = [[one.generation, one.digest, False] for one in history]
    for name in watchers:
        assert lines_of(tmp_path / f"{name}.log") == expected
    print(f"{len(history)} generations, {kills} kills")
    assert kills > 0


if __name__ == "__main__":
    {"write": write, "watch": watch}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
