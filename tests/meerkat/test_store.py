"""Meerkat's files as a store: what its own programs do to them, and what becomes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import realmconf
from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import (
    GenerationConflict,
    LockTimeout,
    OutcomeUnknown,
    StoreCorrupt,
    StoreFull,
    WorkingCopyBroken,
)
from realmconf.runtime.placeless import error_afar
from realmconf.runtime.tokens import Tokens
from realmconf.stores import renaming
from realmconf.stores.meerkat import files, lockfile
from realmconf.stores.meerkat.journal import Journal
from realmconf.stores.meerkat.settling import OVERTAKEN
from realmconf.stores.registry import open_store

TEXT = """\
# kept by hand
max_tokens = 12000

[agent]
model = "m1"   # the good one
temperature = 0.5

[[tools.mcp_servers]]
name = "tickets"
command = "/opt/mcp/tickets"
"""


class Root:
    """A root of Meerkat's with one realm, and what a program that follows its protocol would do there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path / "realms" / "team"
        self.config = self.folder / "config.toml"
        self.state = self.folder / "config_state.json"
        self.lock = self.folder / "config_state.lock"
        self.url = f"meerkat://{path}/realms?global={path}/user&lock_seconds=1&stale_seconds=2"

    def write(self, text: str, generation: int | None) -> None:
        """As ``rkat`` leaves it: nothing of ours beside the number."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)
        if generation is not None:
            self.state.write_text(json.dumps({"generation": generation}, indent=2))

    def number(self) -> Any:
        return json.loads(self.state.read_text())["generation"]

    def connect(self, **options: Any) -> realmconf.Client:
        return realmconf.connect(self.url, **options)


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


@pytest.fixture
def client(root):
    with root.connect(author="ada") as client:
        yield client


@pytest.fixture
def team(client):
    return client.realm("team")


def test_what_is_there_is_read_as_it_is(root, team):
    """The document and the generation of a realm that ``rkat`` wrote; nothing of its files changes by that."""
    root.write(TEXT, 7)
    before = (root.config.read_bytes(), root.state.read_bytes())
    snapshot = team.get()
    assert (snapshot.generation, snapshot.document["agent"]["model"]) == (7, "m1")
    assert (root.config.read_bytes(), root.state.read_bytes()) == before
    assert sorted(os.listdir(root.folder)) == ["config.toml", "config_state.json"]


def test_a_write_changes_its_line_alone(root, team):
    """W9, W10, G10: one key patched is one line changed: no default, comment, order or key is touched."""
    root.write(TEXT, 7)
    done = team.set_value("agent.model", "m2", expected_generation=7)
    assert done.generation == 8 == root.number()
    assert root.config.read_text() == TEXT.replace('"m1"', '"m2"')


def test_other_members_beside_the_number_stay(root, team):
    """What somebody else keeps in ``config_state.json`` is kept."""
    root.write(TEXT, 7)
    root.state.write_text('{"generation": 7, "else": [1, {"a": null}]}')
    team.set_value("agent.model", "m2")
    stated = json.loads(root.state.read_text())
    assert (stated["generation"], stated["else"]) == (8, [1, {"a": None}])


def test_a_write_of_another_program_is_its_own_generation(root, team, client):
    """What ``rkat`` writes is a revision of the number that it gave, and wakes nobody for nothing."""
    root.write(TEXT, 1)
    team.get()
    root.write(TEXT.replace("m1", "m2"), 2)
    assert team.get().generation == 2
    assert [(one.generation, one.author) for one in team.history()] == [
        (2, "meerkat"),
        (1, "meerkat"),
    ]
    with pytest.raises(GenerationConflict):
        team.set_value("agent.model", "m3", expected_generation=1)


def test_what_another_program_puts_back_is_told(root, team):
    """G8: a text of another program that puts back what somebody of ours has changed says so in the history."""
    root.write(TEXT, 1)
    team.get()
    team.set_value("agent.model", "m2")
    root.write(TEXT, 3)
    assert team.get().document["agent"]["model"] == "m1"
    newest = team.history()[0]
    assert (newest.generation, newest.author, newest.reverts) == (3, "meerkat", ("/agent/model",))
    # Behind generations that nobody has seen too: one of them, or this one, has put it back.
    team.set_value("agent.model", "m4")
    root.write(TEXT, 6)
    assert (team.get().generation, team.history()[0].reverts) == (6, ("/agent/model",))
    assert team.verify().generation == 6


def test_unseen_writes_leave_a_floor(root, team):
    """G7: generations that nobody of ours has seen are below the floor, never silently missing."""
    root.write(TEXT, 1)
    team.get()
    root.write(TEXT.replace("m1", "m5"), 5)
    assert [one.generation for one in team.history()] == [5]
    with pytest.raises(realmconf.HistoryCompacted):
        team.at(1)


def test_a_hand_edit_is_a_generation(root, team):
    """W11, G8: an edit between a read and a write makes that write a conflict, and is not lost."""
    root.write(TEXT, 3)
    read = team.get()
    root.config.write_text(TEXT.replace("m1", "edited"))
    with pytest.raises(GenerationConflict) as conflict:
        team.set_value("agent.model", "mine", expected_generation=read.generation)
    assert (conflict.value.expected, conflict.value.current) == (3, 4)
    assert root.number() == 4
    assert team.get().document["agent"]["model"] == "edited"
    assert team.history()[0].surface == "file"


def test_other_words_for_the_same_are_no_generation(root, team):
    """A comment that somebody adds is kept, and no generation."""
    root.write(TEXT, 3)
    team.set_value("agent.model", "m2")
    root.config.write_text("# more\n" + root.config.read_text())
    assert team.get().generation == 4
    team.set_value("agent.model", "m3")
    assert root.config.read_text() == "# more\n" + TEXT.replace("m1", "m3")


def test_a_torn_commit_is_told_apart(root, team):
    """W4: a program that died between its two renames has changed the text: that is a generation of its own."""
    root.write(TEXT, 4)
    stale = team.get()
    root.config.write_text(TEXT.replace("m1", "torn"))  # and no number after it
    with pytest.raises(GenerationConflict):
        team.set_value("agent.model", "lost", expected_generation=stale.generation)
    assert team.get().document["agent"]["model"] == "torn"
    assert team.at(4).document["agent"]["model"] == "m1"


@pytest.mark.parametrize("damage", [None, "", "null", "[]", '{"generation"', '{"generation": -1}'])
def test_a_number_that_is_gone_is_never_set_back(root, team, damage):
    """W12, W13, G2: whatever happens to ``config_state.json``, the number goes on where it was."""
    root.write(TEXT, 7)
    team.set_value("agent.model", "m2")
    if damage is None:
        root.state.unlink()
    else:
        root.state.write_text(damage)
    assert team.get().generation == 8 == root.number()
    with pytest.raises(GenerationConflict):
        team.set_value("agent.model", "old", expected_generation=0)
    assert team.set_value("agent.model", "m3", expected_generation=8).generation == 9


def test_a_realm_made_anew_goes_on_counting(root, team):
    """W12, G2: a folder that was removed and made again never uses a number twice; what was overwritten is told."""
    root.write(TEXT, 7)
    team.set_value("agent.model", "m2")
    for name in os.listdir(root.folder):
        (root.folder / name).unlink()
    root.folder.rmdir()
    assert not team.get().exists
    assert not root.folder.exists()
    root.write(TEXT.replace("m1", "anew"), 1)
    snapshot = team.get()
    assert (snapshot.document["agent"]["model"], snapshot.generation) == ("anew", 10)
    assert root.number() == 10
    assert team.at(8).document["agent"]["model"] == "m2"


def test_a_damaged_number_without_a_witness_is_an_error(root, team):
    """W13: nobody guesses a generation that nothing knows; the text says what to do."""
    root.write(TEXT, 7)
    root.state.write_text("")
    with pytest.raises(StoreCorrupt, match="write the last one"):
        team.get()
    root.state.write_text('{"generation": 7}')
    assert team.get().generation == 7


def test_an_overwritten_write_is_found_and_told(root, team):
    """W6: a holder that outlived its lock and overwrites our generation is found at the next look, and reported."""
    root.write(TEXT, 4)
    team.set_value("agent.model", "ours")
    root.write(TEXT.replace("m1", "theirs"), 5)
    snapshot = team.get()
    assert (snapshot.generation, snapshot.document["agent"]["model"]) == (6, "theirs")
    assert [one.code for one in snapshot.warnings] == ["working_copy_overwritten"]
    assert "generation 5 was overwritten" in team.history()[0].message
    assert team.at(5).document["agent"]["model"] == "ours"


@pytest.mark.parametrize("told", [5, 6])
@pytest.mark.parametrize("model", ["m1", "old", "told"])
def test_a_generation_that_was_told_is_not_gone_back_behind(root, team, told, model):
    """
    W12: what is read while another program is at work, and so is not kept, counts as well: where an older number is put
    over it, it is told on, and what comes next has a higher number, for every reader; it is in the history.
    """
    root.write(TEXT, 4)
    team.get()
    root.write(TEXT.replace("m1", "told"), told)
    root.lock.write_text("config-runtime-lock")
    assert team.get().generation == told
    root.write(TEXT.replace("m1", model), 4)
    os.utime(root.lock)
    with root.connect() as other:
        snapshot = other.realm("team").get()
    assert (snapshot.generation, snapshot.document["agent"]["model"]) == (told, "told")
    root.lock.unlink()
    with root.connect() as other:
        snapshot = other.realm("team").get()
    following = told if model == "told" else told + 1
    assert snapshot.generation == following == root.number() == team.get().generation
    assert snapshot.document["agent"]["model"] == model
    if model != "told":
        assert [one.code for one in snapshot.warnings] == ["working_copy_overwritten"]
        assert f"generation {told} was no longer in the files" in team.history()[0].message
    assert team.at(told).document["agent"]["model"] == "told"
    assert [one.generation for one in team.history()][-1] == (4 if told == 5 else 6)
    assert team.set_value("agent.model", "m8").generation == following + 1
    assert team.verify().generation == following + 1


def test_what_was_told_is_no_hiding_place(root, client, team):
    """What was told and not kept is forgotten with the next revision: a purge erases every copy of it."""
    root.write(TEXT, 4)
    team.get()
    root.write(TEXT.replace("m1", "confidential"), 5)
    root.lock.write_text("config-runtime-lock")
    assert team.get().generation == 5
    root.lock.unlink()
    team.set_value("agent.model", "m6")
    client.purge("team", 5)
    for path in root.folder.parent.rglob("journal.db*"):
        assert b"confidential" not in path.read_bytes()


def test_a_deletion_behind_what_was_told(root, team):
    """W12: a folder that is removed after a generation that was only told is a deletion of that one."""
    root.write(TEXT, 4)
    team.delete()
    root.write(TEXT.replace("m1", "told"), 6)
    root.lock.write_text("config-runtime-lock")
    assert team.get().generation == 6
    for path in root.folder.iterdir():
        path.unlink()
    root.folder.rmdir()
    assert (team.get().generation, team.get().document) == (7, None)
    assert team.set({"agent": {"model": "m8"}}).generation == 8


def test_a_broken_file_keeps_the_last_good_one(root, team):
    """W14: reads go on, visibly; nothing is written over what somebody has yet to mend."""
    root.write(TEXT, 4)
    team.get()
    root.config.write_text(TEXT + "x = [")
    snapshot = team.get()
    assert (snapshot.generation, snapshot.document["agent"]["model"]) == (4, "m1")
    assert [one.code for one in snapshot.warnings] == ["working_copy_broken"]
    with pytest.raises(WorkingCopyBroken):
        team.set_value("agent.model", "m2")
    root.config.write_text(TEXT)
    assert team.set_value("agent.model", "m2").generation == 5


def test_a_broken_file_is_settled_with_what_is_in_force(root, team):
    """W14: ``resolve`` puts the last good configuration back into a broken file; what stood there is kept beside it."""
    root.write(TEXT, 4)
    good = team.get()
    root.config.write_text(TEXT + "x = [\n")
    state = team.working_copy()
    assert (state.state, state.line, state.generation) == ("broken", 12, 4)
    result = team.resolve(good.document, shown=state.shown)
    assert (result.generation, result.changed) == (4, False)
    (warning,) = result.warnings
    assert warning.code == "working_copy_set_aside"
    assert Path(warning.path).read_text() == TEXT + "x = [\n"
    assert team.working_copy().state == "clean"
    with root.connect() as other:
        snapshot = other.realm("team").get()
        assert (snapshot.generation, snapshot.document, snapshot.warnings) == (4, good.document, ())
    assert team.set_value("agent.model", "m2").generation == 5 == root.number()


def test_a_broken_file_that_was_saved_again_is_not_settled(root, team):
    """``resolve`` settles what somebody has seen: a file that was saved since stays, and is told of."""
    root.write(TEXT, 4)
    good = team.get()
    root.config.write_text("x = [")
    state = team.working_copy()
    root.config.write_text("x = [ # saved since")
    with pytest.raises(WorkingCopyBroken):
        team.resolve(good.document, shown=state.shown)
    assert root.config.read_text() == "x = [ # saved since"
    assert os.listdir(root.folder).count("config.toml.left-4") == 0


@pytest.mark.parametrize("is_known", [True, False])
def test_the_number_beside_a_broken_file_is_not_given_out_again(root, team, is_known):
    """G2, W12: where another program had gone on before the file was broken, what settles it comes after its number."""
    good = None
    if is_known:
        root.write(TEXT, 4)
        good = team.get().document
    root.write("x = [", 8)
    assert team.resolve({"n": 1}).generation == 9 == root.number()
    assert [one.generation for one in team.history()] == [9, 8]
    assert team.at(8).document == good
    assert team.verify().generation == 9


def test_what_is_in_the_file_is_told_in_one_word(root, team):
    """``working_copy`` says what the file means: here it is the document, and an edit waits for the next look alone."""
    assert (team.working_copy().state, team.working_copy().generation) == ("none", 0)
    root.write(TEXT, 4)
    assert (team.working_copy().state, team.working_copy().generation) == ("clean", 4)
    team.get()
    root.config.write_text(TEXT.replace("m1", "m2"))
    state = team.working_copy()
    assert (state.state, state.generation, state.path) == ("edited", 4, str(root.config))
    root.config.write_text(TEXT + "# other words\n")
    assert (team.working_copy().state, team.working_copy().generation) == ("clean", 4)
    root.state.unlink()
    state = team.working_copy()
    assert state.state == "edited"
    assert "its number was set back, lost or damaged" in state.reason
    assert team.get().generation == 4 == root.number()


def test_a_typed_refusal_of_what_was_never_good(root, team):
    """A text that is no document, and of which nothing better is known, is an error and not the defaults."""
    root.write("x = [", 4)
    with pytest.raises(WorkingCopyBroken):
        team.get()


def test_reading_needs_no_right_to_write(root):
    """W17: where nothing may be written everything can be read, and nothing is made."""
    root.write(TEXT, 4)
    with root.connect(read_only=True) as client:
        assert client.realm("team").get().generation == 4
        assert client.realm("ghost").get().generation == 0
    assert sorted(os.listdir(root.path / "realms")) == ["team"]
    assert sorted(os.listdir(root.folder)) == ["config.toml", "config_state.json"]


def test_a_reader_makes_no_realm(root, client):
    """W17: a name that was mistyped leaves no folder."""
    root.write(TEXT, 4)
    assert not client.realm("tema").get().exists
    assert not (root.path / "realms" / "tema").exists()


def test_mode_and_symlink_stay(root, team):
    """W22: a private file stays private, and a link to somewhere else stays a link."""
    kept = root.path / "dotfiles.toml"
    kept.write_text(TEXT)
    kept.chmod(0o640)
    root.folder.mkdir(parents=True)
    root.config.symlink_to(kept)
    root.state.write_text('{"generation": 1}')
    team.set_value("agent.model", "m2")
    assert root.config.is_symlink()
    assert kept.read_text() == TEXT.replace("m1", "m2")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


def test_what_is_new_is_private(root, team):
    """W22: nobody else can read a file that was made here."""
    team.set({"agent": {"model": "m"}})
    for path in (root.config, root.state, root.path / "realms" / ".realmconf-records/journal.db"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_full_disk_changes_nothing(root, team, monkeypatch):
    """W4, W23: the text and the number are written before either takes its place; what is left over is removed."""
    import errno

    root.write(TEXT, 4)
    team.get()
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "no space")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        team.set_value("agent.model", "m2")
    monkeypatch.setattr(os, "fsync", real)
    assert root.config.read_text() == TEXT
    assert team.get().generation == 4
    assert sorted(os.listdir(root.folder)) == ["config.toml", "config_state.json"]


def test_a_commit_that_was_cut_short_is_finished(root, team, monkeypatch):
    """W4, G6: text in its place and no number yet: the outcome is unknown, and the next look finishes it."""
    root.write(TEXT, 4)
    team.get()
    calls = []

    def failing(self):
        calls.append(self)
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(files.Replacement, "put", failing)
        with pytest.raises(OutcomeUnknown) as unknown:
            team.set_value("agent.model", "m2", write_id="mine")
    assert calls
    assert (unknown.value.write_id, unknown.value.realm) == ("mine", "team")
    assert "input/output error" in unknown.value.reason
    assert unknown.value.reason in str(unknown.value)
    assert type(team.settle("mine")).__name__ == "Committed"
    assert team.get().generation == 5 == root.number()


def test_a_listing_keeps_nothing_from_being_finished(root, team, monkeypatch):
    """G5: whoever lists the realms, and settles nothing, does not keep the next read from finishing what was begun."""
    root.write(TEXT, 4)
    team.get()

    def failing(self):
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(files.Replacement, "put", failing)
        with pytest.raises(OutcomeUnknown):
            team.set_value("agent.model", "m2")
    # Files that are younger are looked at again in any case.
    time.sleep(0.1)
    with root.connect() as other:
        for _ in range(2):
            (entry,) = other.realms()
        assert entry.realm == "team"
        assert other.realm("team").get().generation == 5 == root.number()


@pytest.mark.parametrize("verb", ["patch", "delete"])
def test_a_leftover_that_stays_is_no_failure(root, team, monkeypatch, verb):
    """G6: what was done is answered as done, also where a temporary file cannot be removed; the next write does it."""
    root.write(TEXT, 4)
    team.get()
    real = os.unlink

    def refusing(path, **named):
        if ".config.tmp." in str(path):
            raise OSError(28, "no space", str(path))
        real(path, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refusing)
        written = team.patch({"n": 1}) if verb == "patch" else team.delete()
    assert written.generation == 5 == root.number() == team.get().generation
    assert len(os.listdir(root.folder)) == (3 if verb == "patch" else 2)
    team.set({"n": 2})
    assert sorted(os.listdir(root.folder)) == ["config.toml", "config_state.json"]


def test_what_the_dead_left_behind_is_removed(root, team):
    """W23: the next write removes the temporary files of those of ours who were killed; others' stay."""
    root.write(TEXT, 4)
    ours = Path(files.temporary(str(root.folder), "config.toml"))
    others = root.folder / ".config.tmp.018f0000-0000-7000-8000-000000000000"
    for path in (ours, others):
        path.write_text("secret")
    team.set_value("agent.model", "m2")
    assert (ours.exists(), others.exists()) == (False, True)


