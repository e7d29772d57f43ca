"""
What is told of a configuration besides itself: which store it comes from, and where that keeps it.

Decides the names of these fields, which are Meerkat's; where a path leads, and who is shown it, is for others to say.
"""

from __future__ import annotations

from realmconf.domain.record import Record


class ConfigResolvedPaths(Record):
    """Where a realm lives on this machine; what its store has not is None."""

    root: str
    manifest_path: str | None = None
    """Meerkat's: which backend the realm's sessions are in."""
    config_path: str | None = None
    sessions_redb_path: str | None = None
    """Meerkat 0.4's sessions."""
    sessions_sqlite_path: str | None = None
    """Meerkat's sessions since 0.4.7."""
    sessions_jsonl_dir: str | None = None
    database_path: str | None = None
    """The record of the embedded store."""

    def to_dict(self) -> dict[str, str]:
        """The paths that there are."""
        named = {name: getattr(self, name) for name in self.__fields__}
        return {name: path for name, path in named.items() if path is not None}


class ConfigStoreMetadata(Record):
    """
    Which store a snapshot comes from.

    ``instance_id`` is the reading process's own (a server's, where one answers), not a writer's: who made a generation
    is in its revision, as author and surface.
    """

    realm_id: str | None = None
    """Of a snapshot's metadata never None; of a tag for a store, None for every realm."""
    instance_id: str | None = None
    backend: str | None = None
    """The store's name; of a realm of Meerkat's what its manifest says, which is None where it has none."""
    resolved_paths: ConfigResolvedPaths | None = None
