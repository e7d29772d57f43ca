"""The system calls: leases, exchanges, safe opening, and what is done where a system lacks them."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from tests.workingcopy.editors import STYLES, SlowEditor
from tests.workingcopy.interposed import InterposedFiles
from tests.workingcopy.test_interleavings import (
    calls_of_one_rendering,
    check,
    die_twice,
    keep_descriptor,
    run_with_edit,
    save_slowly,
)

from realmconf.stores import renaming
from realmconf.stores.embedded import files as module
from realmconf.stores.embedded.files import (
    LEASE_BUSY,
    LEASE_FREE,
    LEASE_UNKNOWN,
    Files,
    objection,
)
from realmconf.stores.renaming import ExchangeUnsupportedError

FILES = Files()


@pytest.fixture
def folder(tmp_path):
    descriptor = FILES.open_folder(str(tmp_path))
    yield descriptor
    os.close(descriptor)


def made(folder: int, name: str, content: bytes = b"") -> None:
    descriptor = FILES.create(folder, name)
    FILES.rewrite(descriptor, content)
    os.close(descriptor)


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR], ids=["write", "both"])
def test_lease_tells_of_writers(folder, tmp_path, flags: int):
    """A lease against writers is refused while somebody has the file open for writing, and only then."""
    made(folder, "a")
    descriptor = FILES.open_read(folder, "a")
    other = os.open(tmp_path / "a", flags)
    assert FILES.lease_against_writers(descriptor) == LEASE_BUSY
    os.close(other)
    reader = os.open(tmp_path / "a", os.O_RDONLY)
    assert FILES.lease_against_writers(descriptor) == LEASE_FREE
    assert FILES.lease_holds(descriptor)
    os.close(reader)
    os.close(descriptor)


def test_lease_against_all_tells_of_readers(folder, tmp_path):
    """A lease against everybody is refused while anybody else has the file open."""
    made(folder, "a")
    descriptor = FILES.open_write(folder, "a")
    reader = os.open(tmp_path / "a", os.O_RDONLY)
    assert FILES.lease_against_all(descriptor) == LEASE_BUSY
    os.close(reader)
    assert FILES.lease_against_all(descriptor) == LEASE_FREE
    os.close(descriptor)


def test_broken_lease_is_noticed_and_harmless(folder, tmp_path):
    """Who opens a leased file breaks the lease; its holder sees that, gets no deadly signal, and lets them in."""
    made(folder, "a")
    descriptor = FILES.open_read(folder, "a")
    assert FILES.lease_against_writers(descriptor) == LEASE_FREE
    opened: list[int] = []
    thread = threading.Thread(target=lambda: opened.append(os.open(tmp_path / "a", os.O_WRONLY)))
    thread.start()
    while FILES.lease_holds(descriptor):
        thread.join(0.001)
    assert not opened
    FILES.lease_end(descriptor)
    thread.join(10)
    os.close(opened[0])
    os.close(descriptor)


@pytest.mark.parametrize(
    ("number", "answer"),
    [(errno.EAGAIN, LEASE_BUSY), (errno.EINVAL, LEASE_UNKNOWN), (errno.EACCES, LEASE_UNKNOWN)],
)
def test_system_without_leases(folder, monkeypatch, number: int, answer: str):
    """A file system without leases is told from a file that is in use."""
    import fcntl

    def refuse(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(number, os.strerror(number))
        return 0

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    made(folder, "a")
    descriptor = FILES.open_read(folder, "a")
    assert FILES.lease_against_writers(descriptor) == answer
    os.close(descriptor)


def test_exchange_changes_two_names(folder, tmp_path):
    """Two names change places in one step; a missing one is an error and changes nothing."""
    made(folder, "a", b"of a")
    made(folder, "b", b"of b")
    FILES.exchange(folder, "a", folder, "b")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"of b", b"of a")
    with pytest.raises(FileNotFoundError):
        FILES.exchange(folder, "a", folder, "missing")
    assert (tmp_path / "a").read_bytes() == b"of b"


@pytest.mark.parametrize("exchange", [True, False], ids=["renameat2", "link"])
def test_move_takes_no_name_that_is_taken(folder, tmp_path, monkeypatch, exchange: bool):
    """A file is never moved over another one."""
    if not exchange:
        monkeypatch.setattr(renaming, "_found", [None])
    made(folder, "a", b"of a")
    made(folder, "b", b"of b")
    with pytest.raises(FileExistsError):
        FILES.move(folder, "a", folder, "b")
    FILES.move(folder, "a", folder, "c")
    assert sorted(os.listdir(tmp_path)) == ["b", "c"]
    assert (tmp_path / "c").read_bytes() == b"of a"


def test_system_without_exchange_is_declared(folder, monkeypatch):
    """Where names cannot be exchanged that is said, and ``StoreInfo`` declares the weaker form."""
    assert module.strength() == "exchange"
    monkeypatch.setattr(renaming, "_found", [None])
    made(folder, "a")
    made(folder, "b")
    with pytest.raises(ExchangeUnsupportedError):
        FILES.exchange(folder, "a", folder, "b")
    assert module.strength() == "replace"


def test_rewrite_leaves_nothing_of_the_old_text(folder):
    """A shorter text does not end with the rest of a longer one."""
    descriptor = FILES.create(folder, "a")
    for content in (b"long" * 5_000, b"short", b"", b"longer again" * 1_000):
        FILES.rewrite(descriptor, content)
        assert FILES.read(descriptor, 1 << 20) == content
    assert FILES.read(descriptor, 5) == b"longe"
    os.close(descriptor)


def test_symlinks_are_never_followed(folder, tmp_path):
    """Neither a file nor a folder is opened through a symlink, and a new file never replaces one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    os.symlink(tmp_path / "real", tmp_path / "folder")
    os.symlink(tmp_path / "real" / "file", tmp_path / "file")
    for attempt in (
        lambda: FILES.open_read(folder, "file"),
        lambda: FILES.open_write(folder, "file"),
        lambda: FILES.create(folder, "file"),
        lambda: FILES.open_folder("folder", inside=folder),
        lambda: FILES.digest_path(str(tmp_path / "file")),
    ):
        with pytest.raises(OSError):
            attempt()
    assert objection(os.lstat(tmp_path / "file")) == "is a symbolic link"


