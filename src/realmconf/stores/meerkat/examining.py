"""
What is wrong or weak about a root of Meerkat's, seen from outside.

Decides what is worth telling; takes no lock and changes nothing.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from realmconf.domain.diff import leaves
from realmconf.domain.secrets import Secrecy
from realmconf.domain.toml import TEXT_BYTES_PER_DOCUMENT_BYTE, parse_toml
from realmconf.errors import (
    InvalidDocument,
    LimitExceeded,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.meerkat.manifest import MANIFEST, read_manifest
from realmconf.stores.meerkat import files, lockfile, moving, sidecar
from realmconf.stores.meerkat.files import is_left_lock
from realmconf.stores.meerkat.layout import CONFIG, STATE
from realmconf.stores.meerkat.look import STATE_BYTES_MAX, look
from realmconf.stores.meerkat.settling import state_of
from realmconf.stores.meerkat.sidecar import Damaged
from realmconf.stores.protocol import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.stores.meerkat.journal import Journal
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Timing

NOTE, WARNING, PROBLEM = "note", "warning", "problem"

_TEMPORARY = (f".{CONFIG.partition('.')[0]}.tmp.", ".config_state.tmp.", ".realm_manifest.tmp.")


def examine(
    layout: Layout, journal: Journal, *, limits: Limits, timing: Timing
) -> Iterator[Trouble]:
    """Everything about the files of the root's realms."""
    for realm in layout.realms():
        folder = layout.folder(realm)
        yield from _lock(layout.lock(realm), realm, timing)
        yield from _number(layout.state(realm), realm, known=journal.newest(realm) is not None)
        yield from _text(layout.config(realm), realm, limits)
        yield from _leftovers(folder, realm)
        yield from _manifest(folder, realm)
        yield from _elsewhere(layout, realm)
    for realm in journal.realms():
        yield from _moved(layout, journal, realm, limits=limits, timing=timing)


def _moved(
    layout: Layout, journal: Journal, realm: RealmName, *, limits: Limits, timing: Timing
) -> Iterator[Trouble]:
    """What other programs, who cannot be told, have written for a realm that lives in another store."""
    known = journal.newest(realm)
    if known is None or known.moved_to is None:
        return
    subject, path = f"realm {realm}", layout.config(realm)
    try:
        seen = look(
            layout,
            realm,
            digest=journal.digest,
            timing=timing,
            bytes_max=TEXT_BYTES_PER_DOCUMENT_BYTE * limits.document_bytes,
        )
    except (StoreUnavailable, StoreCorrupt):
        # It is told of above.
        return
    if not moving.is_strange(journal, seen, known):
        yield Trouble(
            level=NOTE,
            subject=subject,
            text=f"it lives in {known.moved_to}; {path} is as it left it, and other programs still read that",
        )
        return
    _, number = state_of(seen, "")
    at = "" if number is None else f", up to generation {number}"
    yield Trouble(
        level=PROBLEM,
        subject=subject,
        text=f"another program has written {path}{at}, although the realm lives in {known.moved_to}: "
        "nobody takes that in",
        advice="write what is to count where the realm lives, keep the program from writing here, "
        f"then remove {path} and {layout.state(realm)}",
    )


def _lock(path: str, realm: RealmName, timing: Timing) -> Iterator[Trouble]:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    subject = f"realm {realm}"
    if not stat.S_ISREG(found.st_mode):
        yield Trouble(
            level=PROBLEM,
            subject=subject,
            text=f"{path} is no file: nobody can take this lock, and some wait for it without end",
            advice=f"look at it, then remove it: {path}",
        )
        return
    age_seconds = time.time() - found.st_mtime
    holder = lockfile.holder_of(path)
    who = "another program"
    if holder is not None and holder.is_ours:
        who = f"process {holder.process} of realmconf on {holder.host}"
    if age_seconds < -files.LEFT_SECONDS:
        yield Trouble(
            level=WARNING,
            subject=subject,
            text=f"the lock of {who} has a time in the future: other programs never take it for abandoned, "
            f"realmconf when it has watched it for {timing.stale_seconds:g} s",
            advice=f"if nobody is at work there: rm {path}",
        )
    elif age_seconds > timing.stale_seconds:
        yield Trouble(
            level=NOTE,
            subject=subject,
            text=f"{who} left its lock behind, {age_seconds:,.0f} s ago: the next write takes it over",
            advice=f"nothing; or, to spare readers the wait: rm {path}",
        )
    else:
        yield Trouble(level=NOTE, subject=subject, text=f"{who} is at work there now")


