"""The working copy of the real store: several processes, their deaths, forks, watchers, exits."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.workingcopy.editors import STYLES, KeptDescriptor, Save, SlowEditor

import realmconf
from realmconf.domain.names import GLOBAL, RealmName
from realmconf.errors import GenerationConflict, HistoryMissing, StoreFull, WorkingCopyError
from realmconf.stores.embedded.workcopy import WorkingCopies
from realmconf.testing.conformance.base import holds, proved

AGENT: dict[str, Any] = {
    "agent": {"model": "small", "tokens": 1000},
    "limits": {"cpu": 1.5},
    "z_last": True,
}

styles = pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)


@pytest.fixture
def client(tmp_path):
    with realmconf.connect(str(tmp_path)) as client:
        yield client


def text_of(root: Path, realm: str = "team") -> str:
    return (root / realm / "config.toml").read_text("utf-8")


def eventually(condition, *, seconds: float = 20.0) -> None:
    """Wait for *condition*; what is waited for is said by the kernel, so this is long only when it fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_write_is_rendered_by_itself(client, tmp_path):
    """A write is followed by its rendering without anybody asking."""
    client.realm("team").set(AGENT)
    eventually((tmp_path / "team" / "config.toml").exists)
    assert tomllib.loads(text_of(tmp_path)) == AGENT
    realm = client.realm("team")
    realm.patch({"z_last": False})
    eventually(lambda: "generation 2\n" in text_of(tmp_path))


@styles
def test_read_sees_a_saved_edit(client, tmp_path, save: Save):
    """A read after a save answers with the edit: on a fresh handle, and on one that is told by the kernel."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    for value in range(3):
        save(
            str(tmp_path / "team" / "config.toml"),
            text_of(tmp_path).replace(f"tokens = {1000 + value}", f"tokens = {1001 + value}"),
        )
        eventually(lambda value=value: realm.get().config["agent"]["tokens"] == 1001 + value)
        with realmconf.connect(str(tmp_path)) as fresh:
            assert fresh.realm("team").get().config["agent"]["tokens"] == 1001 + value
        realm.publish()
    assert [revision.kind for revision in realm.history()] == ["adopt"] * 3 + ["set"]


def test_edit_that_somebody_looked_past_is_in_the_next_read(client, tmp_path, monkeypatch):
    """G8: who reads without taking edits in, or while another process has the turn, takes none away from the next."""
    monkeypatch.setattr("realmconf.stores.embedded.publisher.Publisher.note", lambda *_: None)
    realm, store = client.realm("team"), client.store
    realm.set({"n": 0})
    realm.publish()
    for value in range(1, 9):
        realm.get()
        edited = text_of(tmp_path).replace(f"n = {value - 1}", f"n = {value}")
        STYLES["temporary_and_rename"](str(tmp_path / "team" / "config.toml"), edited)
        if value % 2:
            eventually(lambda: store.head(RealmName("team"), adopt=False).warnings)
        else:
            with monkeypatch.context() as busy:
                busy.setattr(store._turns, "try_hold", lambda: None)
                eventually(lambda: store.head(RealmName("team")).warnings)
        assert realm.get().config == {"n": value}
        assert not realm.get().warnings
        realm.publish()


def test_edit_that_could_not_be_taken_in_is_tried_again(client, tmp_path, monkeypatch):
    """G8: once there is space again the next read has it, whoever tried in vain before."""
    realm = client.realm("team")
    realm.set({"n": 0})
    realm.publish()
    for _ in range(4):
        realm.get()
    with monkeypatch.context() as full:

        def fails(*_: object, **__: object) -> None:
            raise StoreFull("the disk is full")

        full.setattr("realmconf.stores.embedded.turn.Turn.commit", fails)
        edited = text_of(tmp_path).replace("n = 0", "n = 1")
        STYLES["temporary_and_rename"](str(tmp_path / "team" / "config.toml"), edited)
        for _ in range(4):
            assert realm.get().config == {"n": 0}
            assert realm.get().warnings
    eventually(lambda: realm.get().config == {"n": 1})
    eventually(lambda: not realm.get().warnings)


def test_expected_generation_meets_an_edit(client, tmp_path):
    """An edit is committed before the write that noticed it: an older expected generation conflicts."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    STYLES["in_place"](
        str(tmp_path / "team" / "config.toml"), text_of(tmp_path).replace("1000", "7")
    )
    with pytest.raises(realmconf.GenerationConflict) as caught:
        realm.patch({"z_last": False}, expected_generation=1)
    assert (caught.value.expected, caught.value.current) == (1, 2)
    assert realm.patch({"z_last": False}, expected_generation=2).generation == 3


