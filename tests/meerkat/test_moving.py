"""
Realms that move into Meerkat's files and out of them, while a program that cannot be told goes on writing those.

    python -m tests.meerkat.test_moving write FOLDER NAME     what the writers here do
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.crash.killedmoves import STEPS, digests, killed_at

from realmconf.domain.names import RealmName
from realmconf.errors import (
    HistoryCompacted,
    LockTimeout,
    OutcomeUnknown,
    RealmMoved,
    TimelineChanged,
)
from realmconf.runtime.client import Client, connect
from realmconf.runtime.migrating import migrate
from realmconf.stores.embedded.store import EmbeddedStore
from realmconf.stores.meerkat.journal import Journal
from realmconf.stores.meerkat.pair import Pair
from realmconf.stores.meerkat.store import MeerkatStore

PROJECT = Path(__file__).resolve().parents[2]
TEXT = "# kept by hand\n[agent]\nmodel = 'm1'  # the good one\n"
PAUSE_SECONDS = 0.02


def urls_of(folder: Path) -> dict[str, str]:
    root = f"meerkat://{folder}/realms?global={folder}/user&lock_seconds=2&stale_seconds=4"
    return {"files": root, "folder": str(folder / "store")}


class Place:
    """A root of Meerkat's, a store to move into, and what a program that follows Meerkat's protocol would do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.urls = urls_of(path)
        self.realm = path / "realms" / "team"
        self.config = self.realm / "config.toml"
        self.state = self.realm / "config_state.json"

    def write(self, text: str, generation: int) -> None:
        """As ``rkat`` leaves it: nothing of ours beside the number."""
        self.realm.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)
        self.state.write_text(json.dumps({"generation": generation}, indent=2))

    def number(self) -> int:
        return int(json.loads(self.state.read_text())["generation"])

    def files(self) -> Client:
        return connect(self.urls["files"], author="ada")

    def folder(self) -> Client:
        return connect(self.urls["folder"], author="ben")

    def move(self, source: str, target: str, **options: Any) -> Any:
        with connect(self.urls[source]) as one, connect(self.urls[target]) as other:
            return migrate(one, other, **options)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "realmconf", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.path,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- out, and back -----------------------------------------------------------------------------------


def test_a_realm_goes_with_all_that_is_known_of_it(place: Place) -> None:
    """G2, G14: history, a schema, a tombstone, receipts: what the journal has is in the other store as it was."""
    place.write(TEXT, 4)
    with place.files() as files:
        team = files.realm("team")
        team.get()
        place.write(TEXT.replace("m1", "m2"), 5)
        team.get()
        team.set_schema({"type": "object", "title": "ours"})
        team.set_value("agent.max_turns", 3, write_id="mine")
        team.delete()
        team.set({"agent": {"model": "m3"}}, write_id="again")
        schema = team.schema
        before = digests(files, "team")
    moved = place.move("files", "folder")
    assert [(one.realm, one.state) for one in moved.realms] == [("team", "moved")]
    with place.folder() as folder, place.files() as files:
        team = folder.realm("team")
        assert digests(folder, "team") == before
        assert [one.generation for one in team.history()] == [9, 8, 7, 6, 5, 4]
        team.verify()
        with pytest.raises(HistoryCompacted):
            team.at(3)
        assert team.set_value("agent.max_turns", 3, write_id="mine").generation == 7
        assert team.schema == schema
        assert schema is not None
        with pytest.raises(RealmMoved) as told:
            files.realm("team").set_value("agent.model", "late")
        assert told.value.to == place.urls["folder"]
        with pytest.raises(RealmMoved):
            files.realm("team").get()


def test_a_realm_comes_with_its_number(place: Place) -> None:
    """G2: whoever reads the files alone finds the document, and the generation that the history goes on from."""
    with place.folder() as folder:
        team = folder.realm("team")
        for number in range(1, 6):
            team.set({"n": number})
        gone = folder.realm("gone")
        gone.set({"n": 1})
        gone.delete()
    place.move("folder", "files", live=True)
    assert place.number() == 5
    assert place.config.read_text() == "n = 5\n"
    left = place.path / "realms" / "gone"
    assert sorted(os.listdir(left)) == ["config_state.json"]
    assert json.loads((left / "config_state.json").read_text())["generation"] == 2
    place.write("n = 6\n", 6)
    with place.files() as files:
        assert files.realm("team").get().generation == 6
        assert [one.generation for one in files.realm("team").history()] == [6, 5, 4, 3, 2, 1]
        assert files.realm("gone").set({"n": 3}).generation == 3


def test_there_and_back_keeps_comments(place: Place) -> None:
    """What was written elsewhere comes back into the very file that the realm left behind, comments and all."""
    place.write(TEXT, 4)
    place.move("files", "folder")
    with place.folder() as folder:
        folder.realm("team").set_value("agent.model", "m2")
        folder.realm("team").set_value("agent.model", "m3")
    place.move("folder", "files")
    assert place.config.read_text() == TEXT.replace("'m1'", '"m3"')
    assert place.number() == 6
    with place.files() as files:
        assert files.realm("team").set_value("agent.model", "m4").generation == 7
        files.realm("team").verify()


