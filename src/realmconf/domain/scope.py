"""
How far one writer may reach: what a write may name, and what may come of it.

Decides twice.  By what a command names, before anything is read, so that a refusal tells nothing of what is there;
and by what the decided write would change, which a whole document, a rollback or a deletion does not tell.
Who has which scope is for whoever knows the caller.
"""

from __future__ import annotations

from realmconf.domain.diff import changes
from realmconf.domain.document import ABSENT
from realmconf.domain.lineage import SECTION, parent_of
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record
from realmconf.domain.secrets import REFERENCE_PREFIX
from realmconf.domain.write import (
    Edit,
    JsonPatch,
    MergePatch,
    Place,
    SetPolicy,
    SetSchema,
)
from realmconf.errors import NotPermitted, ParentNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from realmconf.domain.diff import Change
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.secrets import Secrecy
    from realmconf.domain.write import Command

PLACE = Pointer((SECTION,))
"""``/realm``: where a document says what the realm inherits from."""


class Scope(Record):
    """What one writer may change. The default is everything."""

    below: tuple[Pointer, ...] | None = None
    """Places at or below which every change must be; None: anywhere."""
    changes_place: bool = True
    """Whether ``/realm`` may be changed: parent, masks, and what else is kept there."""
    governs: bool = True
    """Whether schema and policy may be changed."""
    states_secrets: bool = True
    """Whether a value that is secret, or a reference to a secret, may be written, removed or replaced."""
    judges_secrets: bool = True
    """Whether its author could look at secrets: a schema or a stated value whose verdict tells of one tells nothing."""
    may_inherit: Callable[[RealmName], bool] | None = None
    """Which realms may be made a parent; None: any."""
    tries_secrets: bool = False
    """Whether a dry run may state a secret without the right to: of what it comes to only violations are told."""

    def narrowed(self, other: Scope) -> Scope:
        """What both allow."""
        return Scope(
            below=_common_places(self.below, other.below),
            changes_place=self.changes_place and other.changes_place,
            governs=self.governs and other.governs,
            states_secrets=self.states_secrets and other.states_secrets,
            judges_secrets=self.judges_secrets and other.judges_secrets,
            may_inherit=_common_parents(self.may_inherit, other.may_inherit),
            tries_secrets=self.tries_secrets and other.tries_secrets,
        )


