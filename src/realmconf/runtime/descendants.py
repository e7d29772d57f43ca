"""
What a change of a realm means for those who inherit it.

Decides whom a change concerns and what is said of it.  Looks outside of any turn, some hundred heirs at a moment:
nobody waits for it, and it never refuses a write, since a child must not veto its parent.
"""

from __future__ import annotations

from functools import cache

from realmconf.domain.admit import violations_of
from realmconf.domain.composition import Composer
from realmconf.domain.document import ABSENT, same
from realmconf.domain.lineage import SECTION, is_live
from realmconf.domain.names import GLOBAL
from realmconf.domain.record import Record
from realmconf.domain.unread import unread
from realmconf.errors import RealmconfError
from realmconf.stores.protocol import Head, Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from realmconf.domain.diff import Change
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Revision
    from realmconf.runtime.client import Client
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.results import WriteResult
    from realmconf.stores.protocol import ReadView

ASKED_MAX = 64
"""Realms whose children are asked for one by one."""
HEIRS_AT_ONCE = 256
"""Heirs that are looked at in one view: a store's log starts over only while nobody reads it."""
NAMED_MAX = 5
"""Realms and places that one warning names."""


class Heir(Record):
    """One descendant, had the change not been made, and with it."""

    realm: RealmName
    before: Any
    after: Any

    @property
    def differs(self) -> bool:
        """Whether its readers see a difference."""
        if self.before.problem is not None or self.after.problem is not None:
            return (self.before.problem is None) != (self.after.problem is None)
        return not same(self.before.composed.config, self.after.composed.config)


def descendants(client: Client, realm: RealmName) -> list[RealmName]:
    """The live realms that inherit from *realm*, by name; from ``global`` all others do."""
    with client.store.view() as view:
        return sorted(filter(client.may_read, below(view, realm)))


def below(view: ReadView, realm: RealmName) -> Iterator[RealmName]:
    """The live realms that inherit from *realm* in *view*, in no order."""
    if realm == GLOBAL:
        yield from (
            entry.realm for entry in view.realms() if entry.exists and entry.realm != GLOBAL
        )
        return
    seen = {realm}
    waiting = [realm]
    children: Callable[[RealmName], Sequence[RealmName]] = view.children
    is_large = False
    while waiting:
        if not is_large and len(seen) > ASKED_MAX:
            # Of a large family all parents at once are had for less than each one's children.
            is_large, children = True, _all_children(view)
        for child in children(waiting.pop()):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                yield child


def _all_children(view: ReadView) -> Callable[[RealmName], Sequence[RealmName]]:
    families: dict[RealmName, list[RealmName]] = {}
    for entry in view.realms():
        if entry.parent is not None and entry.exists:
            families.setdefault(entry.parent, []).append(entry.realm)
    return lambda realm: families.get(realm, [])


def changed_by(client: Client, result: WriteResult[Any]) -> tuple[RealmName, ...]:
    """The descendants whose composed configuration a write changes, by name."""
    return tuple(sorted(heir.realm for heir in _heirs(client, result) if heir.differs))


def aftermath(client: Client, result: WriteResult[Any]) -> tuple[Notice, ...]:
    """What a write means for those who inherit the realm, as warnings."""
    return _looked_up(lambda: _aftermath(client, result))


def left_behind(client: Client, old: RealmName, new: RealmName) -> tuple[Notice, ...]:
    """Whom a rename leaves with a parent that is gone, as warnings: their documents are their own."""
    return _looked_up(lambda: _left_behind(client, old, new))


def _looked_up(look: Callable[[], Iterable[Notice]]) -> tuple[Notice, ...]:
    """What *look* finds out after a write; raises nothing of the store's, since the write is done."""
    try:
        return tuple(look())
    except RealmconfError as failure:
        # As an error it would be taken for a refusal, and a refusal says that nothing was changed.
        message = f"what this means for those who inherit cannot be told now: {failure}"
        return (Notice(code="descendants_unknown", message=message),)


def _left_behind(client: Client, old: RealmName, new: RealmName) -> Iterator[Notice]:
    with client.store.view() as view:
        left = list(filter(client.may_read, view.children(old)))
    if left:
        message = f"{listed(left)} still have {old} as their parent: let them inherit from {new}"
        yield Notice(code="descendant_orphaned", message=message)


