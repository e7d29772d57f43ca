"""
What the folder of a realm tells the readers of its configuration: its backend, and where its files are.

Decides the names of the paths, which differ between Meerkat's releases; reads nothing but the manifest.
"""

from __future__ import annotations

import os

from realmconf.domain.metadata import ConfigResolvedPaths, ConfigStoreMetadata
from realmconf.errors import StoreError
from realmconf.meerkat.manifest import MANIFEST, read_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.meerkat.manifest import Manifest


def realm_metadata(folder: str, realm: RealmName) -> ConfigStoreMetadata:
    """
    What the original tells of *realm* in *folder*: its backend, None without a usable manifest, and its paths.

    Configuration does not depend on a manifest, so that a damaged one hinders no reader here; ``doctor`` tells of it.
    """
    try:
        found = read_manifest(folder, patience_seconds=0)
    except StoreError:
        found = None
    return ConfigStoreMetadata(
        realm_id=realm,
        backend=None if found is None else found.backend,
        resolved_paths=realm_paths(folder, found),
    )


def realm_paths(folder: str, manifest: Manifest | None) -> ConfigResolvedPaths:
    """Where the files of the realm in *folder* are, as the release that made it names them."""
    is_of_later = manifest is not None and (
        manifest.manifest_format > 1 or manifest.backend not in ("redb", "jsonl")
    )
    # A realm in jsonl says not which release made it: v0.4 named the file of its other backend all the same.
    return ConfigResolvedPaths(
        root=folder,
        manifest_path=os.path.join(folder, MANIFEST),
        config_path=os.path.join(folder, "config.toml"),
        sessions_redb_path=None if is_of_later else os.path.join(folder, "sessions.redb"),
        sessions_sqlite_path=os.path.join(folder, "sessions.sqlite3") if is_of_later else None,
        sessions_jsonl_dir=os.path.join(folder, "sessions_jsonl"),
    )
