"""
Who may do what: roles, the realms they are for, and what follows for reads and writes.

Decides from a realm's name alone, before any store is asked, so that an answer never tells whether something is
there.  What a write may change within a realm is carried out in ``domain.scope``.
"""

from __future__ import annotations

import re

from realmconf.domain.names import REALM_NAME_CHARS_MAX, RealmName
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record
from realmconf.domain.scope import Scope
from realmconf.errors import InvalidArgument, NotPermitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ROLES = ("read", "write", "admin", "secrets")
_IMPLIED = {"read": ("read",), "write": ("read", "write"), "admin": ("read", "write", "admin")}
EVERYWHERE = ("*",)


class Grant(Record):
    """
    The rights of one caller: *roles* in the realms that *realms* name.

    ``admin`` implies ``write``, which implies ``read``; ``secrets`` is added and implied by none.  ``paths`` narrow
    what may be written, not what may be read: a realm is read as a whole.
    """

    id: str
    """Of the token; empty for whoever has the store in hand."""
    name: str
    """What the history calls its writer."""
    roles: frozenset[str]
    realms: tuple[str, ...] = EVERYWHERE
    """Names, in which ``*`` stands for any characters."""
    paths: tuple[Pointer, ...] = ()
    """Places at or below which it may write; none: anywhere."""
    expires_at: str | None = None
    """RFC 3339, UTC: when it ends; None: never."""
    share: str = ""
    """Of the tokens and plans that there may be: the token to which those of this caller count, if it has one."""

    def allows(self, role: str, realm: str | None) -> bool:
        """
        Whether it has *role* in *realm*; without a realm, in all of them.

        Who may write at some places only has no role but ``read`` in a store as a whole.
        """
        if role not in self.effective_roles:
            return False
        if realm is None:
            return "*" in self.realms and (role == "read" or not self.paths)
        return any(matches(pattern, realm) for pattern in self.realms)

    @property
    def effective_roles(self) -> frozenset[str]:
        """The roles, and those that they imply."""
        return frozenset(implied for role in self.roles for implied in _IMPLIED.get(role, (role,)))

    def require(self, role: str, realm: str | None, *, action: str) -> None:
        """
        Go on only with *role* in *realm*.

        Raises:
            NotPermitted: It does not have it; whether there is such a realm was not looked at.
        """
        if not self.allows(role, realm):
            where = "" if realm is not None else " in all realms"
            raise NotPermitted(action, realm=realm, needs=f"the role {role}{where}")

    def may_read(self, realm: RealmName) -> bool:
        """Whether it may be told of *realm*."""
        return self.allows("read", realm)

    @property
    def sees_secrets(self) -> bool:
        """Whether it is shown secrets in the realms that it may read."""
        return "secrets" in self.roles

    def scope(self) -> Scope:
        """How far its writes may reach; ``/realm``, schema and policy are for ``admin`` without narrowed paths."""
        is_admin = "admin" in self.roles
        return Scope(
            below=self.paths or None,
            changes_place=is_admin and not self.paths,
            governs=is_admin and not self.paths,
            # Whoever has the store in hand can look.
            judges_secrets=self.sees_secrets or not self.id,
            may_inherit=self.may_read,
        )


OWNER = Grant(id="", name="", roles=frozenset(("admin",)))
"""Whoever has the store in hand, as a process started by its owner; secrets are shown to those who ask for that."""


def require_settling(scope: Scope | None, write_id: str, *, realm: RealmName) -> None:
    """
    Go on only if a writer of this *scope* may settle *write_id*, which ends the write if it is not done yet.

    At which places a write of this id would be is known to nobody.  So whoever may write at some places only settles
    ids that cannot be guessed, as the SDK mints them: who knows one has sent it.

    Raises:
        NotPermitted: It might be another writer's.
    """
    below = None if scope is None else scope.below
    if below is not None and ROOT not in below and not _MINTED.fullmatch(write_id):
        raise NotPermitted(
            "settling a write that may be of other places than this caller's", realm=realm
        )


_MINTED = re.compile("w-[0-9a-f]{32}")


def matches(pattern: str, realm: str) -> bool:
    """Whether *realm* is one of those that *pattern* names; a name is one segment, compared as a whole."""
    if "*" not in pattern:
        return pattern == realm
    first, *middle, last = pattern.split("*")
    if not realm.startswith(first) or not realm.endswith(last):
        return False
    place, end = len(first), len(realm) - len(last)
    for part in middle:
        found = realm.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return place <= end


def check_pattern(pattern: object) -> str:
    """
    A pattern for realm names, in the one spelling that it has: what a name consists of, and ``*``.

    Raises:
        InvalidArgument: It is none.
    """
    if not isinstance(pattern, str) or not 0 < len(pattern) <= REALM_NAME_CHARS_MAX:
        raise InvalidArgument(
            f"a pattern of realms is text of 1 to {REALM_NAME_CHARS_MAX} characters"
        )
    plain = pattern.replace("*", "").replace("_", "").replace("-", "")
    if not pattern.isascii() or (plain and not plain.isalnum()):
        raise InvalidArgument(
            "a pattern of realms has letters, digits, '_', '-', and * for any of them"
        )
    return _STARS.sub("*", pattern)


_STARS = re.compile(r"\*+")


def check_roles(roles: Iterable[object]) -> tuple[str, ...]:
    """
    At least one role, in the order of ``ROLES``.

    Raises:
        InvalidArgument: One is none of them.
    """
    listed = [roles] if isinstance(roles, str) else list(roles)
    unknown = [role for role in listed if role not in ROLES]
    if unknown or not listed:
        raise InvalidArgument(f"roles are one or more of {', '.join(ROLES)}")
    return tuple(role for role in ROLES if role in listed)
