"""
Which folder holds a realm of Meerkat's: the rule of v0.4, which knows one root, and that of v0.8, which knows two.

Decides by what it is given (environment, home, platform) and by looking what is there; makes nothing.
"""

from __future__ import annotations

import os
import stat
import sys

from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument, InvalidRealm, RealmSplitBrain, StoreUnavailable
from realmconf.meerkat.instances import sanitised
from realmconf.meerkat.manifest import read_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = ".rkat"
"""What makes a folder a project's."""

_CONFIGURATION = ("config.toml", "config_state.json")


class Candidates(Record):
    """The two roots in which v0.8 looks for a realm."""

    local: str | None
    """The project's; None where it is not looked for there, as by servers that were given no folder."""
    user: str
    """The user's own."""


class FoundRoot(Record):
    """Where a realm is, or is to be."""

    path: str
    found_by: str
    """state_root | local | user | default"""


def user_root(
    *, environment: Mapping[str, str], home: str | None, platform: str = sys.platform
) -> str:
    """
    The user's own root, the only one of v0.4: ``meerkat/realms`` in the platform's folder for data.

    Without such a folder, below the current one, as Meerkat does.
    """
    return os.path.join(_data_folder(environment, home, platform) or ".", "meerkat", "realms")


def single_root(
    state_root: str | None,
    *,
    environment: Mapping[str, str],
    home: str | None,
    platform: str = sys.platform,
) -> str:
    """The root by the rule of v0.4: *state_root*, else the user's own; nothing is looked at."""
    if state_root is not None:
        return _stated(state_root)
    return user_root(environment=environment, home=home, platform=platform)


def workspace_folder(context: str) -> str:
    """
    The folder that v0.4 derives a workspace's realm from: the nearest from *context* upwards with a folder ``.rkat``.

    Without one, *context* itself; v0.8 always takes that.

    Raises:
        StoreUnavailable: It cannot be told whether one is there.
    """
    return _nearest(context, wants_folder=True) or context


def project_root(context: str) -> str | None:
    """
    The project of v0.8: the nearest folder from *context* upwards with an entry ``.rkat`` of any kind, else None.

    Raises:
        StoreUnavailable: It cannot be told whether one is there.
    """
    return _nearest(context, wants_folder=False)


def candidates(
    context: str | None,
    *,
    environment: Mapping[str, str],
    home: str | None,
    platform: str = sys.platform,
) -> Candidates:
    """
    The roots for a process that works in the folder *context*; None: for one that knows of no project.

    Outside any project *context* is where one would begin.

    Raises:
        StoreUnavailable: As ``project_root``.
    """
    user = user_root(environment=environment, home=home, platform=platform)
    if context is None:
        return Candidates(local=None, user=user)
    project = project_root(context) or os.path.abspath(context)
    return Candidates(local=os.path.join(project, MARKER, "realms"), user=user)


def find_root(
    realm: str, *, state_root: str | None = None, among: Candidates, default: str = "local"
) -> FoundRoot:
    """
    The root of *realm* by the rule of v0.8.

    *state_root* is taken without a look.  Else it is where the realm is: where its manifest is, as Meerkat has it; only
    if none of the two has a manifest, where its configuration is, which ``rkat config`` and realmconf write without
    one.  Where nothing is, *default* (``local``, as Meerkat's command line has it, or ``user``, as its servers).

    Raises:
        RealmSplitBrain: Both have it.
        StoreUnavailable, StoreCorrupt, StoreTooNew: It cannot be told whether one has it: that is never taken for "no".
        InvalidRealm: A folder of this name is another realm's, whose name becomes the same.
        InvalidArgument: There is no such default; or *state_root* is empty.
    """
    if default not in ("local", "user"):
        raise InvalidArgument("default must be one of local, user")
    if state_root is not None:
        return FoundRoot(path=_stated(state_root), found_by="state_root")
    roots = {"user": among.user}
    if among.local is not None:
        if os.path.realpath(among.local) == os.path.realpath(among.user):
            # Two names of one folder are no two copies.
            roots = {"local": among.local}
        else:
            roots = {"local": among.local, "user": among.user}
    for is_there in (_has_manifest, _has_configuration):
        found = {name: root for name, root in roots.items() if is_there(root, realm)}
        if len(found) > 1:
            raise RealmSplitBrain(realm=realm, roots=list(found.values()))
        for name, root in found.items():
            return FoundRoot(path=root, found_by=name)
    return FoundRoot(path=roots.get(default) or next(iter(roots.values())), found_by="default")


def _data_folder(environment: Mapping[str, str], home: str | None, platform: str) -> str | None:
    if platform == "win32":
        return environment.get("APPDATA") or None
    if platform == "darwin":
        return os.path.join(home, "Library", "Application Support") if home else None
    named = environment.get("XDG_DATA_HOME", "")
    if os.path.isabs(named):
        # A relative one is to be ignored (XDG Base Directory Specification).
        return named
    return os.path.join(home, ".local", "share") if home else None


def _stated(root: str) -> str:
    if not root or "\0" in root:
        raise InvalidArgument("a state root is the path of a folder")
    return root


def _nearest(context: str, *, wants_folder: bool) -> str | None:
    folder = os.path.abspath(context)
    while True:
        found = _status(os.path.join(folder, MARKER))
        if found is not None and (stat.S_ISDIR(found.st_mode) or not wants_folder):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _has_manifest(root: str, realm: str) -> bool:
    folder = os.path.join(root, sanitised(realm))
    found = read_manifest(folder)
    if found is not None and found.realm_id != realm:
        raise InvalidRealm(
            f"{folder} is the folder of realm {found.realm_id[:64]!a}, and not of {realm[:64]!a}: "
            "choose another name, or another state root"
        )
    return found is not None


def _has_configuration(root: str, realm: str) -> bool:
    folder = os.path.join(root, sanitised(realm))
    return any(_status(os.path.join(folder, name)) is not None for name in _CONFIGURATION)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnavailable(
            f"it cannot be told whether {path} is there: {error.strerror}; "
            "what cannot be looked at is not taken for absent"
        ) from error