def test_a_root_of_global_moves_as_a_family(place: Place) -> None:
    """The realm ``global``, whose files are elsewhere, moves with all that inherit from it."""
    with place.files() as files:
        files.realm("global").set({"a": 1})
        files.realm("team").set({"b": 1})
    moved = place.move("files", "folder")
    assert [one.realm for one in moved.realms] == ["global", "team"]
    with place.folder() as folder:
        assert folder.realm("team").get().config["a"] == 1
    place.move("folder", "files")
    assert (place.path / "user" / "config.toml").read_text().strip() == "a = 1"


def test_a_dry_run_changes_nothing(place: Place) -> None:
    """What there is to do is told, and both stores stay as they are."""
    place.write(TEXT, 4)
    told = place.run("migrate", place.urls["files"], place.urls["folder"], "--dry-run")
    assert (told.returncode, told.stdout) == (0, "team: generation=4, 1 revisions to carry\n")
    assert not (place.path / "store").exists()
    assert place.number() == 4


# --- what cannot be told ---------------------------------------------------------------------------------


def test_what_is_written_after_the_move_is_found(place: Place) -> None:
    """A program that cannot be told writes on: the files keep that, everybody is told, and nobody takes it for true."""
    place.write(TEXT, 4)
    place.move("files", "folder")
    doctor = place.run("--store", place.urls["files"], "doctor")
    assert "other programs still read that" in doctor.stdout
    place.write(TEXT.replace("m1", "theirs"), 5)
    doctor = place.run("--store", place.urls["files"], "doctor")
    assert "another program has written" in doctor.stdout
    assert "up to generation 5" in doctor.stdout
    status = place.run("--store", place.urls["files"], "--realm", "team", "status", "-o", "json")
    told = json.loads(status.stdout)
    assert (told["state"], told["generation"]) == ("moved", 4)
    assert "another program has written here since" in told["reason"]
    with place.files() as files, place.folder() as folder:
        with pytest.raises(RealmMoved):
            files.realm("team").get()
        assert folder.realm("team").get().config["agent"]["model"] == "m1"
    assert "theirs" in place.config.read_text()


def test_no_realm_comes_back_to_what_nobody_has_decided(place: Place) -> None:
    """The way back is refused, by a dry run too, until somebody has removed what another program has written."""
    place.write(TEXT, 4)
    place.move("files", "folder")
    with place.folder() as folder:
        folder.realm("team").set_value("agent.model", "ours")
    place.write(TEXT.replace("m1", "theirs"), 9)
    (planned,) = place.move("folder", "files", dry_run=True).realms
    assert planned.state == "refused"
    with pytest.raises(TimelineChanged, match="another program has written"):
        place.move("folder", "files")
    with place.folder() as folder:
        assert folder.realm("team").set_value("agent.max_turns", 1).generation == 6
    assert "theirs" in place.config.read_text()
    place.config.unlink()
    place.state.unlink()
    place.move("folder", "files")
    with place.files() as files:
        assert files.realm("team").get().config["agent"] == {"model": "ours", "max_turns": 1}
    assert place.number() == 6