def test_edit_wakes_a_watcher(client, tmp_path):
    """A watcher hears of an edit that nobody reads: the kernel tells, and a handle that is open takes it in."""
    realm = client.realm("team")
    first = realm.set(AGENT)
    realm.publish()
    seen: list[object] = []

    def watch() -> None:
        for snapshot in realm.watch(after=first.generation, view="own"):
            seen.append(snapshot.document["agent"]["tokens"])
            return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    time.sleep(0.2)
    STYLES["temporary_and_rename"](
        str(tmp_path / "team" / "config.toml"), text_of(tmp_path).replace("1000", "7")
    )
    thread.join(20)
    assert seen == [7]


def test_watched_realm_without_a_folder(client, tmp_path):
    """A file that is made in a new folder under an open handle is found by the next read that the kernel has told."""
    client.realm("other").set({"a": 1})
    realm = client.realm("fresh")
    for _ in range(4):
        assert not realm.get().exists
    (tmp_path / "fresh").mkdir(mode=0o700)
    STYLES["in_place"](str(tmp_path / "fresh" / "config.toml"), "a = 1\n")
    eventually(lambda: realm.get().document == {"a": 1})


def made_in_place(root: Path) -> None:
    (root / "global").mkdir(mode=0o700)
    STYLES["in_place"](str(root / "global" / "config.toml"), "a = 1\n")


def made_slowly(root: Path) -> None:
    (root / "global").mkdir(mode=0o700)
    # So long that a reader looks in between, and finds a folder without a file.
    time.sleep(0.2)
    STYLES["temporary_and_rename"](str(root / "global" / "config.toml"), "a = 1\n")


def moved_in(root: Path) -> None:
    (root / ".made").mkdir(mode=0o700)
    STYLES["in_place"](str(root / ".made" / "config.toml"), "a = 1\n")
    os.rename(root / ".made", root / "global")


@pytest.mark.parametrize("make", [made_in_place, made_slowly, moved_in])
def test_realm_that_comes_under_a_held_proof(client, tmp_path, make):
    """G3, G8: a realm that was never written is proved absent, until somebody makes its folder and file by hand."""
    client.realm("team").set(AGENT)
    client.realm("team").publish()
    store, chain = client.store, [RealmName("team"), GLOBAL]

    def generations() -> list[int]:
        proof = proved(store, chain)
        assert proof is not None
        return [head.generation for head in proof.heads]

    assert generations() == [1, 0]
    proofs = [proved(store, realms) for realms in ([GLOBAL], chain)]
    made = threading.Thread(target=make, args=[tmp_path])
    made.start()
    eventually(lambda: not any(map(holds, proofs)))
    eventually(lambda: generations() == [1, 1])
    made.join()
    assert store.head(GLOBAL).revision.document == {"a": 1}


def test_folder_that_comes_under_a_held_proof_is_watched(client, tmp_path, monkeypatch):
    """G8: a realm that was read before its folder stood is told of what is saved there later, as any other is."""
    realm = client.realm("team")
    realm.set_schema({"properties": {"retries": {"type": "integer"}}})
    monkeypatch.setattr(client.store._working._publisher, "note", lambda _: None)
    realm = client.realm("late")
    realm.set({"realm": {"late": {"parent": "team"}}})
    realm.get()
    assert not (tmp_path / "late").exists()
    realm.publish()
    eventually(lambda: client.store._watching.edits.get("late"))
    # Whoever has the turn reads the head, and keeps what it has read.
    realm.publish()
    with client.store._turns.hold(time.monotonic() + 5) as turn:
        turn.head(realm.realm_id)
    text = text_of(tmp_path, "late")
    STYLES["temporary_and_rename"](
        str(tmp_path / "late" / "config.toml"), f'retries = "many"\n{text}'
    )
    eventually(lambda: [one.code for one in realm.get().warnings] == ["working_copy_broken"])