def test_a_lock_that_is_lost_half_way_is_no_refusal(root, team, monkeypatch):
    """G6: where another program has gone on from a text of ours without its number, the outcome is unknown."""
    root.write(TEXT, 4)
    team.get()
    real = files.Replacement.put_over
    done: list[files.Replacement] = []

    def overtaken(self, expected):
        real(self, expected)
        if not done:
            done.append(self)
            root.lock.unlink()
            root.write(root.config.read_text() + "[limits]\nbudget = 3\n", 5)

    monkeypatch.setattr(files.Replacement, "put_over", overtaken)
    with pytest.raises(OutcomeUnknown) as unknown:
        team.set_value("agent.model", "m2", expected_generation=4)
    assert unknown.value.reason == OVERTAKEN
    snapshot = team.get()
    assert (snapshot.generation, snapshot.document["agent"]["model"]) == (5, "m2")
    assert root.number() == 5


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_text_that_was_there_for_an_instant(root, team, monkeypatch, is_lost):
    """
    G6, W6: whoever finds, in the very step that puts its text there, that somebody has saved since it looked, puts that
    back.  Without the lock that is no refusal: another program can have gone on from the text while it stood there.
    """
    root.write(TEXT, 4)
    team.get()
    real = files.Replacement._give_back
    done: list[files.Replacement] = []

    def edited(self, expected):
        if not done:
            root.config.write_text(TEXT + "[limits]\nbudget = 1\n")
            if is_lost:
                root.lock.unlink()
                root.write(root.config.read_text(), 5)
        return put_over(self, expected)

    def read_first(self):
        if not done and is_lost:
            done.append(self)
            text = root.config.read_text()
            real(self)
            root.write(text + "[limits]\nbudget = 3\n", 6)
        else:
            done.append(self)
            real(self)

    put_over = files.Replacement.put_over
    monkeypatch.setattr(files.Replacement, "put_over", edited)
    monkeypatch.setattr(files.Replacement, "_give_back", read_first)
    if is_lost:
        with pytest.raises(OutcomeUnknown) as unknown:
            team.set_value("agent.model", "m2", expected_generation=4)
        assert unknown.value.reason == OVERTAKEN
        snapshot = team.get()
        assert (snapshot.generation, snapshot.document["agent"]["model"]) == (6, "m2")
    else:
        with pytest.raises(GenerationConflict):
            team.set_value("agent.model", "m2", expected_generation=4)
        snapshot = team.get()
        assert (snapshot.generation, snapshot.document["limits"]) == (5, {"budget": 1})
    assert len(done) == 1


