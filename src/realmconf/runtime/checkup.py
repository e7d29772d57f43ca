"""
What is wrong or weak about a store on this machine, seen from outside, and what to do about it.

Decides what is worth telling.  Changes nothing, takes no lock, and only looks at names, sizes and modes of the
database's own files: opening one would drop the locks of this process.
"""

from __future__ import annotations

import os
import stat

from realmconf.domain.diff import leaves
from realmconf.domain.guess import guesses_secret
from realmconf.domain.pointer import ROOT
from realmconf.domain.record import Record
from realmconf.domain.withheld import Withheld
from realmconf.errors import RealmconfError, RealmMoved, SecretWithheld
from realmconf.runtime.project import RECORD_FOLDER, WORKING_COPY
from realmconf.runtime.results import document_of
from realmconf.stores.protocol import examinable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.domain.document import Value
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.secrets import Secrecy
    from realmconf.runtime.client import Client

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"

LOG_BYTES_MAX = 64 * 1_048_576
FREE_BYTES_MIN = 64 * 1_048_576
SQLITE_OLDEST = (3, 51, 3)
"""The first release in which resetting the log cannot corrupt the database while another process writes."""
LEFTOVERS = (".lost", ".new", ".tmp")
"""How files end that nothing of ours leaves behind when it goes well."""


class Finding(Record):
    """One thing that was looked at."""

    level: str
    """ok | note | warning | problem"""
    subject: str
    text: str
    advice: str = ""


def examine_folder(root: str) -> Iterator[Finding]:
    """The folder of an embedded store: file system, modes, log, leftovers, who holds the turn."""
    folder = os.path.join(root, RECORD_FOLDER)
    yield _sqlite()
    if not os.path.isdir(folder):
        yield _without_record(root)
        return
    yield from _space(root)
    modes = list(_modes(folder))
    yield from modes or [
        Finding(level=OK, subject="modes", text="the record is private to this user")
    ]
    yield _log(folder)
    yield from _leftovers(root, folder)
    yield from _holders(folder)


def examine_realms(client: Client) -> Iterator[Finding]:
    """What the store promises, and for each realm its history, its working copy and literals that look secret."""
    info = client.info
    if not info.durable:
        yield Finding(
            level=WARNING,
            subject="store",
            text=f"the store {info.name} is not durable",
            advice="use a folder or a server store for what must survive",
        )
    if info.watch == "poll":
        yield Finding(
            level=NOTE,
            subject="watch",
            text="the kernel tells of no changes here, so watchers poll",
        )
    # Before any read: that mends what can be mended.
    looked_at = examinable(client.store)
    for trouble in () if looked_at is None else looked_at.examine():
        yield Finding(
            level=trouble.level, subject=trouble.subject, text=trouble.text, advice=trouble.advice
        )
    for entry in client.realms():
        realm = client.realm(entry.realm)
        yield _history(realm)
        try:
            yield from _secrets(realm, client.lineages.secrecy(entry.realm))
            yield from _working_copy(realm)
        except RealmMoved as moved:
            yield Finding(
                level=NOTE,
                subject=f"realm {entry.realm}",
                text=str(moved),
                advice="ask the store that it lives in about the rest",
            )


# --- the folder -----------------------------------------------------------------------


def _without_record(root: str) -> Finding:
    copies = (os.path.join(root, name, WORKING_COPY) for name in os.listdir(root))
    if not any(map(os.path.isfile, copies)):
        return Finding(level=NOTE, subject="store", text=f"nothing was ever written in {root}")
    return Finding(
        level=NOTE,
        subject="store",
        text=f"{root} has working copies and no record: a fresh clone, or the record was lost",
        advice="in a fresh clone: realmconf init; else bring back the folder .store, or a backup",
    )


def _sqlite() -> Finding:
    import apsw

    version = apsw.sqlite_lib_version()
    numbers = tuple(int(part) for part in version.split("."))
    if numbers < SQLITE_OLDEST:
        oldest = ".".join(map(str, SQLITE_OLDEST))
        return Finding(
            level=PROBLEM,
            subject="sqlite",
            text=f"SQLite {version} can corrupt a database that several processes write",
            advice=f"install an apsw with SQLite {oldest} or later",
        )
    return Finding(level=OK, subject="sqlite", text=f"SQLite {version}")


def _space(root: str) -> Iterator[Finding]:
    space = os.statvfs(root)
    free = space.f_bavail * space.f_frsize
    kind = filesystem(root)
    text = f"{free // 1_048_576:,} MiB are free" + (f" on {kind}" if kind else "")
    if free < FREE_BYTES_MIN:
        yield Finding(
            level=WARNING,
            subject="space",
            text=text,
            advice="make room: writes fail on a full disk",
        )
    else:
        yield Finding(level=OK, subject="space", text=text)


