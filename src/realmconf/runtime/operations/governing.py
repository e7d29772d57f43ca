"""The operations about what a realm's configuration must be, and what the realm asks of its writers."""

from __future__ import annotations

from realmconf.runtime.operations.results import Attached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Policy
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.results import WriteResult

    Result = WriteResult[Mapping[str, Any]]


def schema(session: Session, *, realm: RealmName) -> Attached:
    """The realm's own schema."""
    handle = session.realm(realm)
    return Attached(snapshot=handle.get(), schema=handle.schema)


def set_schema(
    session: Session,
    *,
    realm: RealmName,
    schema: dict[str, Any],
    patch: dict[str, Any] | None = None,
    **options: Any,
) -> Result:
    """Attach one."""
    return session.realm(realm).set_schema(schema, patch=patch, **options)


def unset_schema(session: Session, *, realm: RealmName, **options: Any) -> Result:
    """Take it away."""
    return session.realm(realm).unset_schema(**options)


def policy(session: Session, *, realm: RealmName) -> Policy:
    """What the realm asks."""
    return session.realm(realm).policy


def set_policy(
    session: Session, *, realm: RealmName, policy: dict[str, Any], **options: Any
) -> Result:
    """Change that."""
    return session.realm(realm).set_policy(**policy, **options)
