"""What can be asked at one point of the model: a memory store's view, and the rows behind it."""

from __future__ import annotations

from realmconf.stores.engine.ledger import News, Told
from realmconf.stores.engine.packing import pack
from realmconf.stores.memory.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Row
    from realmconf.stores.protocol import Head, Receipt
    from realmconf.testing.modelengine.state import State


def row_of(known: Known, state: State, realm: RealmName) -> Row:
    """The row of *realm*, read as an engine reads it: from bytes."""
    head = state.head(realm)
    revision = head.revision
    return known.row(
        realm,
        version=state.versions.get(realm, 0),
        digest="" if revision is None else revision.digest,
        packed=None if revision is None else pack(revision),
        floor=head.floor,
        moved_to=head.moved_to,
    )


def news_of(state: State, realms: Iterable[RealmName], *, before: int) -> News:
    """What is told of the write that has changed the rows of *realms*, with all of their heads."""
    heads = {realm: state.head(realm) for realm in realms}
    return News(
        realms=frozenset(heads),
        version=state.version,
        before=before,
        heads={
            realm: Told(digest=revision.digest, packed=pack(revision), floor=head.floor)
            for realm, head in heads.items()
            if (revision := head.revision) is not None and head.moved_to is None
        },
    )


class PointView(View):
    """A point; *state* gives it."""

    def __init__(self, known: Known, state: State) -> None:
        super().__init__(state.histories, state.receipts, state.schemas)
        self._known = known
        self._state = state

    def head(self, realm: RealmName) -> Head:
        return row_of(self._known, self._state, realm).head

    def schemas(self, realm: RealmName) -> Sequence[str]:
        return self._state.listed.get(realm, ())

    def rows(self, realms: Sequence[RealmName]) -> Mapping[RealmName, Row]:
        return {realm: row_of(self._known, self._state, realm) for realm in realms}

    def newest(self) -> int:
        return max(self._state.versions.values(), default=0)

    def twin(self, realm: RealmName) -> bool:
        return self._state.twin(realm)

    def receipts(
        self, realm: RealmName, *, since: int, after: str | None, limit: int | None
    ) -> Sequence[Receipt]:
        found = [
            one
            for _, one in sorted(self._state.receipts.get(realm, {}).items())
            if one.generation >= since and (after is None or one.write_id > after)
        ]
        return found[:limit]


class LateView:
    """A view whose point is that of its first question; before each of them *ask* may let something happen."""

    def __init__(self, begin: Callable[[], PointView], ask: Callable[[], None]) -> None:
        self._begin = begin
        self._ask = ask
        self._view: PointView | None = None

    def __getattr__(self, name: str) -> Any:
        self._ask()
        if self._view is None:
            self._view = self._begin()
        return getattr(self._view, name)