def filesystem(path: str) -> str:
    """The type of the file system that *path* is on; empty where the kernel does not tell."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            lines = table.read().splitlines()
    except OSError:
        return ""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        left, _, right = line.partition(" - ")
        if left.split(" ")[2] == wanted:
            return right.split(" ")[0]
    return ""


def _modes(folder: str) -> Iterator[Finding]:
    for path in [folder, *(os.path.join(folder, name) for name in sorted(os.listdir(folder)))]:
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        if found.st_uid != os.getuid():
            yield Finding(
                level=WARNING,
                subject="modes",
                text=f"{path} belongs to another user",
                advice=f"chown it, or run as user {found.st_uid}",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            wanted = "700" if stat.S_ISDIR(found.st_mode) else "600"
            yield Finding(
                level=WARNING,
                subject="modes",
                text=f"others may read or write {path}",
                advice=f"chmod {wanted} {path}",
            )


def _log(folder: str) -> Finding:
    try:
        size = os.stat(os.path.join(folder, "realmconf.db-wal")).st_size
    except FileNotFoundError:
        size = 0
    text = f"the write-ahead log has {size / 1_048_576:.1f} MiB"
    if size > LOG_BYTES_MAX:
        return Finding(
            level=WARNING,
            subject="log",
            text=text,
            advice="some process reads without end and keeps it from being reused: restart long-running readers",
        )
    return Finding(level=OK, subject="log", text=text)


def _leftovers(root: str, folder: str) -> Iterator[Finding]:
    places = [folder, *(os.path.join(root, name) for name in sorted(os.listdir(root)))]
    for place in places:
        if not os.path.isdir(place) or os.path.islink(place):
            continue
        for name in sorted(os.listdir(place)):
            if name.endswith(LEFTOVERS):
                path = os.path.join(place, name)
                yield Finding(
                    level=NOTE,
                    subject="leftover",
                    text=f"{path} was left behind",
                    advice="look at it, then remove it",
                )


def _holders(folder: str) -> Iterator[Finding]:
    """Processes that hold a lock of the queue while they are stopped."""
    locked = {}
    for name in os.listdir(folder):
        if name.endswith(".lock"):
            found = os.stat(os.path.join(folder, name))
            locked[f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"] = (
                name
            )
    try:
        with open("/proc/locks", encoding="ascii") as table:
            lines = [line.split() for line in table]
    except OSError:
        return
    for words in lines:
        # "1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF"; a waiter has "->" in front.
        if "->" in words or len(words) < 6 or words[5] not in locked:
            continue
        process = words[4]
        if _state_of(process) == "T":
            yield Finding(
                level=PROBLEM,
                subject="turn",
                text=f"process {process} holds the turn to write and is stopped",
                advice=f"let it go on (kill -CONT {process}) or end it (kill -KILL {process}): nothing is lost by that",
            )


def _state_of(process: str) -> str:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


# --- realms ---------------------------------------------------------------------------


def _history(realm: Any) -> Finding:
    subject = f"realm {realm.realm_id}"
    try:
        verified = realm.verify()
    except SecretWithheld:
        return Finding(
            level=NOTE,
            subject=subject,
            text="whether its history is intact cannot be told without its secrets, which are part of what is checked",
            advice="doctor or verify where the store is, or with a token that also has the role secrets",
        )
    except RealmconfError as error:
        return Finding(
            level=PROBLEM,
            subject=subject,
            text=str(error),
            advice="take a backup of what is there, then bring back the last good one with: realmconf restore",
        )
    return Finding(
        level=OK,
        subject=subject,
        text=f"{verified.revisions} revisions up to generation {verified.generation} are intact",
    )


def _secrets(realm: Any, secrecy: Secrecy) -> Iterator[Finding]:
    document = document_of(realm.get().record)
    if document is None:
        return
    named = [
        pointer.dotted
        for pointer, value in leaves(document)
        if type(value) is Withheld or secrecy.conceals(value, pointer)
    ]
    if named:
        yield Finding(
            level=NOTE,
            subject=f"realm {realm.realm_id}",
            text=f"literals that look secret: {', '.join(named)}",
            advice="keep them out of the history with a reference such as secret://env/NAME; "
            "erase old ones with: realmconf purge",
        )
    guessed = [
        f"{pointer.dotted} ({reason})"
        for pointer, text in _texts(document, ROOT)
        if (reason := guesses_secret(text)) and not secrecy.is_secret(pointer)
    ]
    if guessed:
        yield Finding(
            level=WARNING,
            subject=f"realm {realm.realm_id}",
            text=f"values that look secret, at places that are shown to everybody: {', '.join(guessed)}",
            advice="put a reference such as secret://env/NAME there, or give the key the name of a secret; "
            "erase old ones with: realmconf purge",
        )


def _texts(value: Value, at: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Every text in *value* that can be seen, also inside arrays, with its place."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _texts(value[key], at.child(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, at.child(str(index)))
    elif isinstance(value, str) and type(value) is not Withheld:
        yield at, value


def _working_copy(realm: Any) -> Iterator[Finding]:
    from realmconf.errors import Unsupported

    try:
        state = realm.working_copy()
    except Unsupported:
        return
    if state.state in ("contested", "broken", "refused"):
        yield Finding(
            level=WARNING,
            subject=f"realm {realm.realm_id}",
            text=f"the working copy is {state.state}: {state.path}",
            advice=f"realmconf --realm {realm.realm_id} status",
        )
    elif state.kept:
        yield Finding(
            level=NOTE,
            subject=f"realm {realm.realm_id}",
            text=f"set aside: {', '.join(state.kept)}",
            advice=f"realmconf --realm {realm.realm_id} status",
        )
