"""A realm's manifest: both formats, how it is made, and what it pins."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from realmconf import (
    EnvelopePolicy,
    InvalidArgument,
    InvalidRealm,
    LockTimeout,
    OutcomeUnknown,
    RealmBackendMismatch,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
    connect,
    meerkat,
)
from realmconf.meerkat import disk, manifestlock
from realmconf.meerkat import manifest as manifests
from realmconf.meerkat.disk import Clock
from realmconf.meerkat.manifest import Manifest, ensure_manifest, read_manifest, write_manifest

REALM = "team-alpha"
OLD: dict[str, Any] = {
    "realm_id": REALM,
    "backend": "redb",
    "origin": "workspace",
    "created_at": "1772240000",
}
NEW: dict[str, Any] = {
    "realm_id": REALM,
    "backend": "external:bigquery",
    "created_at": "1787000000",
    "manifest_format": 2,
    "provider": "bigquery",
    "ephemeral_domains": ["blobs", "artifacts"],
}


class Time:
    """A clock that goes on only where somebody sleeps; *between* is done while they do."""

    def __init__(self, *, now: float = 1_772_240_000.0, between: Any = None) -> None:
        self.now = now
        self.slept: list[float] = []
        self._between = between

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if self._between is not None:
            self._between(self.slept)

    @property
    def clock(self) -> Clock:
        return Clock(
            time_seconds=lambda: self.now,
            monotonic_seconds=lambda: self.now,
            sleep_seconds=self.sleep,
        )


def put(folder: Path, content: Any) -> Path:
    path = folder / "realm_manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


# --- what it says ---------------------------------------------------------------------------


def test_the_manifest_of_v04_is_read(tmp_path: Path) -> None:
    """Realm, backend, origin, and the time of making as text of seconds."""
    put(tmp_path, OLD)
    found = read_manifest(str(tmp_path))
    assert found == Manifest(
        realm_id=REALM, backend="redb", origin="workspace", created_at="1772240000"
    )
    assert found.created_at_seconds == 1_772_240_000
    assert found.manifest_format == 1


def test_the_manifest_of_format_2_is_read(tmp_path: Path) -> None:
    """Format 2 adds a provider and the domains that are not kept."""
    put(tmp_path, NEW)
    found = read_manifest(str(tmp_path))
    assert found is not None
    assert (found.manifest_format, found.provider) == (2, "bigquery")
    assert found.ephemeral_domains == ("blobs", "artifacts")
    assert found.origin == "legacy_unknown"


@pytest.mark.parametrize("backend", ["redb", "jsonl", "sqlite", "memory", "external:x", "tomorrow"])
def test_a_backend_is_told_and_never_judged(backend: str) -> None:
    """Every backend of every release is read: what one of them does not open is for it to say."""
    raw = json.dumps({**OLD, "backend": backend}).encode()
    assert meerkat.parse_manifest(raw).backend == backend


def test_no_manifest_is_none(tmp_path: Path) -> None:
    """``rkat config`` makes none; nothing is waited for."""
    time = Time()
    assert read_manifest(str(tmp_path), clock=time.clock) is None
    assert read_manifest(str(tmp_path / "nowhere"), clock=time.clock) is None
    assert not time.slept


@pytest.mark.parametrize("number", [3, 4, 2**40])
def test_a_format_from_the_future_is_refused_at_once(tmp_path: Path, number: int) -> None:
    """A format above 2 is ``store_too_new``, whatever else has changed in it, and is not waited for."""
    put(tmp_path, {"manifest_format": number, "realm": REALM})
    time = Time()
    with pytest.raises(StoreTooNew, match=f"format {number}"):
        read_manifest(str(tmp_path), clock=time.clock)
    assert not time.slept


UNREADABLE: list[Any] = [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"realm_id": "a", "realm_id": "b", "backend": "redb", "created_at": "1"}',
    '{"realm_id": "a", "backend": "redb", "created_at": "1", "more": NaN}',
    '{"realm_id": "a", "backend": "redb", "created_at": "1", "more": 1e999}',
    '{"realm_id": "\\ud800", "backend": "redb", "created_at": "1"}',
    "[" * 100_000,
    {**OLD, "realm_id": 7},
    {**OLD, "backend": None},
    {**OLD, "created_at": 1_772_240_000},
    {**OLD, "origin": 7},
    {**OLD, "manifest_format": "2"},
    {**OLD, "manifest_format": 2.0},
    {**OLD, "manifest_format": True},
    {**OLD, "manifest_format": -1},
    {**OLD, "provider": 7},
    {**OLD, "ephemeral_domains": "blobs"},
    {**OLD, "ephemeral_domains": [7]},
]


@pytest.mark.parametrize("content", UNREADABLE)
def test_one_that_stays_unreadable_is_corrupt_after_two_seconds(
    tmp_path: Path, content: Any
) -> None:
    """What is no manifest is read again for two seconds, and then it is ``store_corrupt``, never a default."""
    path = put(tmp_path, content)
    time = Time()
    with pytest.raises(StoreCorrupt, match=str(path)):
        read_manifest(str(tmp_path), clock=time.clock)
    assert 2.0 <= sum(time.slept) < 2.1


def test_a_reader_beside_a_writer_waits_for_the_whole(tmp_path: Path) -> None:
    """A half-written manifest is read again until it is whole."""
    put(tmp_path, json.dumps(OLD)[:20])
    time = Time(between=lambda slept: put(tmp_path, OLD) if len(slept) == 5 else None)
    found = read_manifest(str(tmp_path), clock=time.clock)
    assert found is not None
    assert len(time.slept) == 5


def test_what_is_no_file_is_corrupt(tmp_path: Path) -> None:
    """A folder, a pipe or something far too large at the name is refused, and hangs nobody."""
    path = tmp_path / "realm_manifest.json"
    path.mkdir()
    with pytest.raises(StoreCorrupt, match="is not a file"):
        read_manifest(str(tmp_path), patience_seconds=0)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(StoreCorrupt, match="is not a file"):
        read_manifest(str(tmp_path), patience_seconds=0)
    path.unlink()
    path.write_bytes(b" " * (disk.FILE_BYTES_MAX + 1))
    with pytest.raises(StoreCorrupt, match="too large"):
        read_manifest(str(tmp_path), patience_seconds=0)


def test_a_manifest_behind_what_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    """Only "not found" is none: every other reason is an error."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        read_manifest(str(tmp_path / "file"))


