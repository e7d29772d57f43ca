"""Being told of changes where the kernel tells of none, of some, or of too little: nothing is missed (G3, G7, G8)."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import time
from typing import Any

import pytest

import realmconf
from realmconf.stores.embedded import notify
from realmconf.stores.embedded.notify import Notifier
from realmconf.stores.embedded.session import Session
from realmconf.stores.embedded.signals import Hub

PATIENCE_SECONDS = 20.0


class Refusing:
    """A C library whose kernel grants no watch on paths that end in one of *endings*."""

    def __init__(self, library, endings: tuple[str, ...]) -> None:
        self._library = library
        self._endings = endings

    def __getattr__(self, name):
        return getattr(self._library, name)

    def inotify_add_watch(self, descriptor, path, events):
        if os.fsdecode(path).endswith(self._endings):
            return -1
        return self._library.inotify_add_watch(descriptor, path, events)


def without_instances() -> Notifier:
    notifier = Notifier()
    notifier._unavailable = True
    return notifier


def refusing(*endings: str) -> Notifier:
    notifier = Notifier()
    # The first watch is what makes the instance.
    notifier.watch(os.curdir, notify.WAKE_EVENTS, lambda: None)()
    notifier._libc = Refusing(notifier._libc, endings)
    return notifier


BLIND = {
    "no-instance": without_instances,
    "no-watch": lambda: refusing(""),
    "no-watch-of-the-realm": lambda: refusing("/team"),
}


@pytest.fixture(params=BLIND)
def blind(request, monkeypatch):
    """The kernel does not tell of hand edits."""
    monkeypatch.setattr(notify, "NOTIFIER", BLIND[request.param]())


@pytest.fixture
def deaf(monkeypatch):
    """The kernel tells of nothing at all."""
    monkeypatch.setattr(notify, "NOTIFIER", without_instances())


@pytest.fixture
def team(tmp_path):
    """A realm whose working copy stands."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("team")
        realm.set({"x": 1})
        realm.publish()
        yield realm


def save_in_place(root, *, before: str, after: str) -> None:
    """Change the text of the file without making, renaming or removing one."""
    with open(root / "team" / "config.toml", "r+", encoding="utf-8") as file:
        text = file.read()
        assert before in text
        file.seek(0)
        file.write(text.replace(before, after))


def until(is_so) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(params=["no-instance", "no-watch-of-the-root"])
def blind_of_the_root(request, monkeypatch, tmp_path):
    """The kernel does not tell of what is made below the root."""
    notifier = (
        without_instances() if request.param == "no-instance" else refusing(f"/{tmp_path.name}")
    )
    monkeypatch.setattr(notify, "NOTIFIER", notifier)


def test_a_folder_is_seen_by_the_next_read_where_the_kernel_tells_of_none(
    blind_of_the_root, team, tmp_path
):
    """G3, G8: who is not told of new folders looks for them, however often it has read; nothing is proved of it."""
    realm = team.client.realm("fresh")
    for _ in range(4):
        assert not realm.get().exists
    assert team.client.store.proof([realm.realm_id]) is None
    assert team.client.store.proof([team.realm_id, realm.realm_id]) is None
    with realm.watch(timeout=PATIENCE_SECONDS) as watch:
        (tmp_path / "fresh").mkdir(mode=0o700)
        (tmp_path / "fresh" / "config.toml").write_text("x = 1\n")
        seen = realm.get()
        # Another thread may be at it already: then it is said that an edit waits.
        assert seen.document == {"x": 1} or "working_copy_edited" in [
            warning.code for warning in seen.warnings
        ]
        assert next(watch).document == {"x": 1}


def test_names_are_told_and_lost_events_may_be_of_any(tmp_path):
    """Whoever watches a folder is told which names in it; of lost events, and of the folder itself, of none."""
    notifier = Notifier()
    told: queue.Queue[list[str]] = queue.Queue()
    notifier.watch_entries(
        str(tmp_path), notify.ENTRY_EVENTS, lambda names: told.put(sorted(names))
    )
    (tmp_path / "ünï").mkdir()
    assert told.get(timeout=PATIENCE_SECONDS) == ["ünï"]
    os.rename(tmp_path, tmp_path.with_name("moved"))
    assert told.get(timeout=PATIENCE_SECONDS) == []
    (number,) = notifier._callbacks
    named = notify._EVENT.pack(number, notify.IN_CREATE, 0, 16) + b"name".ljust(16, b"\0")
    lost = notify._EVENT.pack(-1, notify.IN_Q_OVERFLOW, 0, 0)
    for content, names in ((named, ["name"]), (named + lost, [])):
        notifier._tell(content)
        assert told.get_nowait() == names


def test_a_save_in_place_is_seen_by_the_next_read(blind, team, tmp_path):
    """G3, G8: what the kernel does not tell of is looked for, also by who has read often."""
    for number in range(1, 6):
        assert [team.get().document for _ in range(3)] == [{"x": number}] * 3
        team.publish()
        with team.watch(timeout=PATIENCE_SECONDS) as watch:
            save_in_place(tmp_path, before=f"x = {number}", after=f"x = {number + 1}")
            seen = team.get()
            # Another thread may be at it already: then it is said that an edit waits.
            assert seen.document == {"x": number + 1} or "working_copy_edited" in [
                warning.code for warning in seen.warnings
            ]
            assert next(watch).document == {"x": number + 1}


