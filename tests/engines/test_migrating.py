"""
Realms that move from engine to engine in use: from files to a server, on to the next, and back to files.

    python -m tests.engines.test_migrating write|watch FOLDER NAME     what the processes here do
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from realmconf.domain.names import RealmName
from realmconf.errors import LockTimeout, OutcomeUnknown, RealmMoved, StoreUnavailable
from realmconf.runtime.client import connect
from realmconf.stores.registry import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tests.engines.servers.etcd import Etcd
    from tests.engines.servers.nats import Nats
    from tests.engines.servers.postgres import Postgres

    from realmconf.runtime.client import Client

PROJECT = Path(__file__).parents[2]
REALM, PARENT, LONG = "team", "company", "old"
LONG_REVISIONS, LONG_BYTES = 80, 20_000
"""What takes a while to carry."""
WRITERS = 4
WRITES_PER_SECOND = 200
"""What is asked of the stores, by all writers together; a machine that does much else gets less done."""
BEHIND_SECONDS = 0.5
"""A writer that is later than this does not make up for it."""
PAUSE_SECONDS = 0.015
WRITES_MIN = 40
"""Acknowledged in each store before realms leave it."""
STORES, STOP = "stores.json", "stop"
END_SECONDS = 60


# --- what runs in processes of its own ------------------------------------------------------------


def homes_of(folder: Path) -> dict[str, Client]:
    """A client of each store, by what others are told of where it is; the first comes first."""
    urls = json.loads((folder / STORES).read_text())
    clients = [connect(url, author="w") for url in urls]
    return {public_url(client.store.url): client for client in clients}


def write(folder: Path, name: str) -> None:
    """Write until told to stop, wherever the realm is said to live; note what was acknowledged."""
    homes = homes_of(folder)
    client = next(iter(homes.values()))
    number, due = 0, time.monotonic()
    with open(folder / f"{name}.log", "a", buffering=1) as log:
        while not (folder / STOP).exists():
            now = time.monotonic()
            time.sleep(max(0.0, due - now))
            due = max(due, now - BEHIND_SECONDS) + WRITERS / WRITES_PER_SECOND
            write_id = f"{name}-{number}"
            try:
                done = client.realm(REALM).patch({name: number}, write_id=write_id)
            except RealmMoved as moved:
                client = homes[moved.to]
                log.write(json.dumps({"told": moved.to}) + "\n")
            except (LockTimeout, StoreUnavailable) as late:
                if not late.retryable:
                    raise
                # Nothing was written: a machine that does much else keeps one waiting for a turn, or for an answer.
                log.write(json.dumps({"late": write_id}) + "\n")
            except OutcomeUnknown:
                log.write(json.dumps({"unknown": write_id}) + "\n")
            else:
                home = public_url(client.store.url)
                line = {"id": write_id, "generation": done.generation, "home": home}
                log.write(json.dumps(line) + "\n")
                number += 1


def watch(folder: Path, name: str) -> None:
    """Note every generation that comes, wherever the realm lives, going on after the last cursor."""
    homes = homes_of(folder)
    client = next(iter(homes.values()))
    cursor: Any = 0
    with open(folder / f"{name}.log", "a", buffering=1) as log:
        while True:
            try:
                for snapshot in client.realm(REALM).watch(after=cursor, view="own"):
                    seen = [snapshot.generation, snapshot.digest, snapshot.reset]
                    log.write(json.dumps(seen) + "\n")
                    cursor = snapshot.cursor
                    if snapshot.document is not None and snapshot.document.get("end"):
                        return
            except RealmMoved as moved:
                client = homes[moved.to]
                time.sleep(PAUSE_SECONDS)


# --- the test ---------------------------------------------------------------------------------------


def started(what: str, folder: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engines.test_migrating", what, str(folder), name],
        cwd=PROJECT,
    )


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def moving(source: str, target: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "realmconf", "migrate", source, target, "--live"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def moved_with_a_kill(source: str, target: str, is_due: Callable[[Client, Client], bool]) -> None:
    """Let the command move everything, killed once, at the moment that *is_due* finds in the two stores."""
    first = moving(source, target)
    try:
        with connect(source) as old, connect(target) as new:
            deadline = time.monotonic() + END_SECONDS
            while not is_due(old, new):
                assert time.monotonic() < deadline
                assert first.poll() is None, first.communicate()
    finally:
        first.kill()
        first.communicate()
    second = moving(source, target)
    try:
        _, said = second.communicate(timeout=END_SECONDS)
    finally:
        second.kill()
    assert second.returncode == 0, said


def has_carried(number: int) -> Callable[[Client, Client], bool]:
    """Whether so many revisions of the long history are in the new store, and not all of them."""

    def is_due(old: Client, new: Client) -> bool:
        with new.store.view() as view:
            return view.head(RealmName(LONG)).generation >= number

    return is_due


def has_left(old: Client, new: Client) -> bool:
    """Whether a realm has left the old store, in the middle of the others' leaving."""
    with old.store.view() as view:
        return any(view.head(RealmName(name)).moved_to for name in (LONG, PARENT, REALM))