def test_attacker_who_swaps_symlinks_reads_nothing(folder, tmp_path):
    """Whoever swaps a file for a symlink as fast as they can never gets the file behind it read."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    made(folder, "b", b"mine")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.symlink(secret, tmp_path / "link")
            os.rename(tmp_path / "link", tmp_path / "a")
            made(folder, "c", b"mine")
            os.rename(tmp_path / "c", tmp_path / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    read = refused = 0
    try:
        while read < 300 or refused < 30:
            try:
                descriptor = FILES.open_read(folder, "a")
            except OSError:
                refused += 1
                continue
            assert FILES.read(descriptor, 100) == b"mine"
            os.close(descriptor)
            read += 1
    finally:
        stop.set()
        thread.join()


# --- the protocol with less ------------------------------------------------------------------


class WithoutExchange(InterposedFiles):
    """A file system that cannot exchange two names."""

    def exchange(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        raise ExchangeUnsupportedError


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> list[str]:
    return calls_of_one_rendering(tmp_path_factory.mktemp("calls"), files=WithoutExchange)


@pytest.mark.parametrize("name", STYLES)
def test_edit_at_every_call_without_exchange(tmp_path, calls, name: str):
    """Without the exchange only a save by renaming, in one single gap, can be lost; nothing else can."""
    for at in range(len(calls) + 1):
        if at != calls.index("replace") or name in {"in_place", "over_the_old_text"}:
            host = run_with_edit(tmp_path / str(at), at, STYLES[name], files=WithoutExchange)
            check(host, mergeable=True)


def test_slow_kept_and_dead_without_exchange(tmp_path, calls):
    """Slow saves, kept descriptors and deaths are as harmless as with it."""
    for at in range(0, len(calls), 2):
        save_slowly(tmp_path / f"slow-{at}", at, files=WithoutExchange)
        keep_descriptor(tmp_path / f"kept-{at}", at, writable=False, files=WithoutExchange)
        die_twice(tmp_path / f"dead-{at}", at, calls.index("replace"), files=WithoutExchange)


def test_gap_without_exchange_is_real(tmp_path, calls):
    """What is declared as weaker is weaker: a save by renaming in the gap is lost."""
    host = run_with_edit(
        tmp_path / "gap",
        calls.index("replace"),
        STYLES["temporary_and_rename"],
        files=WithoutExchange,
    )
    with pytest.raises(AssertionError):
        check(host, mergeable=True)


def test_slow_editor_really_writes_half(tmp_path):
    """The half that a slow editor has written is a document of its own: the trap is armed."""
    import tomllib

    path = tmp_path / "a"
    path.write_text("")
    editor = SlowEditor(str(path), "a = 1\nb = 1\nc = 1\nd = 1\n")
    editor.begin()
    half = tomllib.loads(path.read_text())
    editor.finish()
    assert half
    assert len(half) < 4
