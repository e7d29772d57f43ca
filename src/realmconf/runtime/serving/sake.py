"""
What a caller is told of a realm that it may not read: what one that it may read is composed of, and nothing else.

Decides for the sake of which realm another one is shown, and whether a state that it once had was ever part of that.
What is left of a revision then is for ``serving.shown``.
"""

from __future__ import annotations

from realmconf.domain.names import GLOBAL, RealmName
from realmconf.domain.record import Record
from realmconf.errors import HistoryCompacted, InvalidRealm, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.runtime.access import Grant
    from realmconf.runtime.lineages import Lineages
    from realmconf.runtime.serving.patience import Patience
    from realmconf.stores.protocol import ReadView

INHERITED_LOOKS_MAX = 4_096
"""Descendants of a realm that are looked at for one that its caller may read."""
PAGE = 256
NEVER_ENDS = 2**63


class Stretch(Record):
    """Positions between which nothing changed in how a realm is composed of another one."""

    begins: int
    ends: int
    is_composed: bool


class Sakes:
    """For one caller, at one point."""

    def __init__(
        self, grant: Grant, view: ReadView, lineages: Lineages, patience: Patience
    ) -> None:
        self._grant = grant
        self._view = view
        self._lineages = lineages
        self._patience = patience
        self._found: dict[RealmName, RealmName | None] = {}
        self._stretches: dict[tuple[RealmName, RealmName], list[Stretch]] = {}

    def sake_of(self, realm: RealmName) -> RealmName | None:
        """A realm that the caller may read and that inherits from *realm*; *realm* itself if it may read that."""
        if realm not in self._found:
            if self._grant.may_read(realm):
                self._found[realm] = realm
            else:
                self._found[realm] = self._anyone() if realm == GLOBAL else self._heir(realm)
        return self._found[realm]

    def _heir(self, realm: RealmName) -> RealmName | None:
        seen = {realm}
        waiting = [realm]
        while waiting and len(seen) <= INHERITED_LOOKS_MAX:
            self._patience.look()
            for child in self._view.children(waiting.pop()):
                if self._grant.may_read(child):
                    return child
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return None

    def _anyone(self) -> RealmName | None:
        """Every realm inherits from ``global``, also one that was never written."""
        if "read" not in self._grant.effective_roles:
            return None
        for pattern in self._grant.realms:
            first, star, _ = pattern.partition("*")
            page = self._view.realms(after=first, limit=PAGE) if star else ()
            self._patience.look(len(page) + 1)
            for entry in page:
                if self._grant.may_read(entry.realm):
                    return entry.realm
        for pattern in self._grant.realms:
            try:
                return RealmName(pattern.replace("*", "x"))
            except InvalidRealm:
                continue
        return None

    # --- what it once was ------------------------------------------------------------------

    def is_part(self, realm: RealmName, sake: RealmName, *, begins: int, ends: int) -> bool:
        """Whether *sake* was composed of *realm* at any of these positions."""
        if realm in (sake, GLOBAL):
            return True
        position = begins
        while position <= ends:
            self._patience.look()
            stretch = self._stretch(realm, sake, position)
            if stretch.is_composed:
                return True
            position = stretch.ends + 1
        return False

    def stands(self, realm: RealmName, generation: int) -> tuple[int, int]:
        """The positions between which *realm* was at *generation*."""
        begins = self._view.position(realm, generation)
        try:
            return begins, self._view.position(realm, generation + 1) - 1
        except (NotFound, HistoryCompacted):
            return begins, max(begins, self._view.last_position())

    def _stretch(self, realm: RealmName, sake: RealmName, position: int) -> Stretch:
        known = self._stretches.setdefault((realm, sake), [])
        for stretch in known:
            if stretch.begins <= position <= stretch.ends:
                return stretch
        known.append(self._looked_up(realm, sake, position))
        return known[-1]

    def _looked_up(self, realm: RealmName, sake: RealmName, position: int) -> Stretch:
        try:
            point = self._lineages.then(self._view, sake, position)
            names = list(point.watched)
            is_composed = realm in names
            if is_composed:
                # What stands above it does not say whether it is part of what is below.
                names = names[: names.index(realm)]
            stood = {
                name: head.generation
                for name, head in zip(point.watched, point.watched_heads, strict=True)
                if name in names
            }
            following = self._view.steps(stood, limit=1)
        except HistoryCompacted:
            # Nobody can tell any more, and nobody can compose it.
            return Stretch(begins=position, ends=position, is_composed=False)
        ends = following[0].position - 1 if following else NEVER_ENDS
        return Stretch(begins=position, ends=max(position, ends), is_composed=is_composed)
