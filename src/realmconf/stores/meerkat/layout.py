"""
Where a realm's files are below a root of Meerkat's, and which folders are realms.

Decides paths alone; opens nothing.
"""

from __future__ import annotations

import os

from realmconf.domain.names import GLOBAL, RealmName, is_system
from realmconf.errors import InvalidArgument, InvalidRealm

RECORDS = ".realmconf-records"
"""What realmconf keeps below the root: a folder without a manifest, which Meerkat leaves alone."""

CONFIG = "config.toml"
STATE = "config_state.json"
LOCK = "config_state.lock"
MANIFEST = "realm_manifest.json"


class Layout:
    """The paths of one root; ``global`` has its files in a folder of its own, the user's ``~/.rkat`` as a rule."""

    def __init__(self, root: str, *, global_folder: str) -> None:
        self.root = root
        self.records = os.path.join(root, RECORDS)
        self.journal = os.path.join(self.records, "journal.db")
        self._global_folder = global_folder

    def folder(self, realm: RealmName) -> str:
        """Where the realm's files are; what realmconf keeps for itself is out of Meerkat's sight."""
        if realm == GLOBAL:
            return self._global_folder
        return os.path.join(self.records if is_system(realm) else self.root, realm)

    def config(self, realm: RealmName) -> str:
        """The document."""
        return os.path.join(self.folder(realm), CONFIG)

    def state(self, realm: RealmName) -> str:
        """The generation."""
        return os.path.join(self.folder(realm), STATE)

    def lock(self, realm: RealmName) -> str:
        """What says that somebody is at work."""
        return os.path.join(self.folder(realm), LOCK)

    def realms(self) -> list[RealmName]:
        """Every folder that has a realm's name and one of its two files, ``global`` included."""
        found = [GLOBAL] if self._has_files(GLOBAL) else []
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            return found
        for name in sorted(names):
            try:
                realm = RealmName(name)
            except InvalidRealm:
                continue
            if realm != GLOBAL and self._has_files(realm):
                found.append(realm)
        return found

    def _has_files(self, realm: RealmName) -> bool:
        return os.path.lexists(self.config(realm)) or os.path.lexists(self.state(realm))


def global_folder(given: str | None) -> str:
    """
    The folder of ``global``: *given* (a folder, or its ``config.toml``), else ``~/.rkat``.

    Raises:
        InvalidArgument: *given* is no absolute path.
    """
    if given is None:
        return os.path.join(os.path.expanduser("~"), ".rkat")
    if not os.path.isabs(given):
        raise InvalidArgument("the option global of meerkat:// is an absolute path")
    return os.path.dirname(given) if given.endswith(".toml") else given
