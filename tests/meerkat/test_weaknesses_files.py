"""What Meerkat's files, locks and processes do to each other, and what becomes of it here, on both kinds of store."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time

import pytest
from tests.meerkat.places import Place
from tests.meerkat.workers import Worker

import realmconf
from realmconf.errors import GenerationConflict, LockTimeout, WorkingCopyBroken
from realmconf.stores import renaming
from realmconf.stores.meerkat import files

WRITERS = 4
ROUNDS = 8
AGES_SECONDS = (-86_400.0, 86_400.0)
"""What a clock that was changed does to the times of files: a day back, and a day ahead."""


def with_age(place: Place, age_seconds: float) -> None:
    """Give each file of the store a time so long ago, or so far ahead if it is below zero."""
    then = time.time() - age_seconds
    for folder, _, names in os.walk(place.root):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.utime(os.path.join(folder, name), (then, then))


# --- who writes at the same time --------------------------------------------------------------


def test_of_writers_with_one_expectation_one_wins(place):
    """
    W5, W25, G1: of processes that write on one expectation just one does, in each round, and its write is there.

    A round without a winner fails as one with two does; in Meerkat's files a lock that was left behind lies there in
    each, for all of them to find stale at once.
    """
    realm = place.team()
    realm.set({"agent": {"model": "m"}})
    with contextlib.ExitStack() as ending:
        workers = [
            ending.enter_context(Worker(place.url, f"w{number}")) for number in range(WRITERS)
        ]
        for turn in range(ROUNDS):
            generation = realm.get().generation
            if place.is_meerkat:
                place.lock.write_text("config-runtime-lock")
                os.utime(place.lock, (time.time() - 60,) * 2)
            for number, worker in enumerate(workers):
                patch = {"turn": turn, "writer": number}
                worker.begin(patch, expected_generation=generation)
            answers = [worker.answer() for worker in workers]
            winners = [number for number, told in enumerate(answers) if told[0] == "written"]
            assert len(winners) == 1, answers
            assert answers.count(["generation_conflict", generation + 1]) == WRITERS - 1, answers
            snapshot = realm.get()
            assert snapshot.generation == generation + 1
            assert snapshot.document == {
                "agent": {"model": "m"},
                "turn": turn,
                "writer": winners[0],
            }
            assert realm.history()[0].author == f"w{winners[0]}"


def test_two_ways_to_one_file_exclude_each_other(place):
    """W19: whoever comes to the same realm by another path has the same lock: what both count up is what both did."""
    other = place.home / "other way"
    place.team().set({"count": 0})
    other.symlink_to(place.root)
    urls = (place.url, place.at(other))
    with contextlib.ExitStack() as ending:
        clients = [ending.enter_context(realmconf.connect(url)) for url in urls]
        with contextlib.ExitStack() as stopping:
            workers = [stopping.enter_context(Worker(url, "w")) for url in urls]
            for number in range(ROUNDS):
                for at, worker in enumerate(workers):
                    worker.begin({f"w{at}": number})
                assert sorted(worker.answer()[0] for worker in workers) == ["written", "written"]
        (one, two) = [client.realm("team").get() for client in clients]
    assert one.generation == two.generation == 1 + 2 * ROUNDS
    assert one.document == two.document == {"count": 0, "w0": ROUNDS - 1, "w1": ROUNDS - 1}


def test_a_program_without_the_lock_loses_nothing_of_ours(place):
    """
    W19: who reads the file, and writes it back later without asking anybody, makes a generation of its own.

    What was written meanwhile stays in force in our own store, where the file says of which generation it was read.
    Meerkat's files cannot say that: there it is in the history, and the text of the file holds.
    """
    realm = place.team()
    realm.set({"agent": {"model": "m1"}})
    read = place.text(realm)
    ours = realm.set_value("agent.max_turns", 4)
    place.text(realm)
    place.save(read + "\n[limits]\nbudget = 7\n")
    with pytest.raises(GenerationConflict):
        realm.set_value("agent.model", "m2", expected_generation=ours.generation)
    snapshot = place.told(realm)
    assert snapshot.generation == ours.generation + 1
    assert realm.at(ours.generation).document == {"agent": {"model": "m1", "max_turns": 4}}
    kept = {"model": "m1"} if place.is_meerkat else {"model": "m1", "max_turns": 4}
    assert snapshot.document == {"agent": kept, "limits": {"budget": 7}}
    assert realm.history()[0].surface == "file"


def test_a_hand_edit_is_a_conflict(place):
    """W11, G8: who has read before somebody edited the file writes nothing over that."""
    realm = place.team()
    realm.set({"agent": {"model": "m1"}})
    read = realm.get()
    text = place.text(realm)
    place.save(text.replace("m1", "edited"))
    with pytest.raises(GenerationConflict) as conflict:
        realm.set_value("agent.model", "mine", expected_generation=read.generation)
    assert (conflict.value.expected, conflict.value.current) == (1, 2)
    assert place.told(realm).document == {"agent": {"model": "edited"}}


# --- who dies, or is stopped ------------------------------------------------------------------


@pytest.mark.parametrize("age_seconds", [0.0, *AGES_SECONDS])
def test_a_killed_writer_locks_nobody_out(place, age_seconds):
    """W7, W16: after ``kill -9`` inside of a write the next one waits for nothing, whatever the clock says."""
    url = place.at(place.root, stale_seconds=30)
    with realmconf.connect(url, author="ada") as client:
        realm = client.realm("team")
        realm.set({"agent": {"model": "m1"}})
        with Worker(url, "killed", fate="SIGKILL") as worker:
            worker.begin({"agent": {"model": "m2"}})
            worker.wait_until_inside()
            if place.is_meerkat:
                assert place.lock.exists()
        with_age(place, age_seconds)
        before = time.monotonic()
        assert realm.get().document == {"agent": {"model": "m1"}}
        assert realm.set_value("agent.model", "m3", timeout=15).generation == 2
        assert time.monotonic() - before < 15


def test_who_was_stopped_inside_overwrites_nobody(place):
    """
    W6, G1: a writer that is stopped with the lock in hand, and goes on when others have written, does not write.

    In our own store nobody gets past it meanwhile: they are told so in time, and have written nothing.
    """
    realm = place.team()
    realm.set({"agent": {"model": "m1"}})
    with Worker(place.url, "slow", fate="SIGSTOP") as slow:
        slow.begin({"agent": {"model": "slow"}}, expected_generation=1)
        slow.wait_until_inside()
        try:
            if place.is_meerkat:
                assert realm.set_value("agent.model", "fast", timeout=20).generation == 2
            else:
                with pytest.raises(LockTimeout):
                    realm.set_value("agent.model", "fast", timeout=0.5)
        finally:
            slow.go_on()
        told = slow.answer()
    if place.is_meerkat:
        assert told == ["generation_conflict", 2]
        assert realm.get().document == {"agent": {"model": "fast"}}
        assert not place.lock.exists()
    else:
        assert told == ["written", 2]
        assert realm.get().document == {"agent": {"model": "slow"}}


# --- what is on the disk ----------------------------------------------------------------------


def test_nothing_takes_its_place_before_it_is_on_the_disk(tmp_path, monkeypatch):
    """
    W18: text and number are on the disk before either takes its place, and the text's name is before the number's.

    So at no moment does the number promise a text that a power failure could take; the answer comes after all of it.
    """
    place = Place("meerkat", tmp_path)
    realm = place.team()
    realm.set({"agent": {"model": "m1"}})
    calls: list[tuple[str, str]] = []

    def name_of(descriptor: int) -> str:
        return os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))

    real_sync, real_exchange, real_replace = os.fsync, renaming.exchange_paths, os.replace

    def sync(descriptor):
        real_sync(descriptor)
        calls.append(("sync", name_of(descriptor)))

    def exchange(path, other):
        calls.append(("put", os.path.basename(other)))
        real_exchange(path, other)

    def replace(path, other, **options):
        calls.append(("put", os.path.basename(other)))
        real_replace(path, other, **options)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(files, "exchange_paths", exchange)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "rename", replace)
    realm.set_value("agent.model", "m2")
    monkeypatch.undo()
    place.close()
    told = [(verb, name.split(".tmp.")[0]) for verb, name in calls]
    assert sorted(told[:2]) == [("sync", ".config"), ("sync", ".config_state")]
    assert told[2:] == [
        ("put", "config.toml"),
        ("sync", "team"),
        ("put", "config_state.json"),
        ("sync", "team"),
    ]


def test_a_number_is_never_given_twice(place):
    """W12, G2: whatever is taken out of the realm's folder, its number goes on, and old expectations stay refused."""
    realm = place.team()
    realm.set({"agent": {"model": "m1"}})
    realm.set_value("agent.model", "m2")
    text = place.text(realm)
    seen = realm.get().generation
    for damage in ("config.toml", "config_state.json", None):
        if damage is None:
            shutil.rmtree(place.folder)
        else:
            (place.folder / damage).unlink(missing_ok=True)
        for stale in (0, 1):
            with pytest.raises(GenerationConflict):
                realm.set_value("agent.model", "old", expected_generation=stale)
        assert realm.get().generation >= seen
        seen = realm.set({"agent": {"model": "m2"}, "damage": str(damage)}).generation
    assert realm.at(2).document == {"agent": {"model": "m2"}}
    assert "m2" in text