def test_a_resolution_that_was_there_for_an_instant(root, team, monkeypatch):
    """G6: the same for what settles a broken file: refused when it is tried again, it may be there all the same."""
    root.write(TEXT, 4)
    team.get()
    root.config.write_text("x = [")

    def overtaken(self, expected):
        root.lock.unlink()
        root.write(TEXT.replace("m1", "m2"), 5)
        raise files.OvertakenError(was_there=True)

    monkeypatch.setattr(files.Replacement, "put_over", overtaken)
    with pytest.raises(OutcomeUnknown) as unknown:
        team.resolve({"agent": {"model": "m2"}}, expected_generation=4)
    assert unknown.value.reason == OVERTAKEN
    assert team.get().generation == 5


def test_a_number_put_over_anothers_is_no_success(root, team, monkeypatch):
    """
    G1, G6, W6: whoever is stopped between the proof of the lock and its number, for longer than the lock lasts, does
    not say afterwards that a generation is its own which others have read as another program's.
    """
    root.write(TEXT, 4)
    team.get()
    real = files.Replacement.put
    read: list[Any] = []

    def late(self):
        if not read:
            root.lock.unlink()
            root.write(root.config.read_text() + "[limits]\nbudget = 3\n", 5)
            # Another holder at work keeps readers from noting what they see.
            root.lock.write_text("config-runtime-lock")
            with root.connect() as other:
                read.append(other.realm("team").get())
        real(self)

    monkeypatch.setattr(files.Replacement, "put", late)
    with pytest.raises(OutcomeUnknown):
        team.set_value("agent.model", "m2", expected_generation=4)
    assert (read[0].generation, read[0].document["limits"]) == (5, {"budget": 3})
    root.lock.unlink(missing_ok=True)
    newest = team.get()
    assert (newest.generation, newest.document["limits"]) == (6, {"budget": 3})
    with pytest.raises(realmconf.HistoryCompacted):
        team.at(5)
    assert [one.generation for one in team.history()] == [6]
    assert team.verify().generation == 6 == root.number()