# --- making one ------------------------------------------------------------------------------


def test_a_new_manifest_is_meerkats(tmp_path: Path) -> None:
    """A new manifest has v0.4's four members and no other, and nothing is left beside it."""
    folder = tmp_path / REALM
    time = Time()
    made = ensure_manifest(str(folder), REALM, backend="redb", origin="workspace", clock=time.clock)
    path = folder / "realm_manifest.json"
    assert json.loads(path.read_text("utf-8")) == OLD
    assert path.read_text("utf-8").startswith('{\n  "realm_id": "team-alpha",\n')
    assert os.listdir(folder) == ["realm_manifest.json"]
    assert read_manifest(str(folder)) == made


def test_without_a_hint_every_release_can_open_it(tmp_path: Path) -> None:
    """Without a backend a realm is made in ``jsonl``, and one that is there is taken as it is."""
    assert ensure_manifest(str(tmp_path / "new"), "new").backend == "jsonl"
    put(tmp_path, OLD)
    assert ensure_manifest(str(tmp_path), REALM).backend == "redb"


def test_a_provider_is_pinned_in_format_2(tmp_path: Path) -> None:
    """``external:<name>`` writes format 2, with the provider that it names."""
    ensure_manifest(str(tmp_path), REALM, backend="external:bigquery")
    stated = json.loads((tmp_path / "realm_manifest.json").read_text("utf-8"))
    assert (stated["manifest_format"], stated["provider"]) == (2, "bigquery")


def test_another_backend_later_is_a_mismatch(tmp_path: Path) -> None:
    """The backend is pinned when the realm is made: another one later is refused, by name, and changes nothing."""
    path = put(tmp_path, OLD)
    before = path.read_bytes()
    with pytest.raises(RealmBackendMismatch) as refused:
        ensure_manifest(str(tmp_path), REALM, backend="jsonl")
    found = refused.value
    assert (found.realm, found.requested, found.existing) == (REALM, "jsonl", "redb")
    assert found.code == "realm_backend_mismatch"
    assert all(word in str(found) for word in (REALM, "jsonl", "redb"))
    assert path.read_bytes() == before
    assert ensure_manifest(str(tmp_path), REALM, backend="redb").backend == "redb"