def _number(path: str, realm: RealmName, *, known: bool) -> Iterator[Trouble]:
    subject = f"realm {realm}"
    try:
        raw = files.read(path, bytes_max=STATE_BYTES_MAX)
        stated = None if raw is None else sidecar.parse(raw)
    except (OSError, StoreCorrupt) as error:
        yield Trouble(
            level=PROBLEM,
            subject=subject,
            text=f"{path} cannot be used: {getattr(error, 'strerror', None) or error}",
            advice="mend the file, or what keeps it from being read",
        )
        return
    if isinstance(stated, Damaged):
        yield Trouble(
            level=NOTE if known else PROBLEM,
            subject=subject,
            text=f"{path} says no generation: other programs cannot read this realm at all",
            advice="any read by realmconf mends it: the number is known"
            if known
            else 'write the last generation that anybody saw into it, as {"generation": N}',
        )


def _text(path: str, realm: RealmName, limits: Limits) -> Iterator[Trouble]:
    subject = f"realm {realm}"
    try:
        text = files.read(path, bytes_max=TEXT_BYTES_PER_DOCUMENT_BYTE * limits.document_bytes)
        if text is None:
            return
        document = parse_toml(text, limits=limits).document
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        yield Trouble(
            level=PROBLEM,
            subject=subject,
            text=f"{path} cannot be read: {error.strerror}",
            advice="give the file back to who uses it",
        )
        return
    except (InvalidDocument, LimitExceeded) as error:
        yield Trouble(
            level=PROBLEM,
            subject=subject,
            text=f"{path} is no document: {_place(error)}",
            advice="mend it, or settle it with realmconf resolve: until then nothing is written, and the last good "
            "configuration is in force, where there was one",
        )
        return
    if mode & 0o077 and _has_secrets(realm, document):
        yield Trouble(
            level=WARNING,
            subject=subject,
            text=f"others may read {path}, and there are secrets in it",
            advice=f"chmod 600 {path}",
        )


def _place(error: InvalidDocument | LimitExceeded) -> str:
    """What is wrong with a text, and in which line."""
    if isinstance(error, LimitExceeded):
        return str(error)
    return error.reason if error.line is None else f"line {error.line}: {error.reason}"


def _has_secrets(realm: RealmName, document: Document) -> bool:
    secrecy = Secrecy(realm=realm)
    return any(secrecy.conceals(value, pointer) for pointer, value in leaves(document))


def _leftovers(folder: str, realm: RealmName) -> Iterator[Trouble]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        is_temporary = name.startswith(_TEMPORARY) or is_left_lock(name)
        try:
            age_seconds = time.time() - os.lstat(path).st_mtime
        except OSError:
            continue
        if is_temporary and age_seconds > files.LEFT_SECONDS:
            yield Trouble(
                level=WARNING,
                subject=f"realm {realm}",
                text=f"{path} was left behind by a write that failed; it may hold secrets",
                advice=f"rm {path}",
            )


def _manifest(folder: str, realm: RealmName) -> Iterator[Trouble]:
    """What keeps the manifest from telling the backend: configuration is read and written without it."""
    try:
        found = read_manifest(folder, patience_seconds=0)
    except StoreError as error:
        yield Trouble(
            level=WARNING,
            subject=f"realm {realm}",
            text=f"{error}; configuration goes on without it, and answers tell no backend",
            advice="open the realm with the release of Meerkat that wrote it"
            if isinstance(error, StoreTooNew)
            else f"look at {os.path.join(folder, MANIFEST)}: sessions need it",
        )
        return
    if found is not None and found.realm_id != realm:
        yield Trouble(
            level=WARNING,
            subject=f"realm {realm}",
            text=f"the manifest in {folder} is that of realm {found.realm_id}",
            advice="give the folder the name of its realm",
        )


def _elsewhere(layout: Layout, realm: RealmName) -> Iterator[Trouble]:
    """The same realm below the user's own root: programs may disagree about which one they mean."""
    users = _users_root()
    other = os.path.join(users, realm)
    if os.path.realpath(users) == os.path.realpath(layout.root) or not (
        os.path.exists(os.path.join(other, CONFIG)) or os.path.exists(os.path.join(other, STATE))
    ):
        return
    if os.path.realpath(other) == os.path.realpath(layout.folder(realm)):
        return
    yield Trouble(
        level=WARNING,
        subject=f"realm {realm}",
        text=f"there is another realm of this name in {other}: a split brain, which Meerkat refuses to choose in",
        advice="decide which one counts, and move the other away",
    )


def _users_root() -> str:
    """Where Meerkat keeps a user's realms on this platform."""
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    elif sys.platform == "win32":
        base = os.environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
    else:
        base = os.environ.get("XDG_DATA_HOME") or ""
        if not os.path.isabs(base):
            base = os.path.join(home, ".local", "share")
    return os.path.join(base, "meerkat", "realms")
