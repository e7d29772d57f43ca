"""The records that realmconf keeps for itself are verified as histories of realms are."""

from __future__ import annotations

import pytest

from realmconf.domain.names import LIMITS, PLANS, TOKENS
from realmconf.errors import HistoryCompacted, StoreCorrupt
from realmconf.runtime import chain
from realmconf.runtime.chain import verify_own
from realmconf.runtime.client import Client
from realmconf.runtime.tokens import Tokens
from realmconf.stores.memory import open_store


@pytest.fixture
def store():
    return open_store("", options={}, limits=LIMITS)


def made(store, count=3):
    tokens = Tokens(Client(store, author="t"))
    for _ in range(count):
        tokens.create(realms="*", roles=("read",), author="t", surface="sdk")


def test_records_that_were_written_are_verified(store):
    """Each record of realmconf's own that was written, and none that was not."""
    assert list(verify_own(store)) == []
    made(store)
    (found,) = verify_own(store)
    assert (found.realm, found.revisions, found.generation) == (TOKENS, 3, 3)


def test_a_forged_token_is_found(store):
    """Whoever writes a token into the record behind realmconf's back is found out, and the record is named as such."""
    made(store)
    revisions = store._memory.histories[TOKENS].revisions
    honest = revisions[1]
    revisions[1] = honest.replace(document={**honest.document, "forged": {}})
    with pytest.raises(StoreCorrupt, match="generation 2 of realmconf's own record _tokens "):
        list(verify_own(store))


def test_a_record_that_is_being_compacted_is_looked_at_again(store, monkeypatch):
    """Old revisions of a record are removed while it is verified: that is no damage."""
    made(store)
    verify, failures = chain.verify, [1, 2]

    def overtaken(store, realm, *, progress):
        if failures:
            failures.pop()
            raise HistoryCompacted(1, 2, realm=realm)
        return verify(store, realm, progress=progress)

    monkeypatch.setattr(chain, "verify", overtaken)
    assert [one.realm for one in verify_own(store)] == [TOKENS]
    assert PLANS not in store._memory.histories