def wait_for_writes(folder: Path, writers: Sequence[str], store: str) -> None:
    """Wait until enough was acknowledged by *store*."""
    home = f'"home": {json.dumps(public_url(store))}'
    deadline = time.monotonic() + END_SECONDS
    logs = [folder / f"{name}.log" for name in writers]
    while sum(log.read_text().count(home) for log in logs if log.exists()) < WRITES_MIN:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def check_a_journey(folder: Path, stores: Sequence[str], *, seed: int) -> None:
    """Move everything from each of *stores* to the next, while processes write and watch, and compare."""
    chance = random.Random(seed)
    (folder / STORES).write_text(json.dumps(stores))
    with connect(stores[0], author="ada") as client:
        client.realm(PARENT).set({"retries": 1})
        client.realm(REALM).set({"realm": {REALM: {"parent": PARENT}}})
        for number in range(LONG_REVISIONS):
            client.realm(LONG).set({"n": number, "long": "x" * LONG_BYTES})
        with client.store.view() as view:
            digests = [one.digest for one in view.revisions(RealmName(LONG))]
    began = time.monotonic()
    writers, watchers = [f"w{number}" for number in range(WRITERS)], ["s0", "s1"]
    processes = [started("write", folder, name) for name in writers]
    seeing = [started("watch", folder, name) for name in watchers]
    try:
        for number, (source, target) in enumerate(pairwise(stores)):
            wait_for_writes(folder, writers, source)
            is_due = has_left if number % 2 else has_carried(chance.randrange(1, LONG_REVISIONS))
            leg = time.monotonic()
            moved_with_a_kill(source, target, is_due)
            print(f"to {target} in {time.monotonic() - leg:.1f} s")
        wait_for_writes(folder, writers, stores[-1])
        ended = time.monotonic()
        (folder / STOP).touch()
        for process in processes:
            assert process.wait(END_SECONDS) == 0
        with connect(stores[-1], author="ada") as client:
            realm = client.realm(REALM)
            realm.patch({"end": True})
            for name in (REALM, PARENT, LONG):
                client.realm(name).verify()
            assert realm.get().config["retries"] == 1
            assert client.realm(LONG).get().generation == LONG_REVISIONS
            with client.store.view() as view:
                assert [one.digest for one in view.revisions(RealmName(LONG))] == digests
            with client.store.view() as view:
                history = list(view.revisions(realm.realm_id))
        for process in seeing:
            assert process.wait(END_SECONDS) == 0
    finally:
        for process in (*processes, *seeing):
            process.kill()
            process.wait()
    noted = [line for name in writers for line in lines_of(folder / f"{name}.log")]
    acknowledged = [(line["generation"], line["id"]) for line in noted if "id" in line]
    written = {one.generation: one.write_id for one in history}
    assert list(written) == list(range(1, len(history) + 1))
    assert all(written[generation] == write_id for generation, write_id in acknowledged)
    assert Counter(written.values()).most_common(1)[0][1] == 1
    assert len(acknowledged) == len(history) - 2
    told = {line["told"] for line in noted if "told" in line}
    # While they change stores, either one may send a writer to the other.
    assert set(map(public_url, stores[1:])) <= told <= set(map(public_url, stores))
    expected = [[one.generation, one.digest, False] for one in history]
    for name in watchers:
        assert lines_of(folder / f"{name}.log") == expected
    seconds = ended - began
    print(
        f"{len(acknowledged)} writes in {seconds:.0f} s: {len(acknowledged) / seconds:.0f} a second"
    )


@pytest.mark.engines
@pytest.mark.serial
@pytest.mark.timeout(300)
def test_from_files_over_the_engines_and_back(
    tmp_path: Path, postgres: Postgres, etcd: Etcd, nats: Nats
) -> None:
    """
    G1-G5, G8: writes, 200 a second where the machine can, go on while realms move from store to store by a command that
    is killed once on every way, while it carries or while realms leave.  No gap, no number twice, no acknowledged write
    lost, the same digests; writers are told where to go, and watchers see each generation once, without a reset.
    """
    stores = [
        str(tmp_path / "first"),
        postgres.url(),
        etcd.url(),
        nats.url(),
        str(tmp_path / "last"),
    ]
    check_a_journey(tmp_path, stores, seed=1)


if __name__ == "__main__":
    {"write": write, "watch": watch}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