def _common_places(
    one: tuple[Pointer, ...] | None, other: tuple[Pointer, ...] | None
) -> tuple[Pointer, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    inner = [place for place in one if any(place.within(above) for above in other)]
    inner += [place for place in other if any(place.within(above) for above in one)]
    return tuple(dict.fromkeys(inner))


def _common_parents(
    one: Callable[[RealmName], bool] | None, other: Callable[[RealmName], bool] | None
) -> Callable[[RealmName], bool] | None:
    if one is None or other is None:
        return other if one is None else one
    return lambda realm: one(realm) and other(realm)


def refuse_command(scope: Scope, command: Command, *, realm: RealmName) -> None:
    """
    Refuse a command that names what its author may not touch; looks at nothing else.

    Raises:
        NotPermitted: Naming what.
    """
    if isinstance(command, (SetPolicy, SetSchema)) and not scope.governs:
        what = "policy" if isinstance(command, SetPolicy) else "schema"
        raise NotPermitted(f"changing the {what}", realm=realm)
    if isinstance(command, Place) and (scope.below is not None or not scope.changes_place):
        raise NotPermitted("placing a document under another name", realm=realm)
    for pointer, value in _named(command):
        _refuse_place(scope, pointer, realm=realm)
        if not scope.states_secrets and value is not ABSENT:
            _refuse_references(value, pointer, realm=realm)


def refuse_stated(scope: Scope, places: Iterable[Pointer], *, realm: RealmName) -> None:
    """
    Refuse secrets that are stated at *places* where their author may change nothing; whatever stands there.

    Before anything is compared: whether one is what is stored would be told by whether it is a change.

    Raises:
        NotPermitted: Naming the first such place.
    """
    for place in sorted(places):
        _refuse_place(scope, place, realm=realm)
        if not scope.states_secrets:
            raise NotPermitted(f"changing the secret at {place}", realm=realm)


def refuse_result(
    scope: Scope,
    before: Revision | None,
    document: Document | None,
    *,
    realm: RealmName,
    secrecy: Callable[[], Secrecy] | None,
    previous: Revision | None = None,
) -> None:
    """
    Refuse a write that would change what its author may not: *document* is to come after *before*.

    *previous* is what goes on under this name, if the realm had another one: it inherits as it did.

    Raises:
        NotPermitted: Naming the first such place.
        ParentNotFound: The new parent may not be inherited from, which looks as if it were not there.
    """
    earlier = None if before is None else before.document
    refuse_parent(scope, previous or before, document, realm=realm)
    if scope.below is None and scope.changes_place and scope.states_secrets:
        return
    if document is None and earlier is not None and scope.below is not None:
        _refuse_place(scope, ROOT, realm=realm)
    known = None if scope.states_secrets or secrecy is None else secrecy()
    for change in changes(earlier, document):
        if not _is_emptied(change, scope):
            _refuse_place(scope, change.pointer, realm=realm)
        if scope.states_secrets:
            continue
        for value in (change.before, change.after):
            if known is not None and (
                known.is_secret(change.pointer) or known.conceals(value, change.pointer)
            ):
                raise NotPermitted(f"changing the secret at {change.pointer or '/'}", realm=realm)
            _refuse_references(value, change.pointer, realm=realm)


def _is_emptied(change: Change, scope: Scope) -> bool:
    """Whether an object around a place that may be changed merely became, or ceased to be, empty by that."""
    if not scope.changes_place and change.pointer.within(PLACE):
        return False
    sides = (change.before, change.after)
    return all(side is ABSENT or side == {} for side in sides) and any(
        root.within(change.pointer) for root in scope.below or ()
    )


def _named(command: Command) -> Iterator[tuple[Pointer, Any]]:
    """The places that a command names, each with the value that it brings there."""
    if isinstance(command, MergePatch):
        yield from _leaves(command.patch, ROOT)
    elif isinstance(command, SetSchema):
        yield from _leaves(command.patch or {}, ROOT)
    elif isinstance(command, Edit):
        for pointer, value in command.assignments:
            yield pointer, value
        for pointer in command.removals:
            yield pointer, ABSENT
    elif isinstance(command, JsonPatch):
        for operation in command.operations:
            name = operation["op"]
            place = Pointer.parse_json_pointer(operation["path"])
            if name != "test":
                yield place, operation.get("value", ABSENT)
            if name == "move":
                yield Pointer.parse_json_pointer(operation["from"]), ABSENT
    # What a whole document, a rollback or a deletion changes is told only by what is there.


def _leaves(patch: Any, at: Pointer) -> Iterator[tuple[Pointer, Any]]:
    if isinstance(patch, dict) and (patch or not at):
        for key, value in patch.items():
            yield from _leaves(value, at.child(key))
    else:
        yield at, ABSENT if patch is None else patch


def _refuse_place(scope: Scope, pointer: Pointer, *, realm: RealmName) -> None:
    if not scope.changes_place and pointer.within(PLACE):
        who = "for who has the role admin everywhere in the realm, and never for an agent"
        raise NotPermitted(f"changing {PLACE}: what a realm inherits from is {who}", realm=realm)
    if scope.below is not None and not any(pointer.within(root) for root in scope.below):
        raise NotPermitted(f"changing {pointer or '/'}", realm=realm)


def _refuse_references(value: Any, at: Pointer, *, realm: RealmName) -> None:
    """Refuse a value in which a reference to a secret stands, wherever."""
    if isinstance(value, str):
        if value.startswith(REFERENCE_PREFIX):
            raise NotPermitted(f"changing the secret reference at {at or '/'}", realm=realm)
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_references(item, at.child(key), realm=realm)
    elif isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            _refuse_references(item, at.child(str(place)), realm=realm)


def refuse_parent(
    scope: Scope, before: Revision | None, document: Document | None, *, realm: RealmName
) -> None:
    """
    Refuse a *document* that names another parent than *before* does, which its author may not inherit from.

    Raises:
        ParentNotFound: Exactly as for one that is not there.
    """
    if scope.may_inherit is None or document is None:
        return
    known = None if before is None else parent_of(before.realm, before.document)
    after = parent_of(realm, document)
    if after is not None and after != known and not scope.may_inherit(after):
        raise ParentNotFound(realm=realm, parent=after, chain=(realm, after))
