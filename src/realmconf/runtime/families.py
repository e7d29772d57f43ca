"""
Which realms inherit from one another, and in what order they stand.

Decides nothing but that; knows neither stores nor documents.
"""

from __future__ import annotations

from realmconf.domain.names import GLOBAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.names import RealmName


def families_of(parents: Mapping[RealmName, RealmName | None]) -> list[list[RealmName]]:
    """
    The realms of *parents* (who names whom) by family, children before those they inherit from.

    Everybody inherits from ``global``, if it is there.
    """
    above = {
        realm: GLOBAL if parent is None and realm != GLOBAL else parent
        for realm, parent in parents.items()
    }
    leaders: dict[RealmName, RealmName] = {}

    def leader(realm: RealmName) -> RealmName:
        while leaders.get(realm, realm) != realm:
            realm = leaders[realm]
        return realm

    for realm, parent in above.items():
        if GLOBAL in parents:
            leaders[leader(realm)] = leader(GLOBAL)
        if parent is not None and parent in parents:
            leaders[leader(realm)] = leader(parent)
    found: dict[RealmName, list[RealmName]] = {}
    for realm in parents:
        found.setdefault(leader(realm), []).append(realm)
    return [sorted(family, key=lambda one: (-_depth(one, above), one)) for family in found.values()]


def _depth(realm: RealmName, above: Mapping[RealmName, RealmName | None]) -> int:
    """How many stand above *realm*; a cycle, which nobody inherits through, ends somewhere."""
    seen = {realm}
    parent = above[realm]
    while parent is not None and parent in above and parent not in seen:
        seen.add(parent)
        parent = above[parent]
    return len(seen)