def test_a_folder_of_another_realm_is_refused(tmp_path: Path) -> None:
    """``a.b`` and ``a_b`` are one folder: its manifest says whose, and nobody else gets it."""
    put(tmp_path, {**OLD, "realm_id": "a.b"})
    with pytest.raises(InvalidRealm, match=r"'a\.b'"):
        ensure_manifest(str(tmp_path), "a_b")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"backend": "reddb"}, InvalidArgument),
        ({"backend": "external:"}, InvalidArgument),
        ({"origin": "legacy_unknown"}, InvalidArgument),
        ({"realm": "a.b"}, InvalidRealm),
    ],
)
def test_what_nobody_has_is_not_made(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """A backend, an origin or a name that there is not makes no folder."""
    realm = arguments.pop("realm", REALM)
    with pytest.raises(error):
        ensure_manifest(str(tmp_path / "new"), realm, **arguments)
    assert not (tmp_path / "new").exists()


def _contend(folder: str, backend: str, start: Any, answers: Any) -> None:
    start.wait(60)
    try:
        answers.put(("made", ensure_manifest(folder, REALM, backend=backend).backend))
    except RealmBackendMismatch as refused:
        answers.put(("refused", refused.existing))


def test_of_processes_that_disagree_one_pins_and_all_others_learn_it(tmp_path: Path) -> None:
    """Whoever is first pins the backend; every other process is told that one, and the file says it."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(6), context.Queue()
    backends = ["redb", "jsonl"] * 3
    processes = [
        context.Process(target=_contend, args=(str(tmp_path / REALM), backend, start, answers))
        for backend in backends
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    pinned = read_manifest(str(tmp_path / REALM))
    assert pinned is not None
    assert {backend for _, backend in found} == {pinned.backend}
    assert [kind for kind, _ in found].count("made") == 3
    assert os.listdir(tmp_path / REALM) == ["realm_manifest.json"]


def test_one_that_outlived_its_lock_replaces_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A maker that was stopped until others took its lock over puts nothing over what they have made."""
    link = disk.place_new

    def late(temporary: str, path: str) -> bool:
        put(tmp_path, OLD)
        return link(temporary, path)

    monkeypatch.setattr(manifests, "place_new", late)
    with pytest.raises(RealmBackendMismatch):
        ensure_manifest(str(tmp_path), REALM, backend="jsonl")
    assert json.loads((tmp_path / "realm_manifest.json").read_text("utf-8")) == OLD


def test_a_file_system_without_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no second names a rename under the lock makes the manifest, and never over one."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert ensure_manifest(str(tmp_path), REALM).backend == "jsonl"
    temporary = tmp_path / "temporary"
    temporary.touch()
    assert not disk.place_new(str(temporary), str(tmp_path / "realm_manifest.json"))


@pytest.mark.parametrize(
    ("number", "error"), [(28, StoreFull), (30, StoreReadOnly), (5, StoreUnavailable)]
)
def test_a_disk_that_refuses_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    """A full, a read-only and a broken disk are told apart, and neither lock nor temporary file is left."""

    def refused(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(error):
        ensure_manifest(str(tmp_path), REALM)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_synced_leaves_the_outcome_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest stands, and nobody knows whether it survives a power failure: that is said."""

    def refused(_: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(manifests, "sync_folder", refused)
    with pytest.raises(OutcomeUnknown):
        ensure_manifest(str(tmp_path), REALM)
    assert read_manifest(str(tmp_path)) is not None


def test_a_manifest_is_on_the_disk_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written, synced, named, and the folder synced: in this order."""
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def linked(*names: str) -> None:
        done.append("name")
        link(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    ensure_manifest(str(tmp_path), REALM)
    assert done == ["file", "file", "name", "folder"]


# --- writing it again ------------------------------------------------------------------------


def test_unknown_members_are_kept(tmp_path: Path) -> None:
    """What a later release has put into a manifest is there after it was written again."""
    strange = {"zebra": {"a": [1, 2.5, None, True]}, "große": "ä"}
    put(tmp_path, {**NEW, **strange})
    found = read_manifest(str(tmp_path))
    assert found is not None
    write_manifest(str(tmp_path), found.replace(ephemeral_domains=()))
    stated = json.loads((tmp_path / "realm_manifest.json").read_text("utf-8"))
    assert stated == {
        **{name: value for name, value in NEW.items() if name != "ephemeral_domains"},
        **strange,
        "origin": "legacy_unknown",
    }


def test_writing_again_changes_neither_backend_nor_realm(tmp_path: Path) -> None:
    """What is pinned stays pinned."""
    put(tmp_path, OLD)
    found = read_manifest(str(tmp_path))
    assert found is not None
    with pytest.raises(RealmBackendMismatch):
        write_manifest(str(tmp_path), found.replace(backend="jsonl"))
    with pytest.raises(InvalidRealm):
        write_manifest(str(tmp_path), found.replace(realm_id="other"))
    assert read_manifest(str(tmp_path)) == found


def test_a_manifest_behind_a_link_stays_behind_it(tmp_path: Path) -> None:
    """A linked manifest is written where it is, and the link stays."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = put(elsewhere, OLD)
    folder = tmp_path / REALM
    folder.mkdir()
    (folder / "realm_manifest.json").symlink_to(target)
    found = read_manifest(str(folder))
    assert found is not None
    write_manifest(str(folder), found.replace(others={"more": 1}))
    assert (folder / "realm_manifest.json").is_symlink()
    assert json.loads(target.read_text("utf-8"))["more"] == 1


# --- its lock ---------------------------------------------------------------------------------


def test_a_held_lock_is_waited_for_and_no_longer_than_five_seconds(tmp_path: Path) -> None:
    """A lock that somebody holds: every 20 ms for 5 s, and then ``lock_timeout``, with the lock untouched."""
    lock = tmp_path / ".realm_manifest.lock"
    lock.touch()
    time = Time(now=lock.stat().st_mtime)
    with pytest.raises(LockTimeout):
        ensure_manifest(str(tmp_path), REALM, clock=time.clock)
    assert set(time.slept) == {manifestlock.RETRY_SECONDS}
    assert sum(time.slept) == pytest.approx(manifestlock.TIMEOUT_SECONDS, abs=0.03)
    assert os.listdir(tmp_path) == [".realm_manifest.lock"]


def test_whoever_made_it_meanwhile_is_heard(tmp_path: Path) -> None:
    """A manifest that another made while the lock was waited for is the answer."""
    lock = tmp_path / ".realm_manifest.lock"
    lock.touch()

    def between(slept: list[float]) -> None:
        if len(slept) == 3:
            put(tmp_path, OLD)
            lock.unlink()

    time = Time(now=lock.stat().st_mtime, between=between)
    assert ensure_manifest(str(tmp_path), REALM, clock=time.clock).backend == "redb"


def test_a_lock_left_behind_is_taken_after_thirty_seconds(tmp_path: Path) -> None:
    """W5, W16: one older than 30 s that does not change for a quarter of a second either is nobody's."""
    lock = tmp_path / ".realm_manifest.lock"
    lock.touch()
    made = lock.stat().st_mtime
    time = Time(now=made + 30.5)
    ensure_manifest(str(tmp_path), REALM, clock=time.clock)
    assert os.listdir(tmp_path) == ["realm_manifest.json"]
    assert 0.25 <= sum(time.slept) < 0.4


def test_a_lock_that_is_renewed_is_never_stale(tmp_path: Path) -> None:
    """W16: a clock that jumped makes nobody's lock stale who still changes it."""
    lock = tmp_path / ".realm_manifest.lock"
    lock.touch()
    made = lock.stat().st_mtime_ns
    times = itertools.count(made + 1)
    time = Time(
        now=made / 1e9 + 3_600, between=lambda _: os.utime(lock, ns=(next(times), next(times)))
    )
    with pytest.raises(LockTimeout):
        ensure_manifest(str(tmp_path), REALM, clock=time.clock)
    assert lock.exists()


@pytest.mark.parametrize("age", [-3600.0, 3600.0])
def test_what_is_no_lock_is_not_waited_for_without_an_end(tmp_path: Path, age: float) -> None:
    """W15: a folder at the lock's name, however old, is given up after the deadline; nothing spins."""
    lock = tmp_path / ".realm_manifest.lock"
    lock.mkdir()
    time = Time(now=lock.stat().st_mtime + age)
    with pytest.raises(LockTimeout):
        ensure_manifest(str(tmp_path), REALM, clock=time.clock)
    assert len(time.slept) <= 5.0 / manifestlock.RETRY_SECONDS + 1
    assert lock.is_dir()


def test_a_fresh_lock_that_came_in_the_place_of_a_stale_one_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W5: a lock that another has taken over between our look and our hand is its own, and stays."""
    lock = tmp_path / ".realm_manifest.lock"
    lock.touch()
    rename = os.rename
    fresh: list[int] = []

    def late(source: str, target: str) -> None:
        if not fresh:
            lock.unlink()
            (tmp_path / "spare").touch()
            lock.write_text("theirs")
            fresh.append(lock.stat().st_ino)
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    time = Time(now=lock.stat().st_mtime + 31)
    theirs = time.clock.replace(time_seconds=lambda: lock.stat().st_mtime + (0 if fresh else 31))
    with pytest.raises(LockTimeout):
        ensure_manifest(str(tmp_path), REALM, clock=theirs)
    assert (lock.stat().st_ino, lock.read_text()) == (fresh[0], "theirs")


def test_a_stranger_s_lock_is_not_given_back(tmp_path: Path) -> None:
    """W6: whoever was taken over leaves the new holder's lock alone, and writes nothing."""
    lock = tmp_path / ".realm_manifest.lock"
    with manifestlock.manifest_lock(str(tmp_path)) as is_held:
        assert is_held()
        lock.rename(tmp_path / "aside")
        lock.write_text("theirs")
        assert not is_held()
    assert lock.read_text() == "theirs"


def test_threads_that_make_one_at_once_make_one(tmp_path: Path) -> None:
    """Within a process too, one makes it and all get it."""
    start = threading.Barrier(8)
    found: list[Manifest] = []

    def make() -> None:
        start.wait(30)
        found.append(ensure_manifest(str(tmp_path), REALM))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    assert len({one.created_at for one in found}) == 1
    assert abs(int(found[0].created_at) - time.time()) < 3600


# --- what readers of a configuration are told ---------------------------------------------------


@pytest.mark.parametrize(
    ("content", "backend", "sessions"),
    [
        (None, None, "sessions_redb_path"),
        ("broken", None, "sessions_redb_path"),
        ({"manifest_format": 9}, None, "sessions_redb_path"),
        (OLD, "redb", "sessions_redb_path"),
        ({**OLD, "backend": "jsonl"}, "jsonl", "sessions_redb_path"),
        ({**OLD, "backend": "sqlite"}, "sqlite", "sessions_sqlite_path"),
        ({**OLD, "backend": "jsonl", "manifest_format": 2}, "jsonl", "sessions_sqlite_path"),
        (NEW, "external:bigquery", "sessions_sqlite_path"),
    ],
)
def test_a_folder_tells_its_backend_and_its_paths(
    tmp_path: Path, content: Any, backend: str | None, sessions: str
) -> None:
    """The backend is the manifest's, null without a usable one, which hinders no reader; the paths are Meerkat's."""
    if content is not None:
        put(tmp_path, content)
    found = meerkat.realm_metadata(str(tmp_path), meerkat.explicit_realm(REALM))
    assert (found.realm_id, found.instance_id, found.backend) == (REALM, None, backend)
    assert found.resolved_paths is not None
    names = {
        "sessions_redb_path": "sessions.redb",
        "sessions_sqlite_path": "sessions.sqlite3",
    }
    assert found.resolved_paths.to_dict() == {
        "root": str(tmp_path),
        "manifest_path": str(tmp_path / "realm_manifest.json"),
        "config_path": str(tmp_path / "config.toml"),
        sessions: str(tmp_path / names[sessions]),
        "sessions_jsonl_dir": str(tmp_path / "sessions_jsonl"),
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({**OLD, "manifest_format": 9}, "format 9"),
        ({"realm_id": REALM}, "is no manifest of a realm"),
        ({**OLD, "realm_id": "another"}, "is that of realm another"),
        (OLD, ""),
        (None, ""),
    ],
)
def test_a_doctor_explains_a_manifest(tmp_path: Path, content: Any, told: str) -> None:
    """What keeps a manifest from being understood is told, with what to do; the configuration is read all the same."""
    folder = tmp_path / "realms" / REALM
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("max_tokens = 7\n")
    if content is not None:
        put(folder, content)
    url = f"meerkat://{tmp_path}/realms?global={tmp_path}/user"
    with connect(url, read_only=True) as client:
        assert client.realm(REALM).get().document == {"max_tokens": 7}
        store: Any = client.store
        found = [one for one in store.examine() if "manifest" in one.text]
    assert [told in one.text for one in found] == [True] * bool(told)
    assert all(one.advice for one in found)


def test_an_envelope_of_a_store_of_meerkats_is_the_originals(tmp_path: Path) -> None:
    """Over ``meerkat://`` the backend is the realm's own, the instance the reader's, and the paths are the realm's."""
    folder = tmp_path / "realms" / REALM
    url = f"meerkat://{tmp_path}/realms?global={tmp_path}/user"
    with connect(url, instance_id="server-1") as client:
        realm = client.realm(REALM)
        realm.set({"agent": {"model": "m"}})
        assert realm.envelope().to_dict() | {"config": None} == {
            "config": None,
            "generation": 1,
            "realm_id": REALM,
            "instance_id": "server-1",
            "backend": None,
            "view": "own",
        }
        put(folder, OLD)
        told = realm.envelope(policy=EnvelopePolicy.DIAGNOSTIC).to_dict()
        assert told["backend"] == "redb"
        assert told["resolved_paths"]["manifest_path"] == str(folder / "realm_manifest.json")
        assert told["resolved_paths"]["sessions_redb_path"] == str(folder / "sessions.redb")
