"""What a store must keep of kinship: who names whom as its parent, and every schema that a realm ever had."""

from __future__ import annotations

import pytest

from realmconf.domain.document import same
from realmconf.domain.names import RealmName
from realmconf.errors import InvalidRealm, StoreCorrupt
from realmconf.testing.conformance.base import (
    ONE,
    TWO,
    StoreSuite,
    append,
    appending,
    grow,
    in_threads,
    resealed,
    soon,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.stores.protocol import Judgement, ReadView, Store

NOBODY = RealmName("nobody")


def schema_of(name: str) -> Document:
    """A schema like no other of another name, with values whose types are easily lost."""
    return {"title": name, "type": "object", "examples": [None, 1, 1.0, True, {"ü\n": {}}]}


def below(realm: str, parent: object, **rest: Any) -> Document:
    """A document of *realm* that names *parent*."""
    # Documents are of plain types alone.
    named = str(parent) if isinstance(parent, str) else parent
    return {"realm": {str(realm): {"parent": named}}, **rest}


def moving_to(
    realm: RealmName, document: Document, *, schemas: Sequence[Document] = ()
) -> Callable[[ReadView], Sequence[Judgement]]:
    """The judgement of a rename of ``ONE``: *document* under the new name, a tombstone under the old one."""

    def judge(view: ReadView) -> Sequence[Judgement]:
        (placed,) = appending(ONE, document, kind="rename", schemas=schemas)(view)
        moved = resealed(placed.decision.revision, realm=realm)  # type: ignore[union-attr]
        return [
            placed.replace(
                write=placed.write.replace(realm=realm),
                decision=placed.decision.replace(revision=moved),
            ),
            *appending(ONE, None, kind="rename")(view),
        ]

    return judge


def titles(view: ReadView, realm: RealmName) -> list[object]:
    """The titles of the schemas that *realm* ever had, oldest first."""
    return [view.schema(digest)["title"] for digest in view.schemas(realm)]


def listed(view: ReadView) -> dict[str, str]:
    """Who names whom, as ``realms()`` tells it."""
    return {entry.realm: entry.parent for entry in view.realms() if entry.parent is not None}


class KinshipSuite(StoreSuite):
    """Parents are what the newest documents name; schemas are kept for ever."""

    # --- schemas -----------------------------------------------------------------------

    def test_schemas_are_kept(self, store: Store, other: Store) -> None:
        """Every schema that came with an append is found by its digest, and told by its realm, oldest first."""
        append(store, ONE, {"n": 1}, schemas=[schema_of("b"), schema_of("c")])
        append(other, ONE, {"n": 2})
        newest = append(other, ONE, {"n": 3}, schemas=[schema_of("a"), schema_of("b")])
        for handle in (store, other):
            with handle.view() as view:
                assert titles(view, ONE) == ["b", "c", "a"]
                assert newest.schema_digest is not None
                assert same(view.schema(newest.schema_digest), schema_of("a"))
                assert list(view.schemas(TWO)) == []

    def test_a_schema_of_several_realms(self, store: Store) -> None:
        """A schema is found whichever realm it came with, and each realm tells its own."""
        append(store, ONE, {"n": 1}, schemas=[schema_of("a")])
        append(store, TWO, {"n": 1}, schemas=[schema_of("b"), schema_of("a")])
        with store.view() as view:
            assert (titles(view, ONE), titles(view, TWO)) == (["a"], ["b", "a"])

    def test_a_schema_that_is_not_there(self, store: Store) -> None:
        """A digest that no schema has is a damaged store, not an empty schema."""
        for _ in range(2):
            with store.view() as view:
                assert list(view.schemas(ONE)) == []
                with pytest.raises(StoreCorrupt):
                    view.schema("ab" * 32)
            append(store, ONE, {"n": 1})

    def test_schemas_outlive_what_named_them(self, store: Store, other: Store) -> None:
        """Compaction, purge and tombstones take no schema away."""
        append(store, ONE, {"n": 1}, schemas=[schema_of("a")])
        append(store, ONE, {"n": 2}, schemas=[schema_of("b")])
        append(store, ONE, {"n": 3})
        store.purge(ONE, 2, document=None, deadline=soon())
        store.compact(ONE, floor=3, deadline=soon())
        append(store, ONE, None)
        store.compact(ONE, floor=4, deadline=soon())
        for handle in (store, other):
            with handle.view() as view:
                assert titles(view, ONE) == ["a", "b"]

    def test_schemas_of_a_renamed_realm(self, store: Store, other: Store) -> None:
        """A rename takes the schemas along and leaves them with the old name too."""
        append(store, ONE, {"n": 1}, schemas=[schema_of("a")])
        store.rename(ONE, TWO, moving_to(TWO, {"n": 1}, schemas=[schema_of("b")]), deadline=soon())
        append(store, ONE, {"n": 2}, schemas=[schema_of("c")])
        for handle in (store, other):
            with handle.view() as view:
                assert titles(view, TWO) == ["a", "b"]
                assert titles(view, ONE) == ["a", "c"]

    def test_schemas_of_a_refused_append(self, store: Store) -> None:
        """What is not appended leaves no schema beside its realm."""
        append(store, RealmName("taken"), {"n": 1})
        twin = RealmName("Taken")

        def judge(view: ReadView) -> Sequence[Judgement]:
            return [
                *appending(ONE, {"n": 1}, schemas=[schema_of("a")])(view),
                *appending(twin, {"n": 1})(view),
            ]

        if store.info.transaction_realms_max > 1:
            with pytest.raises(InvalidRealm):
                store.apply([ONE, twin], judge, deadline=soon())
        with store.view() as view:
            assert list(view.schemas(ONE)) == []

    def test_a_judgement_finds_the_schemas_of_its_heads(self, store: Store, other: Store) -> None:
        """Whoever sees a revision finds the schema that it names, also inside the turn and among writers at once."""

        def act(index: int) -> None:
            handle = (store, other)[index % 2]
            for number in range(8):

                def judge(view: ReadView, name: str = f"{index}-{number}") -> Sequence[Judgement]:
                    head = view.head(ONE).revision
                    if head is not None:
                        assert head.schema_digest is not None
                        assert view.schema(head.schema_digest)["title"] == head.message
                        assert view.schemas(ONE)[-1] == head.schema_digest
                    return appending(ONE, {"n": 1}, schemas=[schema_of(name)], message=name)(view)

                handle.apply([ONE], judge, deadline=soon())

        in_threads(6, act)
        with store.view() as view:
            assert titles(view, ONE) == [one.message for one in view.revisions(ONE)]

    def test_a_backup_holds_the_schemas(self, store: Store, tmp_path: Path) -> None:
        """A backup has the schemas of every realm, by the names that the realms have now."""
        grow(store, RealmName("plain"), 1)
        append(store, ONE, {"n": 1}, schemas=[schema_of("b")])
        append(store, ONE, {"n": 2}, schemas=[schema_of("a")])
        append(store, ONE, {"n": 3})
        store.rename(ONE, TWO, moving_to(TWO, {"n": 3}), deadline=soon())
        store.compact(TWO, floor=4, deadline=soon())
        path = str(tmp_path / "copy")
        store.backup(path)
        found = store.schemas_in(path)
        assert set(found) == {ONE, TWO}
        for realm in (ONE, TWO):
            assert list(found[realm].values()) == [schema_of("b"), schema_of("a")]
            with store.view() as view:
                assert list(found[realm]) == list(view.schemas(realm))

    # --- parents -----------------------------------------------------------------------

    def test_parents_are_what_documents_name(self, store: Store, other: Store) -> None:
        """After every write, whatever it is, the parent is what the newest document names, if it can be one."""
        stated: list[tuple[Document | None, str | None]] = [
            ({"n": 1}, None),
            (below(ONE, TWO), TWO),
            (below(ONE, TWO, n=2), TWO),
            (below(ONE, NOBODY), NOBODY),
            (below(TWO, NOBODY), None),
            (below(ONE, TWO), TWO),
            (None, None),
            (below(ONE, "global"), "global"),
            (below(ONE, "no name"), None),
            (below(ONE, 5), None),
            (below(ONE, TWO), TWO),
            ({}, None),
        ]
        for index, (document, parent) in enumerate(stated):
            handle, reader = (store, other) if index % 2 else (other, store)
            append(handle, ONE, document)
            with reader.view() as view:
                assert listed(view) == ({} if parent is None else {ONE: parent})
                for name in (TWO, NOBODY, RealmName("global")):
                    assert list(view.children(name)) == ([ONE] if name == parent else [])

    def test_children_come_by_name(self, store: Store, other: Store) -> None:
        """Children are the live realms that name the parent, by name; it need not exist, and case counts."""
        for name in ("c", "B", "a", "d"):
            append(store, RealmName(name), below(name, NOBODY))
        append(store, RealmName("e"), below("e", "Nobody"))
        append(store, RealmName("d"), None)
        with other.view() as view:
            assert list(view.children(NOBODY)) == ["B", "a", "c"]
            assert list(view.children(RealmName("Nobody"))) == ["e"]
            assert list(view.children(RealmName("a"))) == []
        store.compact(RealmName("a"), floor=9, deadline=soon())
        with other.view() as view:
            assert list(view.children(NOBODY)) == ["B", "a", "c"]

    def test_pages_of_realms_tell_parents(self, store: Store) -> None:
        """``realms`` tells every realm's parent, page by page too."""
        names = [RealmName(name) for name in ("a", "b", "c", "d", "e")]
        for name in names:
            append(store, name, below(name, TWO) if name in ("b", "d") else {})
        with store.view() as view:
            entries = list(view.realms())
            assert [entry.parent for entry in entries] == [None, TWO, None, TWO, None]
            assert list(view.realms(after="a", limit=3)) == entries[1:4]

    def test_parents_of_a_renamed_realm(self, store: Store, other: Store) -> None:
        """A renamed realm has the parent that its new document names; its children still name the old one."""
        append(store, NOBODY, {})
        append(store, ONE, below(ONE, NOBODY))
        append(store, RealmName("child"), below("child", ONE))
        store.rename(ONE, TWO, moving_to(TWO, below(TWO, NOBODY)), deadline=soon())
        for handle in (store, other):
            with handle.view() as view:
                assert listed(view) == {TWO: NOBODY, "child": ONE}
                assert list(view.children(NOBODY)) == [TWO]
                assert list(view.children(ONE)) == ["child"]
                assert list(view.children(TWO)) == []
        append(other, TWO, below(TWO, ONE))
        append(store, ONE, below(ONE, NOBODY))
        with store.view() as view:
            assert list(view.children(ONE)) == ["child", TWO]
            assert list(view.children(NOBODY)) == [ONE]

    def test_a_rename_may_leave_the_parent(self, store: Store) -> None:
        """Where the new document names nobody, the realm is nobody's child."""
        append(store, ONE, below(ONE, NOBODY))
        store.rename(ONE, TWO, moving_to(TWO, {"n": 1}), deadline=soon())
        with store.view() as view:
            assert listed(view) == {}
            assert list(view.children(NOBODY)) == []

    def test_kinship_at_one_point(self, store: Store, other: Store) -> None:
        """A view's parents, children and schemas are of its own point."""
        append(store, ONE, below(ONE, TWO), schemas=[schema_of("a")])
        with store.view() as view:
            assert list(view.children(TWO)) == [ONE]
            append(other, ONE, below(ONE, NOBODY), schemas=[schema_of("b")])
            append(other, RealmName("more"), below("more", TWO))
            assert list(view.children(TWO)) == [ONE]
            assert list(view.children(NOBODY)) == []
            assert listed(view) == {ONE: TWO}
            assert titles(view, ONE) == ["a"]

    def test_a_judgement_sees_who_names_whom(self, store: Store, other: Store) -> None:
        """Inside the turn, and among writers at once, children are those whose heads name the parent."""

        def act(index: int) -> None:
            name = RealmName(f"child-{index}")
            handle = (store, other)[index % 2]
            for number in range(9):

                def judge(view: ReadView, number: int = number) -> Sequence[Judgement]:
                    kin = listed(view)
                    for parent in (ONE, TWO):
                        named = [child for child, named in kin.items() if named == parent]
                        assert list(view.children(parent)) == sorted(named)
                    for entry in view.realms():
                        revision = view.head(entry.realm).revision
                        assert revision is not None
                        assert (entry.generation, entry.exists) == (
                            revision.generation,
                            revision.document is not None,
                        )
                        own = (revision.document or {}).get("realm", {}).get(entry.realm, {})
                        assert entry.parent == own.get("parent")
                    documents = (below(name, ONE), below(name, TWO), None)
                    return appending(name, documents[number % 3])(view)

                handle.apply([name], judge, deadline=soon())

        in_threads(6, act)
        with store.view() as view:
            assert listed(view) == {}
