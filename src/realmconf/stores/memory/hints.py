"""Hints for watchers: something may have changed."""

from __future__ import annotations

from realmconf.stores.bell import Bell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.names import RealmName


class Signal(Bell):
    """Hints for one watcher of some realms; of none: of all."""

    def __init__(self, realms: Sequence[RealmName]) -> None:
        super().__init__()
        self._realms = frozenset(realms)

    def hint(self, changed: Mapping[str, object]) -> None:
        if not self._realms or not self._realms.isdisjoint(changed):
            self.ring()