def test_what_is_written_in_the_last_instant_stops_the_arrival(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the cut-over and the arrival too: the realm waits, and is let in when somebody has decided."""
    place.write(TEXT, 4)
    place.move("files", "folder")
    with place.folder() as folder:
        folder.realm("team").set_value("agent.model", "ours")
    arrive = MeerkatStore.arrive

    def late(self: MeerkatStore, *arguments: Any, **how: Any) -> Any:
        place.write(TEXT.replace("m1", "theirs"), 5)
        return arrive(self, *arguments, **how)

    with monkeypatch.context() as patched:
        patched.setattr(MeerkatStore, "arrive", late)
        with pytest.raises(TimelineChanged):
            place.move("folder", "files")
    assert "theirs" in place.config.read_text()
    place.config.unlink()
    place.state.unlink()
    (done,) = place.move("folder", "files").realms
    assert done.state == "arrived"
    assert place.number() == 5


def test_a_lost_journal_does_not_bring_a_moved_realm_back(place: Place) -> None:
    """The marker is beside the number too: without our records the realm still lives where it went."""
    place.write(TEXT, 4)
    place.move("files", "folder")
    shutil.rmtree(place.path / "realms" / ".realmconf-records")
    for _ in range(2):
        with place.files() as files:
            with pytest.raises(RealmMoved) as told:
                files.realm("team").get()
            assert told.value.to == place.urls["folder"]
            with pytest.raises(RealmMoved):
                files.realm("team").set({"n": 1})


def test_an_edit_that_cannot_be_taken_in_stays(place: Place) -> None:
    """G8: a text that is no document is told of when the realm leaves, and kept beside when it comes back."""
    place.write(TEXT, 4)
    with place.files() as files:
        files.realm("team").get()
    place.config.write_text(TEXT + "x = [")
    (moved,) = place.move("files", "folder").realms
    assert "config.toml" in moved.warnings[0]
    with place.folder() as folder:
        folder.realm("team").set_value("agent.model", "m2")
    place.move("folder", "files")
    kept = place.realm / "config.toml.left-5"
    assert kept.read_text() == TEXT + "x = ["
    assert place.number() == 5


def test_an_older_program_does_not_pass_over_a_marker(place: Place) -> None:
    """A journal without markers is of the first format, one with a marker of a newer one."""
    place.write(TEXT, 4)
    with place.files() as files:
        files.realm("team").get()
        assert _format(files) == 1
    place.move("files", "folder")
    with place.files() as files:
        assert _format(files) == 2


def _format(client: Client) -> object:
    journal: Journal = client.store._journal  # type: ignore[attr-defined]
    return journal.rows("SELECT value FROM meta WHERE name = 'format'")[0][0]


# --- killed in each leg -------------------------------------------------------------------------------------


def points() -> list[tuple[type, str]]:
    """Each step of the move, and within the arrival in files each step of theirs."""
    steps: list[tuple[type, str]] = [
        (kind, name) for kind in (EmbeddedStore, MeerkatStore) for name in STEPS
    ]
    return [*steps, (Pair, "put"), (Journal, "due"), (Journal, "rendered")]


def is_killed_at(folder: Path, source: str, target: str, number: int, *, is_before: bool) -> bool:
    """Whether there was such a step; checks what is left then, and that files tell the numbers of what was moved."""
    urls = urls_of(folder)
    histories = killed_at(urls[source], urls[target], points(), number, is_before=is_before)
    if histories is None:
        return False
    if target == "files":
        for realm, history in histories.items():
            stated = json.loads(
                (folder / "realms" / realm / "config_state.json").read_text("utf-8")
            )
            assert stated["generation"] == len(history)
    return True


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize(("source", "target"), [("files", "folder"), ("folder", "files")])
def test_a_move_that_is_killed_at_any_step_goes_on(
    tmp_path: Path, source: str, target: str, is_before: bool
) -> None:
    """At no step does a realm live in two stores; the same call finishes, with every write of the meantime."""
    number = 1
    while is_killed_at(tmp_path / str(number), source, target, number, is_before=is_before):
        number += 1
    assert number > 9


# --- at random, in use, by the command ------------------------------------------------------------------------


def write(folder: Path, name: str) -> None:
    """Write until told to stop, wherever the realm is said to live; note what was acknowledged."""
    clients = {
        client.store.url: client
        for client in (connect(url, author="w") for url in urls_of(folder).values())
    }
    client = next(iter(clients.values()))
    number = 0
    with open(folder / f"{name}.log", "a", buffering=1) as log:
        while not (folder / "stop").exists():
            write_id = f"{name}-{number}"
            try:
                done = client.realm("team").patch({name: number}, write_id=write_id)
            except RealmMoved as moved:
                client = clients[moved.to]
                time.sleep(PAUSE_SECONDS)
                continue
            except (OutcomeUnknown, LockTimeout):
                # The same write again: on a busy machine the turn may not come in time.
                continue
            log.write(json.dumps([write_id, done.generation]) + "\n")
            number += 1
            time.sleep(PAUSE_SECONDS)


@pytest.mark.timeout(600)
def test_nothing_is_lost_between_two_stores_in_use(tmp_path: Path) -> None:
    """
    G1, G2, G4, G6: two processes write on while the realm moves to and fro by commands that are killed at random: no
    gap, no number twice, no acknowledged write lost or done twice.
    """
    place = Place(tmp_path)
    with place.files() as files:
        files.realm("team").set({"begin": True})
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    names = ["w0", "w1"]
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.meerkat.test_moving", "write", str(tmp_path), name],
            cwd=PROJECT,
        )
        for name in names
    ]
    try:
        for number in range(4):
            source, target = ("files", "folder") if number % 2 == 0 else ("folder", "files")
            _moved_in_pieces(place, source, target, chance)
        (tmp_path / "stop").touch()
        for process in writers:
            assert process.wait(60) == 0
    finally:
        for process in writers:
            process.kill()
            process.wait()
    with place.files() as files:
        files.realm("team").verify()
        with files.store.view() as view:
            history = list(view.revisions(RealmName("team")))
    noted = [
        json.loads(line)
        for name in names
        for line in (tmp_path / f"{name}.log").read_text().splitlines()
    ]
    assert [one.generation for one in history] == list(range(1, len(history) + 1))
    written = {one.write_id: one.generation for one in history}
    assert all(written[write_id] == generation for write_id, generation in noted)
    assert len(written) == len(history)
    assert place.number() == len(history)
    assert len(noted) > 10


def _moved_in_pieces(place: Place, source: str, target: str, chance: random.Random) -> None:
    kills = 0
    while True:
        command = subprocess.Popen(
            [
                *(sys.executable, "-m", "realmconf", "migrate"),
                *(place.urls[source], place.urls[target], "--live"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = command.communicate(timeout=chance.uniform(0.1, 0.5) if kills < 2 else None)
        except subprocess.TimeoutExpired:
            command.kill()
            command.communicate()
            kills += 1
            continue
        assert command.returncode == 0, said
        return


if __name__ == "__main__":
    {"write": write}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