@pytest.mark.parametrize("is_edited", [True, False])
def test_a_journal_from_before_gives_no_number_twice(root, team, is_edited):
    """G2, G7, W12: a journal put back from a copy goes on above what the files say, and knows what it lacks."""
    journal = root.path / "realms" / ".realmconf-records"
    root.write(TEXT, 4)
    team.set_value("agent.model", "m5")
    text = root.config.read_text()
    team.client.close()
    shutil.copytree(journal, root.path / "copy")
    with root.connect() as other:
        other.realm("team").set_value("agent.model", "m6")
        assert other.realm("team").set_value("agent.model", "m7").generation == 7
    shutil.rmtree(journal)
    (root.path / "copy").rename(journal)
    root.config.write_text((text.replace("m5", "by hand") if is_edited else text) + "# edited\n")
    with root.connect() as other:
        realm = other.realm("team")
        assert realm.get().generation == 8 == root.number()
        assert [one.generation for one in realm.history()] == [8]
        with pytest.raises(realmconf.HistoryCompacted):
            realm.at(6)
        assert realm.verify().generation == 8
        assert realm.set_value("agent.model", "m9").generation == 9


def test_who_lost_the_lock_takes_nobodys_commit(root, team, monkeypatch):
    """G1, W6: a commit that is begun by somebody who has lost the lock does not take the holder's from the history."""
    root.write(TEXT, 4)
    team.get()
    real = Journal.begin
    begun: list[Any] = []

    def overtaken(self, realm, revision, **rest):
        real(self, realm, revision, **rest)
        if not begun:
            begun.append(revision)
            with root.connect(author="late") as late:
                journal = late.store._journal
                real(journal, realm, revision.replace(digest="0" * 64, author="late"), **rest)

    monkeypatch.setattr(Journal, "begin", overtaken)
    assert team.set_value("agent.model", "m2").generation == 5
    newest = team.history()[0]
    assert (newest.generation, newest.author) == (5, "ada")
    assert team.set_value("agent.model", "m3").generation == 6
    assert team.verify().generation == 6