def test_a_broken_file_is_told(place):
    """W13, W14: a file that cannot be read is neither the defaults nor an end: the last good configuration, visibly."""
    realm = place.team()
    realm.set({"shell": {"security_mode": "allow_list"}})
    text = place.text(realm)
    place.save(text + "\nx = [")
    snapshot = place.told(realm, "working_copy_broken")
    assert snapshot.document == {"shell": {"security_mode": "allow_list"}}
    assert str(place.config) in snapshot.warnings[0].message
    if place.is_meerkat:
        with pytest.raises(WorkingCopyBroken):
            realm.set_value("agent.model", "m2")
    else:
        assert realm.set_value("agent.model", "m2").changed
    place.told(realm, "working_copy_broken")
    place.save(text)
    place.told(realm)
    assert realm.set_value("agent.model", "m3").changed


def test_reading_makes_nothing(place):
    """W17: neither a read nor a mistyped name leaves anything in the store, and no reader waits for a writer."""
    place.team().set({"agent": {"model": "m1"}})
    place.text(place.team())
    before = sorted(os.listdir(place.root)), place.names()
    with Worker(place.url, "slow", fate="SIGSTOP") as slow:
        slow.begin({"agent": {"model": "slow"}})
        slow.wait_until_inside()
        try:
            client = place.connect(read_only=True)
            started = time.monotonic()
            assert client.realm("team").get().document == {"agent": {"model": "m1"}}
            assert not client.realm("tema").get().exists
            assert time.monotonic() - started < 5
        finally:
            slow.go_on()
        assert slow.answer() == ["written", 2]
    place.text(place.team())
    assert (sorted(os.listdir(place.root)), place.names()) == before


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_was_private_stays_private(place, umask):
    """W22: a file that is made is for its owner alone, under any umask; the mode that somebody gave it stays."""
    before = os.umask(umask)
    try:
        realm = place.team()
        realm.set({"provider": {"api_key": "CANARY"}})
        place.text(realm)
        assert stat.S_IMODE(place.config.stat().st_mode) == 0o600
        place.config.chmod(0o640)
        realm.set_value("agent.model", "m")
        place.text(realm)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.config.stat().st_mode) == 0o640


