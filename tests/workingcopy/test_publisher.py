"""When a working copy is rendered: once per burst, by one process, and never for nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

import realmconf
from realmconf.domain.names import RealmName
from realmconf.stores.embedded.publisher import FLUSH_SECONDS_MAX, Publisher

TEAM, CREW = RealmName("team"), RealmName("crew")


class Recorder:
    """Counts renderings; *answers* says for each what the publisher is told."""

    def __init__(self, *answers: float | None) -> None:
        self.calls: list[str] = []
        self.called = threading.Event()
        self._answers = list(answers)

    def __call__(self, realm: RealmName, deadline: float) -> float | None:
        self.calls.append(realm)
        self.called.set()
        return self._answers.pop(0) if self._answers else None


@pytest.fixture
def made():
    publishers: list[Publisher] = []

    def make(recorder: Recorder, *, clock: Callable[[], float] = time.monotonic) -> Publisher:
        publishers.append(Publisher(recorder, clock=clock))
        return publishers[-1]

    yield make
    for publisher in publishers:
        publisher.stop()


def test_burst_is_one_rendering(made):
    """Commits in quick succession are rendered once, after the last of them."""
    recorder = Recorder()
    now = 100.0
    publisher = made(recorder, clock=lambda: now)
    for _ in range(200):
        publisher.note(TEAM)
    assert recorder.calls == []
    # Their succession is quick however long the machine takes over it.
    now += 1.0
    assert recorder.called.wait(20)
    publisher.stop()
    assert recorder.calls == [TEAM]


def test_every_burst_is_rendered(made):
    """A publisher that has gone to sleep is woken by the next commit."""
    recorder = Recorder()
    publisher = made(recorder)
    for count in range(1, 6):
        recorder.called.clear()
        publisher.note(TEAM)
        assert recorder.called.wait(20)
        assert len(recorder.calls) == count


def test_what_was_put_off_is_tried_again(made):
    """A rendering that has to wait is tried again by itself."""
    recorder = Recorder(0.001, 0.001, None)
    publisher = made(recorder)
    publisher.note(TEAM)
    deadline = time.monotonic() + 20
    while len(recorder.calls) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert recorder.calls == [TEAM] * 3


def test_flush_renders_what_is_noted(made):
    """A flush renders every noted realm in the calling thread, and leaves nothing for later."""
    recorder = Recorder()
    publisher = made(recorder)
    publisher.stop()
    publisher.note(TEAM)
    publisher.note(CREW)
    publisher.flush()
    publisher.flush()
    assert sorted(recorder.calls) == [CREW, TEAM]


def test_idle_process_does_nothing(tmp_path):
    """A process that has rendered wakes up for nothing: its threads use no processor time."""
    program = (
        "import sys, time, realmconf\n"
        "client = realmconf.connect(sys.argv[1]); realm = client.realm('team')\n"
        "realm.set({'a': 1}); realm.publish(); [realm.get() for _ in range(5)]; time.sleep(0.3)\n"
        "def switches():\n"
        "    import glob\n"
        "    lines = [line for path in glob.glob('/proc/self/task/*/status') for line in open(path)]\n"
        "    return sum(int(line.split()[1]) for line in lines if line.startswith('voluntary'))\n"
        "before = switches(); time.sleep(1.0); print(switches() - before)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    # The sleep itself, and reading the figures.
    assert int(finished.stdout) < 8


def test_publisher_that_is_stopped_holds_nobody_up(tmp_path):
    """While another process has the publisher's lock and does nothing, rendering goes on a little later."""
    with realmconf.connect(str(tmp_path)) as client:
        realm = client.realm("team")
        realm.set({"a": 1})
        realm.publish()
        lock = os.open(tmp_path / ".store" / "publisher.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            realm.set({"a": 2})
            path = tmp_path / "team" / "config.toml"
            deadline = time.monotonic() + 20
            while tomllib.loads(path.read_text()) != {"a": 2}:
                assert time.monotonic() < deadline, "nobody rendered"
                time.sleep(0.01)
        finally:
            os.close(lock)


def test_thread_that_cannot_be_started_now_is_started_later(made, monkeypatch):
    """Where no thread can be started a commit is still a commit, and a later one is rendered by itself."""
    recorder = Recorder()
    publisher = made(recorder)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", refuse)
        publisher.note(TEAM)
        publisher.note(CREW)
    assert recorder.calls == []
    publisher.note(TEAM)
    assert recorder.called.wait(20)
    publisher.stop()
    publisher.flush()
    assert sorted(recorder.calls) == [CREW, TEAM]


class StoppedBeforeItClears(threading.Event):
    """The event as a thread sees it that is stopped at the last moment before it goes to sleep."""

    def __init__(self, publisher: Publisher) -> None:
        super().__init__()
        self._publisher = publisher
        self.stopper: threading.Thread | None = None

    def clear(self) -> None:
        if self.stopper is None:
            stopper = threading.Thread(target=self._publisher.stop)
            stopper.start()
            # Only now: the test joins whatever it finds here.
            self.stopper = stopper
            assert self.wait(20)
        super().clear()


def test_thread_that_is_stopped_on_its_way_to_sleep_ends(made):
    """Closing a client ends its publisher at whatever moment it comes."""
    recorder = Recorder()
    publisher = made(recorder)
    publisher.note(TEAM)
    assert recorder.called.wait(20)
    while not publisher._sleeping:
        time.sleep(0.001)
    asleep, publisher._wake = publisher._wake, StoppedBeforeItClears(publisher)
    # Wakes it up; the next event that it waits for is the other one.
    asleep.set()
    deadline = time.monotonic() + 20
    while publisher._wake.stopper is None and time.monotonic() < deadline:
        time.sleep(0.001)
    publisher._wake.stopper.join(20)
    ended = not publisher._wake.stopper.is_alive()
    publisher._wake.set()
    assert ended


def test_flush_hands_its_deadline_down(made):
    """Whoever renders at the end of a program waits for the turn no longer than the end does, however many realms."""
    now = 100.0
    deadlines = []

    def publish_one(realm: RealmName, deadline: float) -> float | None:
        nonlocal now
        deadlines.append(deadline)
        now = max(now, deadline)
        return 0.01

    publisher = Publisher(publish_one, clock=lambda: now)
    publisher.stop()
    publisher.note(TEAM)
    publisher.note(CREW)
    publisher.flush()
    assert deadlines == [100.0 + FLUSH_SECONDS_MAX] * 2


def test_end_does_not_outwait_a_stopped_process(tmp_path):
    """Closing a client ends the wait of its publisher for a turn that a stopped process keeps."""
    client = realmconf.connect(str(tmp_path))
    for name in ("team", "crew", "gang"):
        client.realm(name).set({"a": 1})
    lock = os.open(tmp_path / ".store" / "turn.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        closing = threading.Thread(target=client.close, daemon=True)
        closing.start()
        closing.join(20)
        assert not closing.is_alive(), "closing waits for a turn that does not come"
    finally:
        os.close(lock)


def test_a_store_whose_folder_was_removed_is_left_alone(tmp_path, monkeypatch):
    """Where a store's folder is removed under it, nothing is rendered or made anew, and no thread dies of it."""
    died = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: died.append(failed.exc_value))
    root = tmp_path / "store"
    with realmconf.connect(str(root)) as client:
        team = client.realm("team")
        team.set({"a": 1})
        client.publish()
        shutil.rmtree(root)
        # Whether the files are still the same is asked once in a while: as if that had passed.
        store: Any = client.store
        store._place.session.compared_at = float("-inf")
        # As whoever hears that the file is gone.
        store._working._noticed(TEAM)
        client.publish()
        assert not root.exists()
    assert not root.exists()
    assert died == []