def test_an_edit_at_the_last_instant_is_kept(root, team, monkeypatch):
    """G8: what an editor saves between the last look and the exchange is back in its place, and adopted first."""
    root.write(TEXT, 4)
    team.get()
    real = renaming.exchange_paths
    saved: list[str] = []

    def saving_first(path, other):
        if not saved:
            saved.append(other)
            root.config.write_text(TEXT.replace("0.5", "0.75"))
        real(path, other)

    monkeypatch.setattr(files, "exchange_paths", saving_first)
    assert team.set_value("agent.model", "m2").generation == 6
    assert root.config.read_text() == TEXT.replace("m1", "m2").replace("0.5", "0.75")


DYING = """
import os, sys, realmconf
from realmconf.stores.meerkat import files
real = {"patch": files.exchange_paths, "delete": os.rename}[sys.argv[2]]
def dying(path, other):
    if not os.path.basename(path).startswith(".config_state"):
        with open(sys.argv[3], sys.argv[4]) as file:
            file.write(sys.argv[5])
        real(path, other)
        os._exit(9)
    real(path, other)
if sys.argv[2] == "patch":
    files.exchange_paths = dying
else:
    os.rename = dying
with realmconf.connect(sys.argv[1]) as client:
    team = client.realm("team")
    team.patch({"n": 1}) if sys.argv[2] == "patch" else team.delete()
"""


