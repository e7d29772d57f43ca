"""What a client of PostgreSQL remembers of rows, and that it may be gone at any moment."""

from __future__ import annotations

import pytest
from tests.engines.servers.postgres import Postgres

from realmconf.domain.names import LIMITS
from realmconf.stores.engine import EngineStore
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, append

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Row

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("look", [1, 2])
def test_what_another_thread_forgets_is_no_damage(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    """
    A document that is known is not sent again; a row that another thread forgets just when it was looked at, because a
    write of its own was overtaken, is read all the same.
    """
    store = open_store(postgres.url(), limits=LIMITS)
    try:
        append(store, ONE, {"n": 1})
        assert isinstance(store, EngineStore)
        known = store._known
        recall = known.recall
        looks: list[RealmName] = []

        def recalled(realm: RealmName) -> Row | None:
            row = recall(realm)
            looks.append(realm)
            if len(looks) == look:
                known.forget(realm)
            return row

        monkeypatch.setattr(known, "recall", recalled)
        head = store.head(ONE)
        assert len(looks) >= look
        assert head.revision is not None
        assert head.revision.document == {"n": 1}
    finally:
        store.close()
