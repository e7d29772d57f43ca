"""
How the suite reaches the store under test, and the smallest judgements that exercise it.

The judgements here bypass ``domain.decide``: they say what to append, so that a red test
speaks about the store alone.
"""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import contextmanager

import pytest

from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.revision import GENESIS, Revision, seal
from realmconf.domain.schemas.schema import schema_digest
from realmconf.domain.write import Append, SetDocument, Unchanged, Write
from realmconf.stores.protocol import Judgement
from realmconf.stores.registry import open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.stores.protocol import Head, Proof, ReadView, Store

TIMEOUT_SECONDS = 20.0
"""For what must happen at all; nothing in the suite measures time."""

ONE = RealmName("realm-one")
TWO = RealmName("realm-two")
THREE = RealmName("realm-three")

_serial = itertools.count(1)


class StoreSuite:
    """
    What every part of the suite is given: ``store_url``, ``store``, ``other``.

    Override ``store_url``; override ``open`` too for a store that no URL opens.
    """

    @pytest.fixture
    def store_url(self) -> str:
        """The URL of a store that holds nothing; every test asks for a new one."""
        raise NotImplementedError(
            "override the fixture store_url: see realmconf.testing.conformance"
        )

    def open(self, url: str) -> Store:
        """A new handle on the store at *url*."""
        return open_store(url, limits=LIMITS)

    @pytest.fixture
    def store(self, store_url: str) -> Iterator[Store]:
        """A handle on the empty store."""
        store = self.open(store_url)
        yield store
        store.close()

    @pytest.fixture
    def other(self, store: Store, store_url: str) -> Iterator[Store]:
        """A second handle on the same store, as another process would have."""
        other = self.open(store_url)
        yield other
        other.close()


def soon() -> float:
    """A deadline far enough for anything that works."""
    return time.monotonic() + TIMEOUT_SECONDS


def proved(store: Store, realms: Sequence[RealmName]) -> Proof | None:
    """
    A proof that holds now; None where a fresh read is declared to take a query.

    The first requests may be spent on asking to be told of changes, and whatever happens to a file beside the store may
    take a proof back that says what is true.
    """
    deadline = soon()
    while True:
        proof = store.proof(realms)
        if store.info.fresh_read != "memory" or holds(proof):
            return proof
        assert time.monotonic() < deadline, "no proof was ever given"
        for realm in realms:
            store.head(realm)


def holds(proof: Proof | None) -> bool:
    """The comparison that a reader makes; without a proof there is nothing that holds."""
    try:
        return proof is not None and proof.words[0] == proof.mark
    except (IndexError, ValueError):
        return False


def next_revision(
    head: Head, document: Document | None, *, write_id: str, **fields: Any
) -> Revision:
    """The revision that puts *document* (None: a tombstone) after *head*."""
    stated: dict[str, Any] = {
        "kind": "delete" if document is None else "set",
        "author": "somebody",
        "surface": "sdk",
        "created_at": "2024-02-29T12:00:00.000000Z",
        "salt": f"salt-{write_id}",
        **fields,
    }
    return seal(
        realm=head.realm,
        generation=head.generation + 1,
        document=document,
        write_id=write_id,
        previous=GENESIS if head.revision is None else head.revision.digest,
        **stated,
    )


def resealed(revision: Revision, **changes: Any) -> Revision:
    """*revision* with some fields changed, and the digests that it then has."""
    fields = {name: getattr(revision, name) for name in revision.__fields__}
    for computed in ("digest", "document_digest"):
        del fields[computed]
    return seal(**{**fields, **changes})


def appending(
    realm: RealmName,
    document: Document | None,
    *,
    write_id: str | None = None,
    request: str = "request",
    schemas: Sequence[Document] = (),
    **fields: Any,
) -> Callable[[ReadView], Sequence[Judgement]]:
    """
    A judgement that appends *document* to whatever is there; a *write_id* counts as given.

    *schemas* come with it; the revision names the first.
    """
    by_digest = {schema_digest(schema): schema for schema in schemas}
    if by_digest:
        fields["schema_digest"] = next(iter(by_digest))
    minted = write_id or f"minted-{next(_serial)}"

    def judge(view: ReadView) -> Sequence[Judgement]:
        revision = next_revision(view.head(realm), document, write_id=minted, **fields)
        return [
            Judgement(
                write=write_to(realm, minted, given=write_id is not None),
                decision=Append(revision=revision, schemas=by_digest),
                request=request,
            )
        ]

    return judge


def changing_nothing(
    realm: RealmName, *, write_id: str
) -> Callable[[ReadView], Sequence[Judgement]]:
    """A judgement that finds everything as asked already."""

    def judge(view: ReadView) -> Sequence[Judgement]:
        decision = Unchanged(head=view.head(realm).revision)
        return [
            Judgement(
                write=write_to(realm, write_id, given=True), decision=decision, request="request"
            )
        ]

    return judge


def write_to(realm: RealmName, write_id: str, *, given: bool) -> Write:
    """A write as a judgement carries it; stores look at the realm and the id alone."""
    return Write(
        realm=realm,
        command=SetDocument(document={}),
        author="somebody",
        write_id=write_id,
        write_id_given=given,
    )


def append(store: Store, realm: RealmName, document: Document | None, **fields: Any) -> Revision:
    """Append *document* and return the revision that is now the head."""
    (applied,) = store.apply([realm], appending(realm, document, **fields), deadline=soon())
    assert applied.head.revision is not None
    return applied.head.revision


def grow(store: Store, realm: RealmName, number: int) -> list[Revision]:
    """Append *number* documents ``{"n": 1}``, ``{"n": 2}``, …"""
    first = store.head(realm).generation + 1
    return [append(store, realm, {"n": first + index}) for index in range(number)]


@contextmanager
def turn_held(store: Store, realm: RealmName) -> Iterator[None]:
    """While inside, another thread's judgement holds *store*'s turn; then it appends ``{"held": true}``."""
    entered, leave = threading.Event(), threading.Event()

    def judge(view: ReadView) -> Sequence[Judgement]:
        entered.set()
        leave.wait(TIMEOUT_SECONDS)
        return appending(realm, {"held": True})(view)

    holder = threading.Thread(
        target=lambda: store.apply([realm], judge, deadline=soon(), groupable=False), daemon=True
    )
    holder.start()
    assert entered.wait(TIMEOUT_SECONDS), "the judgement was never run"
    try:
        yield
    finally:
        leave.set()
        holder.join(TIMEOUT_SECONDS)


def in_threads(number: int, act: Callable[[int], None]) -> None:
    """Run ``act(0)`` … ``act(number - 1)`` at once; the first failure is raised."""
    failures: list[BaseException] = []
    ready = threading.Barrier(number)

    def perform(index: int) -> None:
        try:
            ready.wait(TIMEOUT_SECONDS)
            act(index)
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(failure)

    threads = [
        threading.Thread(target=perform, args=(index,), daemon=True) for index in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * TIMEOUT_SECONDS)
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