@pytest.mark.parametrize("verb", ["patch", "delete"])
@pytest.mark.parametrize("saved", ["", "# saved at the last instant\n"])
@pytest.mark.parametrize("is_linked", [False, True])
def test_an_edit_in_the_hand_of_the_dead_is_kept(root, team, verb, saved, is_linked):
    """
    G8: what an editor saves before an exchange whose writer is killed before it has looked at what came out is kept
    beside the file, and told of; without such a save nothing is left.
    """
    root.write(TEXT, 4)
    folder = root.folder
    if is_linked:
        folder = root.path / "dotfiles"
        folder.mkdir()
        root.config.rename(folder / "team.toml")
        root.config.symlink_to(folder / "team.toml")
    team.get()
    real = root.config.resolve()
    done = subprocess.run(
        [sys.executable, "-c", DYING, root.url, verb, str(real), "a", saved], check=False
    )
    assert done.returncode == 9
    snapshot = team.get()
    assert (snapshot.generation, snapshot.exists) == (5, verb == "patch")
    if saved:
        (warning,) = snapshot.warnings
        assert warning.code == "working_copy_set_aside"
        assert Path(warning.path).read_text() == TEXT + saved
        Path(warning.path).unlink()
    assert team.get().warnings == ()
    stays = [real.name] if verb == "patch" else []
    assert sorted(set(os.listdir(folder)) - {"config_state.json"}) == stays
    assert root.number() == 5


def test_a_lock_is_waited_for(root, team):
    """A lock that is held excludes us: ``lock_timeout`` after its time, and nothing is changed."""
    root.write(TEXT, 4)
    root.lock.write_text("config-runtime-lock")
    with pytest.raises(LockTimeout):
        team.set_value("agent.model", "m2", timeout=0.2)
    assert root.lock.read_text() == "config-runtime-lock"
    assert root.config.read_text() == TEXT


def test_a_stale_lock_is_taken_over(root, team):
    """W7: a lock that was left behind is taken over when it is stale, and given back."""
    root.write(TEXT, 4)
    root.lock.write_text("config-runtime-lock")
    os.utime(root.lock, (time.time() - 60,) * 2)
    assert team.set_value("agent.model", "m2").generation == 5
    assert not root.lock.exists()


def test_a_thing_that_is_no_lock_is_no_spin(root, team):
    """W15: what cannot be taken over is waited for with sleeps, and no longer than the deadline."""
    root.write(TEXT, 4)
    root.lock.mkdir()
    os.utime(root.lock, (time.time() - 60,) * 2)
    before = time.thread_time()
    with pytest.raises(LockTimeout):
        team.set_value("agent.model", "m2", timeout=0.5)
    assert time.thread_time() - before < 0.4
    assert root.lock.is_dir()


def test_a_lock_from_the_future_becomes_stale(root, team):
    """W16: a clock that went back does not lock a realm for ever: what stands unchanged for so long is stale."""
    root.write(TEXT, 4)
    root.lock.write_text("config-runtime-lock")
    os.utime(root.lock, (time.time() + 86_400,) * 2)
    for _ in range(20):
        try:
            team.set_value("agent.model", "m2", timeout=1)
            break
        except LockTimeout:
            continue
    assert team.get().generation == 5


