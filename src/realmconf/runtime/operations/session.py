"""
Who asks, of which store, with which rights: what every operation is called with.

Decides that a right is asked for before anything is looked at, and for whom a write is done.  Knows nothing of how
a caller was recognised.
"""

from __future__ import annotations

from realmconf.domain.names import RealmName
from realmconf.errors import InvalidArgument, NotPermitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.scope import Scope
    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client
    from realmconf.runtime.operations.table import Operation
    from realmconf.runtime.runtime import ConfigRuntime


class Session:
    """
    One caller's use of one store.  Thread-safe, cheap to keep, and not to be closed: the store is its maker's.

    *author* is who writes, where the grant does not say; *default_realm* the realm that is meant where none is
    named; *scope* narrows the grant's own further, for surfaces that may do less.  Where files are on this machine is
    for callers on it, unless others are to be told as well: without *shows_paths* no answer tells.
    """

    __slots__ = (
        "_handles",
        "client",
        "default_realm",
        "grant",
        "shows_paths",
        "shows_secrets",
        "surface",
    )

    def __init__(
        self,
        client: Client,
        grant: Grant,
        *,
        surface: str,
        author: str | None = None,
        scope: Scope | None = None,
        default_realm: RealmName | None = None,
        shows_paths: bool = True,
    ) -> None:
        self.grant = grant
        self.surface = surface
        self.default_realm = default_realm
        self.shows_secrets = grant.sees_secrets
        self.shows_paths = shows_paths
        self.client = client.acting(
            author=author or grant.name or None,
            surface=surface,
            sees_secrets=grant.sees_secrets,
            scope=grant.scope() if scope is None else grant.scope().narrowed(scope),
            may_read=grant.may_read,
        )
        self._handles: dict[RealmName, ConfigRuntime[Mapping[str, Any]]] = {}

    def named(self, realm: object) -> RealmName:
        """
        The realm that an argument names, or the default.

        Raises:
            InvalidRealm: No realm can have this name.
            InvalidArgument: None is named, and there is no default.
        """
        if realm is None:
            if self.default_realm is None:
                raise InvalidArgument("a realm must be named")
            return self.default_realm
        return RealmName(realm)  # type: ignore[arg-type]

    def require(self, operation: Operation, realm: RealmName | None) -> None:
        """
        Go on only if the caller may do *operation* on *realm*.

        Raises:
            NotPermitted: It may not.
        """
        if operation.on == "each":
            if operation.role not in self.grant.effective_roles:
                raise NotPermitted(operation.name, needs=f"the role {operation.role}")
            return
        self.grant.require(operation.role, realm, action=operation.name)

    def require_role(self, role: str, realm: RealmName, *, action: str) -> None:
        """The same for one of several realms that an operation concerns."""
        self.grant.require(role, realm, action=action)

    def realm(self, name: RealmName) -> ConfigRuntime[Mapping[str, Any]]:
        """The handle on *name*, the same one for every call: what it has proved is proved for the next one too."""
        handle = self._handles.get(name)
        if handle is None:
            if len(self._handles) >= HANDLES_KEPT:
                self._handles.clear()
            handle = self._handles[name] = self.client.realm(name)
        return handle


HANDLES_KEPT = 1_024
GRANT_IN_SCOPE = "realmconf.grant"
"""Where in its scope an ASGI application finds the rights of its caller, whom another one has recognised."""
