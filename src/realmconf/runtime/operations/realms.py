"""The operations about realms as wholes, and about the store."""

from __future__ import annotations

from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import ParentNotFound
from realmconf.runtime import arguments
from realmconf.runtime.operations.results import Inheriting, Page, Placed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.results import WriteResult
    from realmconf.stores.protocol import StoreInfo

    Result = WriteResult[Mapping[str, Any]]

PAGE = LIMITS.history_page


def realms(session: Session, *, after: str | None = None, limit: int = PAGE) -> Page:
    """A page of the realms that the caller may read."""
    arguments.count(limit, name="limit", maximum=PAGE)
    found = session.client.realms(after=after, limit=limit)
    return Page(entries=tuple(found), after=str(found[-1].realm) if len(found) == limit else None)


def descendants(session: Session, *, realm: RealmName) -> list[RealmName]:
    """Those that inherit from the realm and that the caller may read."""
    return session.client.descendants(realm)


def get_parent(session: Session, *, realm: RealmName) -> Inheriting:
    """What the realm inherits from."""
    handle = session.realm(realm)
    return Inheriting(snapshot=handle.get(), named=handle.parent)


def set_parent(session: Session, *, realm: RealmName, parent: str, **options: Any) -> Result:
    """Let the realm inherit from another one, which its caller may read: missing and forbidden look the same."""
    named = RealmName(parent)
    if not session.grant.may_read(named):
        raise ParentNotFound(realm=realm, parent=named, chain=(realm, named))
    return session.realm(realm).set_parent(named, **options)


def unset_parent(session: Session, *, realm: RealmName, **options: Any) -> Result:
    """Let it inherit from nobody but ``global``."""
    return session.realm(realm).set_parent(None, **options)


def rename(session: Session, *, realm: RealmName, to: str, **options: Any) -> Placed:
    """Give it another name."""
    target = RealmName(to)
    session.require_role("admin", target, action="realm/rename")
    return Placed(result=session.client.rename(realm, target, **options), source=realm)


def copy(session: Session, *, realm: RealmName, to: str, **options: Any) -> Placed:
    """Start another one with its document."""
    target = RealmName(to)
    session.require_role("admin", target, action="realm/copy")
    return Placed(result=session.client.copy(realm, target, **options), source=realm)


def info(session: Session) -> StoreInfo:
    """What the store promises."""
    return session.client.info