def test_other_folders_end_no_proof_of_what_is_not_there(client, tmp_path):
    """The kernel says what came: a folder for one tenant is none for all the others that have no folder."""
    client.realm("team").set(AGENT)
    client.realm("team").publish()
    store = client.store

    def goes_on(number: int) -> bool:
        marker = RealmName(f"marker-{number}")
        absent, told = proved(store, [GLOBAL]), proved(store, [marker])
        (tmp_path / f"tenant-{number}").mkdir()
        (tmp_path / marker).mkdir()
        eventually(lambda: not holds(told))
        return holds(absent)

    # What our own publisher makes for the first time ends every proof, and it may be late.
    assert any(goes_on(number) for number in range(20))


def test_head_of_a_realm_without_a_folder_is_looked_for_once(client, tmp_path, monkeypatch):
    """A realm that was never written is read as cheaply as any other: without a look, and without the turn."""
    client.realm("team").set(AGENT)
    client.realm("team").publish()
    with realmconf.connect(str(tmp_path)) as reader:
        store: Any = reader.store
        monkeypatch.setattr(type(store._turns), "try_hold", None)
        proved(store, [GLOBAL])
        head = store.head(GLOBAL)
        assert (head.generation, head.warnings) == (0, ())
        monkeypatch.setattr(WorkingCopies, "attend", None)
        assert [store.head(GLOBAL) is head for _ in range(100)] == [True] * 100


def test_root_that_is_replaced_ends_every_proof(tmp_path):
    """A reader that looks at nothing but its proof is told when another root stands in the place of its own."""
    for name, document in (("root", {"a": 1}), ("next", {"a": 2})):
        with realmconf.connect(str(tmp_path / name)) as client:
            client.realm("team").set(document)
            client.realm("team").publish()
    with realmconf.connect(str(tmp_path / "root")) as client:
        realm = client.realm("team")
        proofs = [proved(client.store, chain) for chain in ([realm.realm_id, GLOBAL], [GLOBAL])]
        os.rename(tmp_path / "root", tmp_path / "away")
        os.rename(tmp_path / "next", tmp_path / "root")
        eventually(lambda: not any(map(holds, proofs)))
        eventually(lambda: realm.get().document == {"a": 2})


def test_folder_that_is_made_anew_is_watched_again(client, tmp_path):
    """G8: a folder that is removed and made anew may get the inode of the old one, but not its watch."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    for _ in range(3):
        realm.get()
    text, inode = text_of(tmp_path), (tmp_path / "team").stat().st_ino
    for _ in range(50):
        shutil.rmtree(tmp_path / "team")
        (tmp_path / "team").mkdir(mode=0o700)
        if (tmp_path / "team").stat().st_ino == inode:
            break
    STYLES["in_place"](str(tmp_path / "team" / "config.toml"), text)
    for _ in range(20):
        assert realm.get().generation == 1
        time.sleep(0.01)
    STYLES["in_place"](
        str(tmp_path / "team" / "config.toml"), text_of(tmp_path).replace("1000", "8")
    )
    eventually(lambda: realm.get().config["agent"]["tokens"] == 8)


def test_folder_that_is_replaced_is_watched_again(client, tmp_path):
    """A folder that is moved away and made anew (a checkout) goes on being noticed."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    for _ in range(3):
        realm.get()
    os.rename(tmp_path / "team", tmp_path / "away")
    (tmp_path / "team").mkdir(mode=0o700)
    STYLES["in_place"](
        str(tmp_path / "team" / "config.toml"), (tmp_path / "away" / "config.toml").read_text()
    )
    eventually(lambda: realm.get().generation == 1)
    STYLES["in_place"](
        str(tmp_path / "team" / "config.toml"), text_of(tmp_path).replace("1000", "8")
    )
    eventually(lambda: realm.get().config["agent"]["tokens"] == 8)