def test_no_copy_of_a_secret_is_left_behind(place):
    """W23: what a writer left when it was killed is gone after the next write, and no text with a secret lies about."""
    realm = place.team()
    realm.set({"provider": {"api_key": "CANARY"}})
    place.text(realm)
    with Worker(place.url, "killed", fate="SIGKILL") as worker:
        worker.begin({"provider": {"api_key": "CANARY2"}})
        worker.wait_until_inside()
    realm.set_value("agent.model", "m")
    place.text(realm)
    assert place.names() <= {"config.toml", "config_state.json"}


# --- who it was -------------------------------------------------------------------------------


def test_each_generation_says_who_made_it(place):
    """W27, W30: author, surface and time are those of whoever wrote it; the instance that is told is the reader's."""
    for number, (author, surface) in enumerate((("ada", "cli"), ("ben", "rpc")), start=1):
        client = place.connect(author=author, surface=surface, instance_id=f"of {author}")
        client.realm("team").patch({"n": number})
    place.text(place.team())
    reader = place.connect(author="eve", instance_id="reader").realm("team")
    told = [(one.generation, one.author, one.surface) for one in reader.history()]
    assert told == [(2, "ben", "rpc"), (1, "ada", "cli")]
    assert reader.get().metadata.instance_id == "reader"
    assert reader.at(1).document == {"n": 1}
    assert reader.rollback(to=1).document == {"n": 1}
    assert reader.history()[0].author == "eve"


def test_a_retry_is_the_same_write(place):
    """W26: who heard no answer sends again under the same id and learns what became of it, whoever wrote meanwhile."""
    realm = place.team()
    first = realm.patch({"n": 1}, write_id="mine")
    place.team("ben").patch({"n": 2})
    assert realm.patch({"n": 1}, write_id="mine").generation == first.generation == 1
    with pytest.raises(GenerationConflict) as conflict:
        realm.patch({"n": 3}, expected_generation=1)
    assert (conflict.value.code, conflict.value.expected, conflict.value.current) == (
        "generation_conflict",
        1,
        2,
    )
    assert realm.get().document == {"n": 2}
