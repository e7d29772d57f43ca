"""
Meerkat as realmconf knows it: its configuration, its realms' manifests, where its realms live.

Public names only, each imported when it is first used.  ``Config`` and what belongs to it need pydantic
(``pip install realmconf[pydantic]``); the schema ``SCHEMA`` does not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.meerkat.folder import realm_metadata as realm_metadata
    from realmconf.meerkat.folder import realm_paths as realm_paths
    from realmconf.meerkat.instances import Explicit as Explicit
    from realmconf.meerkat.instances import Isolated as Isolated
    from realmconf.meerkat.instances import Lease as Lease
    from realmconf.meerkat.instances import LeaseFile as LeaseFile
    from realmconf.meerkat.instances import RealmSelection as RealmSelection
    from realmconf.meerkat.instances import WorkspaceDerived as WorkspaceDerived
    from realmconf.meerkat.instances import explicit_realm as explicit_realm
    from realmconf.meerkat.instances import instance_name as instance_name
    from realmconf.meerkat.instances import read_leases as read_leases
    from realmconf.meerkat.instances import sanitised as sanitised
    from realmconf.meerkat.instances import select_realm as select_realm
    from realmconf.meerkat.instances import selection_from_dict as selection_from_dict
    from realmconf.meerkat.manifest import Manifest as Manifest
    from realmconf.meerkat.manifest import ensure_manifest as ensure_manifest
    from realmconf.meerkat.manifest import parse_manifest as parse_manifest
    from realmconf.meerkat.manifest import read_manifest as read_manifest
    from realmconf.meerkat.manifest import write_manifest as write_manifest
    from realmconf.meerkat.roots import Candidates as Candidates
    from realmconf.meerkat.roots import FoundRoot as FoundRoot
    from realmconf.meerkat.roots import candidates as candidates
    from realmconf.meerkat.roots import find_root as find_root
    from realmconf.meerkat.roots import project_root as project_root
    from realmconf.meerkat.roots import single_root as single_root
    from realmconf.meerkat.roots import user_root as user_root
    from realmconf.meerkat.roots import workspace_folder as workspace_folder
    from realmconf.meerkat.schema import OPEN_SCHEMA as OPEN_SCHEMA
    from realmconf.meerkat.schema import SCHEMA as SCHEMA

_HOMES = {
    "Candidates": "realmconf.meerkat.roots",
    "candidates": "realmconf.meerkat.roots",
    "ensure_manifest": "realmconf.meerkat.manifest",
    "Explicit": "realmconf.meerkat.instances",
    "explicit_realm": "realmconf.meerkat.instances",
    "find_root": "realmconf.meerkat.roots",
    "FoundRoot": "realmconf.meerkat.roots",
    "instance_name": "realmconf.meerkat.instances",
    "Isolated": "realmconf.meerkat.instances",
    "Lease": "realmconf.meerkat.instances",
    "LeaseFile": "realmconf.meerkat.instances",
    "Manifest": "realmconf.meerkat.manifest",
    "OPEN_SCHEMA": "realmconf.meerkat.schema",
    "parse_manifest": "realmconf.meerkat.manifest",
    "project_root": "realmconf.meerkat.roots",
    "read_leases": "realmconf.meerkat.instances",
    "read_manifest": "realmconf.meerkat.manifest",
    "realm_metadata": "realmconf.meerkat.folder",
    "realm_paths": "realmconf.meerkat.folder",
    "RealmSelection": "realmconf.meerkat.instances",
    "sanitised": "realmconf.meerkat.instances",
    "SCHEMA": "realmconf.meerkat.schema",
    "select_realm": "realmconf.meerkat.instances",
    "selection_from_dict": "realmconf.meerkat.instances",
    "single_root": "realmconf.meerkat.roots",
    "user_root": "realmconf.meerkat.roots",
    "workspace_folder": "realmconf.meerkat.roots",
    "WorkspaceDerived": "realmconf.meerkat.instances",
    "write_manifest": "realmconf.meerkat.manifest",
}
"""Public name -> the module that defines it."""

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'realmconf.meerkat' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