@pytest.mark.parametrize("ending", ["exit", "close", "kill"])
def test_rendering_at_the_end_of_a_process(tmp_path, ending: str):
    """Closing and leaving the interpreter render first; after a kill the file is old, caught up by the next look."""
    program = (
        "import os, sys, realmconf\n"
        "client = realmconf.connect(sys.argv[1])\n"
        "client.realm('team').set({'a': 1})\n"
        "client.realm('team').publish()\n"
        "client.realm('team').set({'a': 2})\n"
        "if sys.argv[2] == 'close': client.close()\n"
        "if sys.argv[2] == 'kill': os.kill(os.getpid(), 9)\n"
        "if sys.argv[2] == 'close': os._exit(0)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), ending], check=ending != "kill", timeout=60
    )
    if ending != "kill":
        assert tomllib.loads(text_of(tmp_path)) == {"a": 2}
    with realmconf.connect(str(tmp_path)) as client:
        assert client.realm("team").get().document == {"a": 2}
        client.realm("team").publish()
        assert tomllib.loads(text_of(tmp_path)) == {"a": 2}
        assert [revision.kind for revision in client.realm("team").history()] == ["set", "set"]


def test_slow_save_meets_writers(client, tmp_path):
    """Writers go on while somebody saves slowly, and nothing of the half is ever in the record."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    editor = SlowEditor(
        str(tmp_path / "team" / "config.toml"), text_of(tmp_path).replace('"small"', '"slow"')
    )
    editor.begin()
    for value in range(20):
        realm.patch({"count": value})
    assert realm.working_copy().state == "saving"
    editor.finish()
    eventually(lambda: realm.get().document["agent"]["model"] == "slow")
    assert realm.get().document == {
        **AGENT,
        "agent": {"model": "slow", "tokens": 1000},
        "count": 19,
    }
    assert all("z_last" in revision.document for revision in realm.history(limit=100))


def test_kept_descriptor_is_heard_without_a_read(client, tmp_path):
    """A save through an old descriptor, into a file that was displaced, is found by the process that displaced it."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    editor = KeptDescriptor(str(tmp_path / "team" / "config.toml"), writable=False)
    buffer = editor.text()
    for value in range(3):
        realm.patch({"count": value})
        realm.publish()
    editor.save(buffer.replace('"small"', '"kept"'))
    editor.close()
    realm.patch({"count": 9})
    eventually(lambda: realm.get().document["agent"]["model"] == "kept")
    assert realm.get().document["count"] == 9