def _aftermath(client: Client, result: WriteResult[Any]) -> Iterator[Notice]:
    changes = [change for change in result.changes if _is_inherited(change, result.realm_id)]
    overridden: dict[Pointer, list[RealmName]] = {}
    invalid: dict[RealmName, str] = {}
    orphaned: list[RealmName] = []
    for heir in _heirs(client, result):
        if heir.after.problem is not None:
            if heir.before.problem is None:
                orphaned.append(heir.realm)
            continue
        if heir.before.problem is not None:
            continue
        for change in changes:
            if _does_not_reach(heir, change):
                overridden.setdefault(change.pointer, []).append(heir.realm)
        if heir.after.composed.schemas and heir.differs:
            found = violations_of(heir.after.composed)
            if found and not violations_of(heir.before.composed):
                invalid[heir.realm] = f"{found[0]['pointer'] or '/'}: {found[0]['message']}"
    yield from _told(result.realm_id, overridden, invalid, sorted(orphaned))


def _is_inherited(change: Change, realm: RealmName) -> bool:
    """Whether a change is of a value that others may inherit: no removal, no section about itself, no empty start."""
    return (
        unread(change, "after") is not ABSENT
        and bool(change.pointer)
        and change.pointer[:2] != (SECTION, realm)
    )


def _does_not_reach(heir: Heir, change: Change) -> bool:
    """Whether a value that was changed is the same to the readers of *heir*: a nearer realm states or masks it."""
    place = change.pointer
    after = place.resolve(heir.after.composed.config)
    # Whether it is the same, also of what is withheld.
    stated = unread(change, "after")
    return same(place.resolve(heir.before.composed.config), after) and not same(after, stated)


def _heirs(client: Client, result: WriteResult[Any]) -> Iterator[Heir]:
    """Each descendant under the realm as it was before a write and as it is after it; the rest as it stands now."""
    lineages = client.lineages
    realm = result.realm_id
    composers = (Composer(lineages.schema), Composer(lineages.schema))
    names = descendants(client, realm)
    for start in range(0, len(names), HEIRS_AT_ONCE):
        with client.store.view() as view:
            # Both points need the same heads, and heirs share most of their ancestors.
            head_of = cache(view.head)
            for name in names[start : start + HEIRS_AT_ONCE]:
                if not is_live(head_of(name)) or head_of(name).moved_to is not None:
                    continue
                before, after = (
                    _under(lineages.point_of, composers[place], head_of, name, realm, revision)
                    for place, revision in enumerate((result.before, result.record))
                )
                yield Heir(realm=name, before=before, after=after)


def _under(
    point_of: Callable[[Callable[[RealmName], Any], RealmName], Point],
    composer: Composer,
    head_of: Callable[[RealmName], Any],
    name: RealmName,
    realm: RealmName,
    revision: Revision | None,
) -> Point:
    standing = Head(realm=realm, revision=revision)
    point = point_of(lambda wanted: standing if wanted == realm else head_of(wanted), name)
    if point.problem is None:
        point.compose_with(composer)
    return point


def _told(
    realm: RealmName,
    overridden: dict[Pointer, list[RealmName]],
    invalid: dict[RealmName, str],
    orphaned: list[RealmName],
) -> Iterator[Notice]:
    for pointer, names in list(overridden.items())[:NAMED_MAX]:
        yield Notice(
            code="overridden", message=f"{pointer or '/'} is overridden in {listed(sorted(names))}"
        )
    if len(overridden) > NAMED_MAX:
        message = f"{len(overridden) - NAMED_MAX} more values of realm {realm} are overridden in nearer realms"
        yield Notice(code="overridden", message=message)
    for name in sorted(invalid)[:NAMED_MAX]:
        message = (
            f"the configuration of realm {name} does not fit its schema any more: {invalid[name]}"
        )
        yield Notice(code="descendant_invalid", message=message)
    if len(invalid) > NAMED_MAX:
        message = f"so it is with {listed(sorted(invalid)[NAMED_MAX:])}"
        yield Notice(code="descendant_invalid", message=message)
    if orphaned:
        message = f"{listed(orphaned)} cannot be composed any more: see realmconf status"
        yield Notice(code="descendant_orphaned", message=message)


def listed(names: Sequence[RealmName]) -> str:
    """Some realms in words, the first few by name."""
    shown = ", ".join(names[:NAMED_MAX])
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return f"{'realm' if len(names) == 1 else 'realms'} {shown}{more}"
