"""Files under the root disappear: no generation is ever used twice, and nothing starts afresh unsaid."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.crash import scenarios
from tests.crash.scenarios import REALM
from tests.crash.sweep import in_a_process

from realmconf.errors import HistoryMissing, RealmconfError
from realmconf.runtime.client import connect

STORE = ".store"
DATABASE = "realmconf.db"
GENERATIONS = 5

LOSSES = {
    "database": [f"{STORE}/{DATABASE}"],
    "log": [f"{STORE}/{DATABASE}-wal"],
    "index": [f"{STORE}/{DATABASE}-shm"],
    "counters": [f"{STORE}/counters"],
    "locks": [f"{STORE}/line.lock", f"{STORE}/turn.lock", f"{STORE}/wake"],
    "working copies": [REALM, "other"],
}
"""What one accident takes."""

COMBINATIONS = [
    *((name,) for name in LOSSES),
    *itertools.combinations(LOSSES, 2),
    ("database", "log", "index"),
    ("database", "log", "index", "counters"),
    ("log", "index", "counters"),
]


def a_history(root: Path, *, dies: bool) -> None:
    """Five generations, the working copy of the last one rendered; the process ends well, or does not."""
    client = connect(str(root))
    for name in (REALM, "other"):
        for number in range(1, GENERATIONS + 1):
            client.realm(name).set({"n": number})
    client.publish()
    if not dies:
        client.close()


def afterwards(root: Path) -> dict[str, Any]:
    """What a new process finds: what it reads, then what its write answers."""
    found: dict[str, Any] = {}
    try:
        client = connect(str(root))
        realm = client.realm(REALM)
        snapshot = realm.get()
        found["read"] = [snapshot.generation, (snapshot.document or {}).get("n")]
    except RealmconfError as error:
        found["read"] = error.code
    try:
        client = connect(str(root))
        written = client.realm(REALM).set({"n": "new"}, timeout=10)
        found["written"] = written.generation
        found["history"] = [one.generation for one in reversed(client.realm(REALM).history())]
        client.realm(REALM).verify()
    except RealmconfError as error:
        found["written"] = error.code
    return found


def goes_on_or_is_missing(found: dict[str, Any]) -> bool:
    """Whether what was found is the whole history and its next generation, or a refusal."""
    whole = [GENERATIONS, GENERATIONS]
    if found["written"] == "history_missing":
        return found["read"] in ("history_missing", whole)
    history = list(range(1, GENERATIONS + 2))
    return (found["read"], found["written"], found["history"]) == (whole, history[-1], history)


def told_by(act: Any) -> Any:
    told, status = in_a_process(lambda: iter([act()]))
    assert status == 0, told
    return told[0]


@pytest.mark.parametrize("dies", [False, True], ids=["closed", "killed"])
@pytest.mark.parametrize("lost", COMBINATIONS, ids="+".join)
def test_history_goes_on_or_is_missing(lost: tuple[str, ...], dies: bool, tmp_path: Path) -> None:
    """G2: after any loss that leaves a witness the history goes on whole, or it is ``history_missing``."""
    root = tmp_path / "root"
    told_by(lambda: a_history(root, dies=dies))
    for path in itertools.chain.from_iterable(LOSSES[name] for name in lost):
        if (root / path).is_dir():
            shutil.rmtree(root / path)
        elif (root / path).exists():
            (root / path).unlink()
    for _ in range(2):
        found = told_by(lambda: afterwards(root))
        assert goes_on_or_is_missing(found), found
        if found["written"] != "history_missing":
            break


@pytest.mark.parametrize("kept", ["counters", "working copies", "log"])
def test_each_witness_alone_is_enough(kept: str, tmp_path: Path) -> None:
    """G2: the database is gone; the log, the counter file, or a working copy's first line alone tells."""
    root = tmp_path / "root"
    told_by(lambda: a_history(root, dies=True))
    for name, paths in LOSSES.items():
        for path in paths:
            if name == kept:
                assert (root / path).exists()
            elif (root / path).is_dir():
                shutil.rmtree(root / path)
            elif (root / path).exists():
                (root / path).unlink()
    assert told_by(lambda: afterwards(root)) == {
        "read": "history_missing",
        "written": "history_missing",
    }


@pytest.mark.parametrize("how", ["emptied", "older copy"])
def test_a_database_that_was_replaced(how: str, tmp_path: Path) -> None:
    """G2: an emptied database, or an older one than the counter file knows, is ``history_missing``."""
    root = tmp_path / "root"
    database = root / STORE / DATABASE
    told_by(lambda: a_history(root, dies=False))
    older = tmp_path / "older"
    shutil.copytree(root / STORE, older)
    told_by(lambda: connect(str(root)).realm(REALM).set({"n": 6}).generation)
    if how == "emptied":
        os.truncate(database, 0)
        os.unlink(f"{database}-wal")
    else:
        for name in (DATABASE, f"{DATABASE}-wal"):
            shutil.copyfile(older / name, root / STORE / name)
    os.unlink(f"{database}-shm")
    found = told_by(lambda: afterwards(root))
    assert found["written"] == "history_missing", found


def test_files_that_vanish_under_an_open_client(tmp_path: Path) -> None:
    """G2: an open client whose database is deleted never answers from, or into, the deleted file for long."""
    root = tmp_path / "root"
    scenarios.run("store_vanishes", root)


def test_a_fresh_clone(tmp_path: Path) -> None:
    """Working copies without a record are ``history_missing`` until ``init`` imports them above their number."""
    root = tmp_path / "project" / ".realmconf"
    told_by(lambda: a_history(root, dies=False))
    shutil.rmtree(root / STORE)
    assert told_by(lambda: afterwards(root))["written"] == "history_missing"
    scenarios.command("init", cwd=root.parent)
    with connect(str(root)) as client:
        snapshot = client.realm(REALM).get()
        assert snapshot.document == {"n": GENERATIONS}
        assert snapshot.generation > GENERATIONS
        assert client.realm("other").get().generation > GENERATIONS


def test_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    """``history_missing`` names the root, and quotes no value."""
    root = tmp_path / "root"
    told_by(lambda: a_history(root, dies=False))
    os.unlink(root / STORE / DATABASE)
    with pytest.raises(HistoryMissing) as refused:
        connect(str(root)).realm(REALM).set({"n": 1})
    assert str(root) in str(refused.value)
    assert json.loads(json.dumps(refused.value.to_dict()))["code"] == "history_missing"
