"""
A glance at a working copy: the digest of its text, if there is nothing unusual about the file.

Enough for a handle that reads once and finds the file as we left it: neither a lock nor a lease is needed to
see one's own words.  Decides nothing else; whoever sees something else looks again with ``workcopy``.
"""

from __future__ import annotations

import os

from realmconf.stores.embedded.files import Files, digest_of, objection
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.workrecord import NO_FOLDER

BYTES_MAX = 262_144
"""A longer text is read by who may have to take it in anyway."""


def glance(files: Files, root: str, realm: str) -> bytes | None:
    """The digest of the realm's file, ``NO_FOLDER``, or None where only a proper look can tell what it means."""
    try:
        folder = files.open_folder(os.path.join(root, realm))
    except FileNotFoundError:
        return NO_FOLDER
    except OSError:
        return None
    try:
        if files.stat_open(folder).st_uid != os.geteuid():
            return None
        return _digest_in(files, folder)
    except OSError:
        return None
    finally:
        files.close(folder)


def _digest_in(files: Files, folder: int) -> bytes | None:
    descriptor = files.open_read(folder, WORKING_COPY)
    try:
        if objection(files.stat_open(descriptor)) is not None:
            return None
        text = files.read(descriptor, BYTES_MAX + 1)
        return digest_of(text) if len(text) <= BYTES_MAX else None
    finally:
        files.close(descriptor)