WRITE_ONCE = """
import sys, realmconf
with realmconf.connect(sys.argv[1]) as client:
    try:
        client.realm("team").set_value("agent.model", sys.argv[2], timeout=0.3)
    except realmconf.LockTimeout:
        sys.exit(75)
"""


def test_a_lock_from_the_future_becomes_stale_for_processes_that_do_not_wait(root, team):
    """
    W16: processes that each give up long before a lock is stale take it over all the same, since each tells the next
    when it saw it; and never before it has stood there for so long.
    """
    root.write(TEXT, 4)
    # With a digest beside the number a reader need not wait for whoever seems to be at work.
    team.set_value("agent.model", "m2")
    root.lock.write_text("config-runtime-lock")
    os.utime(root.lock, (time.time() + 86_400,) * 2)
    began = time.monotonic()
    written = 0
    while not written:
        assert time.monotonic() - began < 60
        started = [
            subprocess.Popen([sys.executable, "-c", WRITE_ONCE, root.url, f"by-{number}"])
            for number in range(3)
        ]
        codes = [one.wait(timeout=60) for one in started]
        assert set(codes) <= {0, 75}, codes
        written = codes.count(0)
    assert time.monotonic() - began > 2
    assert team.get().generation == 5 + written == root.number()
    assert not root.lock.exists()


def test_one_takes_over(root):
    """W5: of many who find the same stale lock one at a time is inside."""
    root.folder.mkdir(parents=True)
    inside, most, failures = [0], [0], []
    guard = threading.Lock()
    # Whoever the machine leaves standing inside is not stale: how that is noticed is not asked here.
    timing = lockfile.Timing(timeout_seconds=60, stale_seconds=30)
    for _ in range(5):
        root.lock.write_text("config-runtime-lock")
        os.utime(root.lock, (time.time() - 60,) * 2)
        ready = threading.Barrier(6)

        def enter(ready=ready):
            ready.wait()
            try:
                held = lockfile.take(str(root.lock), time.monotonic() + 60, timing=timing)
            except LockTimeout as failure:
                failures.append(failure)
                return
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            held.prove()
            with guard:
                inside[0] -= 1
            held.give_back()

        threads = [threading.Thread(target=enter) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (most[0], failures) == (1, [])
    assert os.listdir(root.folder) == []


def test_a_strangers_lock_is_put_back(root, monkeypatch):
    """W5: whoever is found in place of the stale lock keeps it: what came out is given back."""
    root.folder.mkdir(parents=True)
    root.lock.write_text("config-runtime-lock")
    os.utime(root.lock, (time.time() - 60,) * 2)
    real = renaming.exchange_paths
    done: list[str] = []

    def replaced_first(path, other):
        if not done:
            done.append(other)
            root.lock.unlink()
            root.lock.write_text("a live one")
        real(path, other)

    monkeypatch.setattr(lockfile, "exchange_paths", replaced_first)
    timing = lockfile.Timing(timeout_seconds=0.6, stale_seconds=2)
    with pytest.raises(LockTimeout):
        lockfile.take(str(root.lock), time.monotonic() + 5, timing=timing)
    assert done
    assert root.lock.read_text() == "a live one"
    assert os.listdir(root.folder) == ["config_state.lock"]


def test_a_lost_lock_is_neither_written_under_nor_removed(root):
    """W6: a holder whose lock was taken over notices before it writes, and leaves the other's lock alone."""
    root.folder.mkdir(parents=True)
    held = lockfile.take(str(root.lock), time.monotonic() + 1)
    root.lock.unlink()
    root.lock.write_text("another's")
    with pytest.raises(lockfile.LostLockError):
        held.prove()
    held.give_back()
    assert root.lock.read_text() == "another's"


HOLD = """
import os, signal, sys, time
from realmconf.stores.meerkat import lockfile
held = lockfile.take(sys.argv[1], time.monotonic() + 5)
print("held", flush=True)
signal.pause()
"""


def test_a_dead_holder_is_known_for_dead(root, team):
    """W7: after ``kill -9`` of one of ours the next does not wait for its lock to become stale."""
    root.write(TEXT, 4)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root.lock)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        found = lockfile.holder_of(str(root.lock))
        assert found is not None
        assert (found.is_ours, found.process) == (True, holder.pid)
        holder.send_signal(signal.SIGKILL)
    assert team.set_value("agent.model", "m2").generation == 5


