"""
Witnesses of a lost history: what else under a root remembers how far it had come.

The database is the record.  If it, or its log, is gone, the log, the counter file or the first line of a
working copy still shows that generations existed.  Then nothing is started afresh: a number used twice would
break every precondition ever given out.
"""

from __future__ import annotations

import os

from realmconf.errors import HistoryMissing, StoreCorrupt
from realmconf.stores.embedded.counters import COMMITS_WORD, Counters
from realmconf.stores.embedded.layout import WORKING_COPY, Layout

HEADER = b"# realmconf: "
_HEADER_BYTES = 256


def header_of(path: str) -> tuple[str, int] | None:
    """The realm and generation that the first line of the working copy at *path* names, if it is one of ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        start = os.read(descriptor, _HEADER_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    line = start.split(b"\n", 1)[0].strip()
    if not line.startswith(HEADER):
        return None
    realm, separator, number = (
        line[len(HEADER) :].decode("ascii", "replace").partition(", generation ")
    )
    if not separator or not number.isdigit() or len(number) > 16:
        return None
    return realm, int(number)


def generations_named(layout: Layout) -> dict[str, int]:
    """Realm -> generation, as the working copies under the root name them (only in the realm's own folder)."""
    named = {}
    for folder in layout.realm_folders():
        header = header_of(os.path.join(layout.root, folder, WORKING_COPY))
        if header is not None and header[0] == folder:
            named[folder] = header[1]
    return named


def refuse_fresh_start(layout: Layout) -> None:
    """
    The database is missing: make sure that there never was one.

    Raises:
        HistoryMissing: Something remembers it.
    """
    remembered = _what_remembers(layout)
    # Another process may be making the store at this moment: its database is there before anything else.
    if remembered is not None and not os.path.lexists(layout.database):
        raise HistoryMissing(remembered)


def _what_remembers(layout: Layout) -> str | None:
    log = f"{layout.database}-wal"
    if os.path.lexists(log):
        return f"{layout.database} is missing but its log is there: put the database back, or restore a backup"
    if os.path.lexists(layout.counters):
        return f"{layout.database} is missing but the counters show that it existed: put it back, or restore a backup"
    named = generations_named(layout)
    if not named:
        return None
    realm, generation = max(named.items(), key=lambda item: item[1])
    return (
        f"{layout.root} has working copies (realm {realm} at generation {generation}) but no record of their "
        "history: in a fresh clone run `realmconf init`, else restore a backup"
    )


EVERY_REALM = "*"
"""In ``what_is_known``: a generation that no realm can have passed."""


def what_is_known(layout: Layout) -> dict[str, int]:
    """
    How far the lost history may have come, by realm and for every realm, for a deliberate new start above it.

    No realm has more generations than the store had commits.
    """
    known: dict[str, int] = dict(generations_named(layout))
    known[EVERY_REALM] = _commits_counted(layout.counters)
    return known


def _commits_counted(path: str) -> int:
    if not os.path.lexists(path):
        return 0
    try:
        counters = Counters(path)
    except (OSError, StoreCorrupt):
        return 0
    try:
        return counters.words[COMMITS_WORD]
    finally:
        counters.close()


def set_aside(layout: Layout) -> None:
    """Rename what is left of a lost store: it is not taken for the new one, and a person can still look at it."""
    number = 1
    paths = (layout.database, f"{layout.database}-wal", f"{layout.database}-shm", layout.counters)
    while any(os.path.lexists(f"{path}.lost-{number}") for path in paths):
        number += 1
    for path in paths:
        if os.path.lexists(path):
            os.rename(path, f"{path}.lost-{number}")