def test_a_save_in_place_wakes_a_watcher(blind, team, tmp_path):
    """G7: a hand edit that nobody reads is taken in and told of, without the kernel too."""
    with team.watch(timeout=PATIENCE_SECONDS) as watch:
        save_in_place(tmp_path, before="x = 1", after="x = 7")
        assert next(watch).document == {"x": 7}


def test_a_commit_wakes_whoever_looks_at_intervals_whatever_the_time_of_a_file(
    deaf, tmp_path, monkeypatch
):
    """G7: two commits within one tick of a file system's clock look alike; the counters do not."""
    root = f"sqlite://{tmp_path}/root?working_copies=off"
    with realmconf.connect(root) as client, realmconf.connect(root) as other:
        client.realm("team").set({"x": 1})
        everything = other.store.signal([])
        with other.realm("team").watch(timeout=PATIENCE_SECONDS) as watch:
            monkeypatch.setattr(Session, "wake", lambda self: None)
            client.realm("team").set({"x": 2})
            assert next(watch).document == {"x": 2}
        assert everything.wait(PATIENCE_SECONDS)


def test_a_commit_wakes_whoever_watches_beside_a_wake_file_that_was_removed(tmp_path):
    """G7: who writes, and who watches, go on by the file that is made in the place of the one they have open."""
    url = f"sqlite://{tmp_path}?working_copies=off"

    numbers = itertools.count(1)

    def write(client, signal):
        # What is told late of earlier writes, and of the file's coming, is no hint at this one.
        while signal.wait(0.2):
            pass
        client.realm("team").set({"n": next(numbers)})
        assert signal.wait(PATIENCE_SECONDS)

    with realmconf.connect(url) as old, realmconf.connect(url) as watcher:
        realm = old.realm("team")
        realm.set({"n": 0})
        signal = watcher.store.signal([realm.realm_id])
        write(old, signal)
        os.unlink(tmp_path / ".store" / "wake")
        with realmconf.connect(url) as new:
            for client in (new, new, old, old):
                write(client, signal)
        os.unlink(tmp_path / ".store" / "wake")
        with realmconf.connect(url) as new:
            signal = new.store.signal([realm.realm_id])
            write(old, signal)


def test_an_edit_before_the_kernel_was_asked_is_seen(team, tmp_path):
    """G3: a watch that begins says nothing of what was saved before it, so the file is looked at."""
    save_in_place(tmp_path, before="x = 1", after="x = 7")
    with team.watch():
        assert team.get().document == {"x": 7}


def test_what_is_in_progress_is_told_of_at_every_look():
    """The mark of a writer that died after its commit stands as it stood before it."""
    hub = Hub()
    signal = hub.add(["team"])
    (slot,) = signal.slots
    for mark, rings in ((40, True), (40, False), (41, True), (41, True), (42, True), (42, False)):
        hub.observe({slot: mark})  # type: ignore[arg-type]
        assert signal.wait(0) is rings, mark


def test_a_change_is_told_of_once_more_when_it_has_settled(monkeypatch):
    """A second change within the same tick of the clock, which no stat shows, is found by the look after it."""
    entry = notify._Polled(lambda: 1, lambda: None)
    assert not entry.changed()
    monkeypatch.setattr(notify, "SETTLED_SECONDS", -1.0)
    assert [entry.changed(), entry.changed()] == [True, False]


def test_commits_of_others_wake_only_who_waits_for_them(team, tmp_path, monkeypatch):
    """A reader sleeps through them, and finds them at its next read; from the first watcher on it is told."""
    told = []
    observe = Hub.observe

    def observed(hub, words):
        told.append(hub)
        observe(hub, words)

    monkeypatch.setattr(Hub, "observe", observed)
    with realmconf.connect(str(tmp_path)) as client:
        store: Any = client.store
        realm, hub = client.realm("team"), store._watching.hub
        for _ in range(3):
            realm.get()
        assert store._watching.active
        with team.watch(timeout=PATIENCE_SECONDS):
            for number in (2, 3):
                known = len(told)
                team.set({"x": number})
                until(lambda known=known: len(told) > known)
            # Whoever is told of the second has told everybody of the first.
            assert realm.get().generation == 3
            assert hub not in told
            with realm.watch(timeout=PATIENCE_SECONDS):
                team.set({"x": 4})
                until(lambda: hub in told)


def test_nothing_is_watched_that_no_thread_listens_to(tmp_path, monkeypatch):
    """A process that may start no thread is refused its watch, since silence would be taken for freshness."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    notifier = Notifier()
    for _ in range(2):
        with pytest.raises(OSError, match="tells of no changes"):
            notifier.watch(str(tmp_path), notify.FOLDER_EVENTS, lambda: None)
    notifier.poll(lambda: 0, lambda: None)()


def test_looking_at_intervals_ends_with_what_is_looked_at():
    """A process with nothing left to look at sleeps; the next thing is looked at again."""
    notifier = Notifier()
    for _ in range(2):
        told = threading.Event()
        cancel = notifier.poll(object, told.set)
        assert told.wait(PATIENCE_SECONDS)
        looking = notifier._poller
        assert looking is not None
        cancel()
        looking.join(PATIENCE_SECONDS)
        assert not looking.is_alive()
