"""
Which realm a process of Meerkat's is for, what the process is called, and which of them say that they live.

Decides names and reads leases, for those who look after a root.  It takes no lease: one says "I have this realm's
sessions open", and keeps ``rkat realms delete`` and ``prune`` away; whoever writes a configuration has nothing open
between two writes, and Meerkat's own ``config`` asks for none either.
"""

from __future__ import annotations

import json
import os

from realmconf.domain.names import RealmName, generated_realm, workspace_realm
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument, InvalidRealm, StoreCorrupt, StoreUnavailable
from realmconf.meerkat.disk import read_file, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

LEASES = "leases"
"""The folder of a realm's leases."""
STALE_SECONDS = 30
"""A lease that was not renewed for longer is of a process that ended, or was stopped."""
ID_CHARS_MAX = 256
_SHOWN_CHARS_MAX = 80


# --- which realm ------------------------------------------------------------------------------


class RealmSelection(Record):
    """Which realm is meant: ``Explicit``, ``Isolated`` or ``WorkspaceDerived``."""

    def realm(self, *, uuid7: str) -> RealmName:
        """
        The name of the realm; *uuid7* names one that is the process's own.

        Raises:
            InvalidRealm: No realm can have the name in it.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, str]:
        """As JSON, with ``kind``."""
        raise NotImplementedError


class Explicit(RealmSelection):
    """The realm of this name."""

    realm_id: str

    def realm(self, *, uuid7: str) -> RealmName:
        """The name, if it is one."""
        return explicit_realm(self.realm_id)

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return {"kind": "explicit", "realm_id": str(self.realm_id)}


class Isolated(RealmSelection):
    """A realm of the process's own, new with each start."""

    def realm(self, *, uuid7: str) -> RealmName:
        """``realm-`` and *uuid7*."""
        return generated_realm(uuid7)

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return {"kind": "isolated"}


class WorkspaceDerived(RealmSelection):
    """The realm that belongs to a folder."""

    root: str

    def realm(self, *, uuid7: str) -> RealmName:
        """``ws-`` and the digest of the folder's canonical path, or of the path as it is where it has none."""
        return workspace_realm(_canonical(self.root))

    def to_dict(self) -> dict[str, str]:
        """As JSON."""
        return {"kind": "workspace_derived", "root": self.root}


def selection_from_dict(stated: Mapping[str, Any]) -> RealmSelection:
    """
    What ``to_dict`` of a selection gave; members that are not understood are ignored, as Meerkat does.

    Raises:
        InvalidArgument: It is no selection.
    """
    kind = stated.get("kind")
    realm_id, root = stated.get("realm_id"), stated.get("root")
    if kind == "explicit" and isinstance(realm_id, str):
        return Explicit(realm_id=realm_id)
    if kind == "isolated":
        return Isolated()
    if kind == "workspace_derived" and isinstance(root, str):
        return WorkspaceDerived(root=root)
    raise InvalidArgument(
        "a selection is of the kind explicit (with realm_id), isolated or workspace_derived (with root)"
    )


def select_realm(*, realm: str | None, isolated: bool, otherwise: RealmSelection) -> RealmSelection:
    """
    The selection that a command line makes.

    Raises:
        InvalidArgument: Both a realm and an isolated one are asked for.
        InvalidRealm: No realm can have that name.
    """
    if realm is not None and isolated:
        raise InvalidArgument("`--realm` and `--isolated` cannot be used together")
    if realm is not None:
        return Explicit(realm_id=explicit_realm(realm))
    return Isolated() if isolated else otherwise


def explicit_realm(realm_id: str) -> RealmName:
    """
    *realm_id*, which somebody has typed, as a name.

    Raises:
        InvalidRealm: It is none; with the text of Meerkat.
    """
    try:
        return RealmName(realm_id)
    except InvalidRealm:
        is_long = len(realm_id) > _SHOWN_CHARS_MAX
        shown = realm_id[:_SHOWN_CHARS_MAX] + "…" if is_long else realm_id
        # A control character must not reach a terminal.
        shown = shown if shown.isprintable() else ascii(shown)
        raise InvalidRealm(f"invalid explicit realm id: {shown}") from None


def _canonical(path: str) -> str:
    try:
        # To be in the folder without a name is not to be in the current one.
        return os.path.realpath(path, strict=True) if path else path
    except (OSError, ValueError):
        # Meerkat goes on with what was given, and so must whoever looks for the same realm.
        return path


def sanitised(name: str) -> str:
    """
    *name* as that of a folder or file: every character but ASCII letters, digits, ``_`` and ``-`` becomes ``_``.

    Two names may become the same one; the manifest says whose the folder is.
    """
    return "".join(one if (one.isascii() and one.isalnum()) or one in "_-" else "_" for one in name)


# --- which process ------------------------------------------------------------------------------


def instance_name(given: str | None, *, uuid7: str) -> str:
    """
    What the process is called: as it was told, else ``instance-`` and *uuid7*.

    Raises:
        InvalidArgument: What was given is empty, too long, or not of one printable line.
    """
    if given is None:
        return f"instance-{uuid7}"
    if not given or len(given) > ID_CHARS_MAX or not given.isprintable():
        raise InvalidArgument(
            f"an instance is named by 1 to {ID_CHARS_MAX} printable characters of one line"
        )
    return given


class Lease(Record):
    """What a process of Meerkat's says of itself while it lives; times are seconds since 1970."""

    realm_id: str
    instance_id: str
    surface: str
    pid: int
    started_at: int
    heartbeat_at: int

    def is_stale(self, now_seconds: float) -> bool:
        """Whether it has not been renewed for so long that its process has ended, or was stopped."""
        return int(now_seconds) - self.heartbeat_at > STALE_SECONDS


class LeaseFile(Record):
    """One file in the folder of leases."""

    path: str
    lease: Lease | None
    """None where it cannot be understood: it may be that of a process that lives."""
    fault: str = ""
    """Why not."""


def read_leases(folder: str) -> Sequence[LeaseFile]:
    """
    The leases in a realm's *folder*, by the names of their files; what cannot be understood is there as well.

    Raises:
        StoreUnavailable: The folder cannot be listed.
    """
    place = os.path.join(folder, LEASES)
    try:
        names = sorted(os.listdir(place))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise unreadable(error, place) from error
    found = (_lease_file(os.path.join(place, name)) for name in names if name.endswith(".json"))
    return tuple(one for one in found if one is not None)


def _lease_file(path: str) -> LeaseFile | None:
    """What the file at *path* says; None if it is gone by now."""
    try:
        raw = read_file(path)
        if raw is None:
            return None
        lease = _lease(json.loads(raw.decode()))
    except (StoreCorrupt, StoreUnavailable) as error:
        return LeaseFile(path=path, lease=None, fault=str(error))
    except (ValueError, RecursionError):
        return LeaseFile(path=path, lease=None, fault="it is no JSON")
    if lease is None:
        return LeaseFile(path=path, lease=None, fault="it has not the members of a lease")
    return LeaseFile(path=path, lease=lease)


def _lease(stated: Any) -> Lease | None:
    if not isinstance(stated, dict):
        return None
    members: dict[str, Any] = {name: stated.get(name) for name in Lease.__fields__}
    texts = [members[name] for name in ("realm_id", "instance_id", "surface")]
    numbers = [members[name] for name in ("pid", "started_at", "heartbeat_at")]
    if not all(isinstance(value, str) for value in texts):
        return None
    if not all(type(value) is int and value >= 0 for value in numbers):
        return None
    return Lease(**members)