def test_contested_edit_is_settled(client, tmp_path):
    """A contested edit is told with every write until it is resolved; then nothing is left of it."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    buffer = text_of(tmp_path).replace("1000", "1")
    realm.set_value("agent.tokens", 2)
    realm.publish()
    STYLES["temporary_and_rename"](str(tmp_path / "team" / "config.toml"), buffer)
    realm.get()
    realm.publish()
    result = realm.patch({"z_last": False})
    assert [warning.code for warning in result.warnings] == ["working_copy_contested"]
    assert realm.working_copy().contested == ("/agent/tokens",)
    settled = realm.resolve({**AGENT, "agent": {"model": "small", "tokens": 3}})
    realm.publish()
    assert settled.generation == 4
    assert realm.working_copy().state == "clean"
    assert realm.get().warnings == ()
    assert os.listdir(tmp_path / "team") == ["config.toml"]


@pytest.mark.parametrize("kind", ["symlink", "folder", "pipe"])
def test_refused_file_stops_nobody(client, tmp_path, kind: str):
    """Something that is no file of ours is told of, and neither read nor replaced."""
    realm = client.realm("team")
    realm.set(AGENT)
    realm.publish()
    path = tmp_path / "team" / "config.toml"
    path.unlink()
    if kind == "symlink":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    assert [warning.code for warning in realm.patch({"a": 1}).warnings] == ["working_copy_refused"]
    assert realm.working_copy().state == "refused"
    assert realm.get().document == {**AGENT, "a": 1}
    assert not (tmp_path / "elsewhere").exists()
    assert stat.S_IFMT(os.lstat(path).st_mode) != stat.S_IFREG


def test_file_without_its_record(client, tmp_path):
    """A file of a realm that was never written here, which names a generation, is a loss and not a creation."""
    client.realm("other").set({"a": 1})
    (tmp_path / "lost").mkdir(mode=0o700)
    STYLES["in_place"](
        str(tmp_path / "lost" / "config.toml"), "# realmconf: lost, generation 7\na = 1\n"
    )
    with pytest.raises(HistoryMissing):
        client.realm("lost").set({"b": 1})
    assert not issubclass(HistoryMissing, WorkingCopyError)


def test_rename_takes_the_comments_along(client, tmp_path):
    """A renamed realm's file moves with its comments; the old name's file is gone."""
    realm = client.realm("team")
    realm.set({"a": 1})
    realm.publish()
    STYLES["in_place"](
        str(tmp_path / "team" / "config.toml"), text_of(tmp_path) + "# ours\nb = 2 # two\n"
    )
    realm.get()
    realm.publish()
    client.rename("team", "crew")
    client.publish()
    client.realm("team").publish()
    client.realm("crew").publish()
    assert "# ours\nb = 2 # two\n" in text_of(tmp_path, "crew")
    assert not (tmp_path / "team" / "config.toml").exists()
    assert client.realm("crew").working_copy().state == "clean"
    assert client.realm("team").working_copy().state == "clean"


def test_child_after_fork_renders_its_own(tmp_path):
    """A child after fork starts with nothing remembered, and renders what it writes."""
    program = (
        "import os, sys, realmconf\n"
        "realm = realmconf.connect(sys.argv[1]).realm('team')\n"
        "realm.set({'a': 1}); realm.publish(); realm.get()\n"
        "child = os.fork()\n"
        "realm.patch({'child' if child == 0 else 'parent': 1})\n"
        "realm.publish()\n"
        "if child == 0: os._exit(0)\n"
        "sys.exit(os.waitpid(child, 0)[1])\n"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], check=True, timeout=60
    )
    assert tomllib.loads(text_of(tmp_path)) == {"a": 1, "child": 1, "parent": 1}


# --- many processes, an editor, and deaths -----------------------------------------------------


def _writer(root: str, name: str, log: str) -> None:
    """Count up for ever, and note what was acknowledged."""
    with realmconf.connect(root) as client, open(log, "a", encoding="utf-8") as acknowledged:
        realm = client.realm("team")
        count = 0
        while True:
            count += 1

            def change(draft: dict, count: int = count) -> None:
                draft.setdefault("writers", {})[name] = count

            realm.update(change)
            acknowledged.write(f"{count}\n")
            acknowledged.flush()


def storm(root: Path, *, edits: int, writers: int, seed: int) -> None:
    """
    Edit in every style while processes write and are killed, then ask where every edit is.
    """
    random_ = random.Random(seed)
    spawn = multiprocessing.get_context("spawn")
    with realmconf.connect(str(root)) as client:
        client.realm("team").set({"writers": {}, "person": {"edit": 0}, "z_last": True})
        client.realm("team").publish()
    path = str(root / "team" / "config.toml")
    names = iter(range(10_000))

    def start() -> multiprocessing.process.BaseProcess:
        name = f"w{next(names)}"
        process = spawn.Process(
            target=_writer, args=(str(root), name, str(root / f"{name}.log")), daemon=True
        )
        process.start()
        return process

    running = [start() for _ in range(writers)]
    kills = 0
    saved: set[str] = set()
    try:
        for number in range(1, edits + 1):
            time.sleep(random_.uniform(0, 0.08))
            try:
                buffer = Path(path).read_text("utf-8")
            except FileNotFoundError:
                continue
            # Nobody but this person touches the key, so every loaded text can be merged.
            text = buffer.replace("z_last", f"edit_{number} = true\nz_last", 1)
            if text == buffer:
                continue
            time.sleep(random_.choice([0, 0, 0.01, 0.05]))
            random_.choice(list(STYLES.values()))(path, text)
            saved.add(f"edit_{number}")
            if random_.random() < 0.4:
                victim = random_.randrange(writers)
                running[victim].kill()
                running[victim].join()
                kills += 1
                running[victim] = start()
    finally:
        for process in running:
            process.kill()
            process.join()
    taken_in = settle_storm(root)
    assert saved == taken_in, f"lost: {sorted(saved - taken_in)}"
    assert len(saved) > edits / 2
    assert kills > edits / 5


def settle_storm(root: Path) -> set[str]:
    """Bring everything to rest and hold the claims against it; the edits that are in the history."""
    with realmconf.connect(str(root)) as client:
        realm = client.realm("team")
        for _ in range(3):
            realm.get()
            realm.publish()
        history = sorted(realm.history(limit=1_000), key=lambda revision: revision.generation)
        before = history[0].generation
        while before > 1:
            page = realm.history(limit=1_000, before=before)
            history = sorted([*page, *history], key=lambda revision: revision.generation)
            before = history[0].generation
        assert [revision.generation for revision in history] == list(range(1, len(history) + 1))
        documents: list[Any] = [revision.document for revision in history]
        folder = root / "team"
        kept = [
            tomllib.loads((folder / name).read_text())
            for name in os.listdir(folder)
            if "contested" in name
        ]
        taken_in = {key for document in documents for key in document if key.startswith("edit_")}
        assert not kept, "an edit that overlaps with nothing was contested"
        for revision in history:
            assert "z_last" in (revision.document or {}), (
                f"half a text became generation {revision.generation}"
            )
            assert not revision.reverts, (
                f"generation {revision.generation} undid {revision.reverts}"
            )
        for log in root.glob("*.log"):
            lines = log.read_text().split()
            if lines:
                final = documents[-1]["writers"][log.stem]
                assert final in {int(lines[-1]), int(lines[-1]) + 1}, (
                    "an acknowledged write is gone"
                )
        assert tomllib.loads(text_of(root)) == documents[-1]
    return taken_in


def test_storm_of_edits_writers_and_kills(tmp_path):
    """Edits in every style meet writers that are killed: none is lost, none half taken in, no write undone."""
    storm(tmp_path, edits=40, writers=2, seed=7)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(6))
def test_long_storm(tmp_path, seed: int):
    """The same for minutes."""
    storm(tmp_path, edits=400, writers=4, seed=seed)


def test_large_document_is_no_stranger(tmp_path):
    """A document at a larger limit is rendered, read back as ours, and edited by hand like any other."""
    limits = realmconf.Limits(document_bytes=8 * 1024 * 1024)
    with realmconf.connect(str(tmp_path), limits=limits) as client:
        realm = client.realm("team")
        realm.set({"long": ["x" * 1_000] * 5_000, "a": 1})
        realm.publish()
        assert realm.working_copy().state == "clean"
        STYLES["in_place"](
            str(tmp_path / "team" / "config.toml"), text_of(tmp_path).replace("a = 1\n", "a = 2\n")
        )
        eventually(lambda: (realm.get().document or {})["a"] == 2)
        realm.publish()
        assert realm.working_copy().state == "clean"


def test_first_line_can_be_left_out(tmp_path):
    """A root that is made with plain working copies has no first lines, and stays so for every handle."""
    with realmconf.connect(f"sqlite://{tmp_path}/root?working_copies=plain") as client:
        client.realm("team").set({"a": 1})
        client.realm("team").publish()
    with realmconf.connect(str(tmp_path / "root")) as client:
        realm = client.realm("team")
        realm.set({"a": 2})
        realm.publish()
        assert text_of(tmp_path / "root") == "a = 2\n"
        STYLES["in_place"](str(tmp_path / "root" / "team" / "config.toml"), "a = 3\n")
        assert realm.set({"b": 1, "a": 3}).generation == 4


def test_a_text_gives_its_comments_and_no_values(client, tmp_path):
    """A file may be given the comments and order of another text; what it states stays what the head states."""
    realm = client.realm("team")
    realm.set({"b": 1, "a": 2})
    realm.publish()
    realm.restyle("# why\na = 9\n# how\nb = 9\n")
    realm.publish()
    assert "# why\na = 2\n# how\nb = 1\n" in text_of(tmp_path)
    assert realm.get().generation == 1


def test_a_settlement_that_is_refused_settles_nothing(client, tmp_path):
    """G8: where the head went on while a person decided, the broken file stays as it is, and is told of."""
    realm = client.realm("team")
    realm.set({"a": 1})
    realm.publish()
    (tmp_path / "team" / "config.toml").write_text("a = [", "utf-8")
    with pytest.raises(GenerationConflict):
        realm.resolve({"a": 2}, expected_generation=7)
    assert text_of(tmp_path) == "a = ["
    assert realm.working_copy().state == "broken"
    assert realm.resolve({"a": 2}, expected_generation=1).generation == 2
    realm.publish()
    assert tomllib.loads(text_of(tmp_path)) == {"a": 2}