def test_a_child_is_not_the_holder(root):
    """G1: after a fork the lock is the parent's: the child neither removes it nor keeps it alive."""
    root.folder.mkdir(parents=True)
    held = lockfile.take(str(root.lock), time.monotonic() + 1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            held.give_back()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    held.prove()
    held.give_back()
    assert not root.lock.exists()


def test_a_fork_leaves_both_with_a_store(root, client, team):
    """G3: parent and child go on, each with a journal of its own."""
    root.write(TEXT, 4)
    team.get()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if team.set_value("agent.model", "child").generation == 5 else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert team.get().document["agent"]["model"] == "child"
    assert team.set_value("agent.model", "parent").generation == 6


def test_a_watch_sees_what_others_write(root, team):
    """G7: another program's write and a hand edit arrive, in order."""
    root.write(TEXT, 1)
    watch = team.watch(after=team.get(), view="own", timeout=20)
    root.write(TEXT.replace("m1", "m2"), 2)
    assert next(watch).generation == 2
    root.config.write_text(TEXT.replace("m1", "m3"))
    snapshot = next(watch)
    assert (snapshot.generation, snapshot.document["agent"]["model"]) == (3, "m3")


def test_global_has_a_folder_of_its_own(root, client):
    """The root of every lineage has its files where the URL says, and in ``~/.rkat`` without."""
    client.realm("global").set({"a": 1})
    assert (root.path / "user" / "config.toml").read_text().strip() == "a = 1"
    root.write(TEXT, 1)
    assert client.realm("team").get().config["a"] == 1
    store = open_store("meerkat:///srv/realms", limits=LIMITS, read_only=True)
    assert store.paths(RealmName("global"))["config_path"] == os.path.expanduser(
        "~/.rkat/config.toml"
    )


def test_paths_say_where_the_files_are_and_none_goes_afar(root, client):
    """
    ``root`` of the store's paths is the folder of all realms, of ``global`` too; readers are told the realm's own, as
    Meerkat does.  What goes to another machine names neither.
    """
    realms, user = str(root.path / "realms"), str(root.path / "user")
    for realm, folder in (("team", f"{realms}/team"), ("global", user)):
        client.realm(realm).set({"a": 1})
        paths = client.store.paths(RealmName(realm))
        assert (paths["root"], paths["config_path"]) == (realms, f"{folder}/config.toml")
        told = client.realm(realm).get().metadata.resolved_paths
        assert told is not None
        assert (told.root, told.config_path) == (folder, f"{folder}/config.toml")
    for folder in (realms, user):
        full = error_afar(StoreFull(f"no space left for {folder}/config_state.json"), client)
        assert str(root.path) not in str(full)


def test_tokens_are_out_of_sight(root, client):
    """What realmconf keeps for itself is no folder among the realms."""
    root.write(TEXT, 1)
    Tokens(client).create(realms=["*"], roles=["read"], author="ada", surface="sdk")
    assert sorted(os.listdir(root.path / "realms")) == [".realmconf-records", "team"]


@pytest.mark.parametrize(
    "url",
    [
        "meerkat://relative/path",
        "meerkat:///srv/realms?unknown=1",
        "meerkat:///srv/realms?global=relative",
        "meerkat:///srv/realms?stale_seconds=soon",
    ],
)
def test_a_url_that_cannot_be_understood(url):
    """A typed error says what is wrong with it."""
    with pytest.raises(realmconf.InvalidArgument):
        realmconf.connect(url)


def test_a_doctor_explains_a_root(root, client, monkeypatch):
    """``doctor`` names a lock left behind, a damaged number, secrets that others may read, leftovers, a split brain."""
    root.write(TEXT + '[providers.api_keys]\nopenai = "sk-placeholder"\n', 4)
    client.realm("team").get()
    root.config.chmod(0o644)
    root.state.write_text("")
    left = root.folder / ".config.tmp.018f0000-0000-7000-8000-000000000000"
    for path in (root.lock, left):
        path.write_text("config-runtime-lock")
        os.utime(path, (time.time() - 3_600,) * 2)
    monkeypatch.setenv("XDG_DATA_HOME", str(root.path / "data"))
    other = root.path / "data" / "meerkat" / "realms" / "team"
    other.mkdir(parents=True)
    (other / "config.toml").touch()
    told = examined(root)
    assert {level for level, _ in told} == {"note", "warning"}
    for words in (
        "left its lock behind",
        "says no generation",
        "there are secrets in it",
        f"{left} was left behind",
        "split brain",
    ):
        assert any(words in text for _, text in told), words
    assert "sk-placeholder" not in repr(told)
    assert client.realm("team").get().generation == 4 == root.number()


def test_a_doctor_explains_what_stands_in_the_way(root, client):
    """``doctor`` names what keeps a realm from being written: no document, a lock of tomorrow, a folder at its name."""
    root.write("a = 1\nx = [\n", 4)
    root.lock.touch()
    os.utime(root.lock, (time.time() + 86_400,) * 2)
    (root.path / "realms" / "other" / "config_state.lock").mkdir(parents=True)
    (root.path / "realms" / "other" / "config.toml").touch()
    told = examined(root)
    for level, words in (
        ("problem", f"{root.config} is no document: line 3: "),
        ("warning", "has a time in the future"),
        ("problem", "config_state.lock is no file"),
    ):
        assert any(level == one and words in text for one, text in told), words


def examined(root):
    """What ``doctor`` has to tell, by level; each with what to do."""
    store = open_store(root.url, limits=LIMITS, read_only=True)
    found = list(store.examine())  # type: ignore[attr-defined]
    store.close()
    assert all(one.advice for one in found)
    return {(one.level, one.text) for one in found}
