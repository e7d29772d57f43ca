"""The operations that write documents."""

from __future__ import annotations

from realmconf.domain.jsonpatch import check_operations
from realmconf.domain.names import RealmName
from realmconf.domain.patch import check_patch
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidArgument
from realmconf.runtime import arguments
from realmconf.runtime.access import require_settling
from realmconf.runtime.operations.numbers import (
    operations_with_stored_number_types,
    with_stored_number_types,
)
from realmconf.runtime.operations.results import Settled
from realmconf.runtime.outcome import Committed, Void
from realmconf.runtime.results import document_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.results import WriteResult
    from realmconf.runtime.runtime import ConfigRuntime

    Result = WriteResult[Mapping[str, Any]]


def set_document(
    session: Session,
    *,
    realm: RealmName,
    config: dict[str, Any],
    exact_numbers: bool = False,
    **options: Any,
) -> Result:
    """Replace the whole document."""
    handle = session.realm(realm)
    if not exact_numbers:
        config = with_stored_number_types(config, _stored(handle))
    return handle.set(config, **options)


def patch(
    session: Session,
    *,
    realm: RealmName,
    patch: dict[str, Any],
    exact_numbers: bool = False,
    **options: Any,
) -> Result:
    """Apply a merge patch."""
    handle = session.realm(realm)
    checked: Any = check_patch(patch, limits=session.client.limits)
    if not exact_numbers:
        checked = with_stored_number_types(checked, _stored(handle))
    return handle.patch(checked, **options)


def json_patch(
    session: Session,
    *,
    realm: RealmName,
    operations: list[Any],
    exact_numbers: bool = False,
    **options: Any,
) -> Result:
    """Apply a JSON Patch."""
    handle = session.realm(realm)
    checked: Any = check_operations(operations, limits=session.client.limits)
    if not exact_numbers:
        checked = operations_with_stored_number_types(checked, _stored(handle))
    return handle.json_patch(checked, **options)


def set_value(
    session: Session,
    *,
    realm: RealmName,
    path: str,
    value: Any,
    exact_numbers: bool = False,
    **options: Any,
) -> Result:
    """Set one value."""
    handle = session.realm(realm)
    place = arguments.inner_pointer(path)
    if not exact_numbers:
        value = with_stored_number_types(value, place.resolve(_stored(handle)))
    return handle.set_value(place, value, **options)


def unset(session: Session, *, realm: RealmName, path: str, **options: Any) -> Result:
    """Remove one value."""
    return session.realm(realm).unset(path, **options)


def rollback(session: Session, *, realm: RealmName, to: int, **options: Any) -> Result:
    """Bring an older document back."""
    return session.realm(realm).rollback(to, **options)


def delete(session: Session, *, realm: RealmName, **options: Any) -> Result:
    """Delete the document."""
    return session.realm(realm).delete(**options)


def transaction(session: Session, *, parts: Sequence[Any], **options: Any) -> list[Result]:
    """Write several realms, all or none."""
    named = []
    for part in parts:
        if not isinstance(part, dict) or "realm" not in part:
            raise InvalidArgument("each part of a transaction is an object that names a realm")
        realm = RealmName(part["realm"])
        session.require_role("write", realm, action="config/transaction")
        stated = {
            name: value for name, value in part.items() if name != "realm" and value is not None
        }
        named.append((realm, stated))
    # Only now is anything looked at.
    pairs = [(realm, _typed(session.realm(realm), part, session)) for realm, part in named]
    return session.client.transaction(pairs, **options)


def _typed(handle: ConfigRuntime[Any], part: dict[str, Any], session: Session) -> dict[str, Any]:
    """A part whose numbers have the stored types."""
    limits = session.client.limits
    stored = _stored(handle)
    if isinstance(part.get("set"), dict):
        part["set"] = with_stored_number_types(part["set"], stored)
    if isinstance(part.get("patch"), dict):
        part["patch"] = with_stored_number_types(check_patch(part["patch"], limits=limits), stored)
    if isinstance(part.get("json_patch"), list):
        checked = check_operations(part["json_patch"], limits=limits)
        part["json_patch"] = operations_with_stored_number_types(checked, stored)
    if isinstance(part.get("set_value"), dict):
        part["set_value"] = {
            path: with_stored_number_types(value, Pointer.parse(path).resolve(stored))
            for path, value in part["set_value"].items()
        }
    return part


def settle(session: Session, *, realm: RealmName, write_id: str) -> Settled:
    """What became of a write; ended, if nothing did."""
    require_settling(session.client.scope, write_id, realm=realm)
    found = session.realm(realm).settle(write_id)
    if isinstance(found, Committed):
        return Settled(write_id=write_id, outcome="committed", generation=found.generation)
    return Settled(write_id=write_id, outcome="void" if isinstance(found, Void) else "pending")


def _stored(handle: ConfigRuntime[Any]) -> Any:
    # Not as it is handed out: what is withheld there is no number, and nobody's business here.
    return document_of(handle.get().record) or {}
