"""What the embedded store keeps of kinship and order: its price, and stores that an earlier build made."""

from __future__ import annotations

import apsw
import pytest

from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.schemas.schema import schema_digest
from realmconf.errors import StoreCorrupt
from realmconf.stores.embedded import kinship
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import append, appending, grow, soon
from realmconf.testing.conformance.kinship import below, schema_of

ONE, TWO, TOP = RealmName("one"), RealmName("two"), RealmName("top")

WITHOUT_KINSHIP = f"""
DROP TABLE realm_schema;
DROP TABLE schema;
DROP INDEX realm_parent;
ALTER TABLE realm DROP COLUMN parent;
DELETE FROM meta WHERE key = '{kinship.KEPT}';
"""


@pytest.fixture
def opened(tmp_path):
    handles = []

    def open_(**options):
        handles.append(
            open_store(f"sqlite://{tmp_path}/root?working_copies=off", limits=LIMITS, **options)
        )
        return handles[-1]

    yield open_
    for handle in handles:
        handle.close()


@pytest.fixture
def old(tmp_path, opened):
    """The database of a store as an earlier build left it: some documents name parents, and nothing else does."""
    store = opened()
    append(store, TOP, {"text": '"parent": nothing', "section": {"parent": "nothing"}})
    append(store, ONE, below(ONE, TWO))
    append(store, ONE, below(ONE, TOP))
    append(store, TWO, below(TWO, TOP))
    append(store, RealmName("gone"), below("gone", TOP))
    append(store, RealmName("gone"), None)
    store.close()
    path = f"{tmp_path}/root/.store/realmconf.db"
    connection = apsw.Connection(path)
    connection.execute(WITHOUT_KINSHIP)
    connection.close()
    return path


def kin(store):
    """Children, listed parents and schemas, as one handle tells them."""
    with store.view() as view:
        listed = {entry.realm: entry.parent for entry in view.realms() if entry.parent}
        return list(view.children(TOP)), listed, list(view.schemas(ONE))


def is_kept(path):
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return kinship.is_kept(connection)
    finally:
        connection.close()


# --- stores of an earlier build ----------------------------------------------------------


@pytest.mark.parametrize("read_only", [True, False])
def test_an_older_store_is_read_as_it_is(opened, old, read_only):
    """Parents come from the documents, and there are no schemas; reading adds nothing."""
    store = opened(read_only=read_only)
    assert kin(store) == ([ONE, TWO], {ONE: TOP, TWO: TOP}, [])
    with store.view() as view, pytest.raises(StoreCorrupt):
        view.schema("ab" * 32)
    with store.view() as view:
        assert [step.revision.generation for step in view.steps({ONE: 0}, limit=9)] == [1, 2]
    store.close()
    assert not is_kept(old)


def test_the_first_write_brings_an_older_store_up_to_date(opened, old):
    """Whoever wrote it, every handle goes on, with points from before and after."""
    reader, writer = opened(), opened()
    with reader.view() as before:
        assert list(before.children(TOP)) == [ONE, TWO]
        append(writer, ONE, below(ONE, TOP), schemas=[schema_of("a")])
        append(writer, TWO, {})
        assert list(before.children(TOP)) == [ONE, TWO]
        assert list(before.schemas(ONE)) == []
    known = [schema_digest(schema_of("a"))]
    for store in (reader, writer, opened(), opened(read_only=True)):
        assert kin(store) == ([ONE], {ONE: TOP}, known)
        with store.view() as view:
            assert view.schema(known[0]) == schema_of("a")
    append(reader, TWO, below(TWO, TOP), schemas=[schema_of("b")])
    assert kin(writer) == ([ONE, TWO], {ONE: TOP, TWO: TOP}, known)


def test_bringing_up_to_date_is_all_or_nothing(opened, old, monkeypatch):
    """What fails in the middle leaves the older store, and the next write does it."""
    store = opened()

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(kinship, "set_parent", fail)
        with pytest.raises(KeyboardInterrupt):
            append(store, ONE, {})
    assert kin(store) == ([ONE, TWO], {ONE: TOP, TWO: TOP}, [])
    assert store.head(ONE).generation == 2
    append(store, RealmName("more"), below("more", TOP))
    assert kin(store)[0] == ["more", ONE, TWO]


def test_a_backup_of_an_older_store(opened, old, tmp_path):
    """It has no schemas, and can be read."""
    store = opened(read_only=True)
    path = str(tmp_path / "copy")
    store.backup(path)
    assert store.schemas_in(path) == {}
    assert len(list(store.revisions_in(path))) == 6


# --- what it costs -----------------------------------------------------------------------


class Statements:
    """The statements that a connection runs, inside ``with``."""

    def __init__(self, connection):
        self._connection = connection
        self.seen = []

    def __enter__(self):
        self._connection.exec_trace = self._note
        return self.seen

    def __exit__(self, *_):
        self._connection.exec_trace = None

    def _note(self, _, text, bindings):
        self.seen.append(" ".join(text.split()[:2]))
        return True


def test_a_common_write_is_one_statement(opened):
    """Also of a realm with a parent and schemas: only what changes them takes a transaction."""
    store = opened()
    append(store, ONE, below(ONE, TOP), schemas=[schema_of("a")])
    append(store, ONE, below(ONE, TOP, n=1))
    writer = store._place.session.writer
    with Statements(writer) as seen:
        append(store, ONE, below(ONE, TOP, n=2), schema_digest=schema_digest(schema_of("a")))
    assert seen == ["INSERT INTO"]
    with Statements(writer) as seen:
        append(store, ONE, {"n": 3})
    assert seen == ["BEGIN IMMEDIATE", "INSERT INTO", "UPDATE realm", "COMMIT"]


def test_questions_cost_few_statements(opened):
    """However many realms are asked for, and however long their histories are."""
    store = opened()
    names = [RealmName(f"realm-{number}") for number in range(18)]
    for name in names:
        append(store, name, below(name, TOP))
    grow(store, ONE, 100)
    with store.view() as view:
        with Statements(view.connection) as seen:
            assert len(view.children(TOP)) == 18
        assert len(seen) == 1
        with Statements(view.connection) as seen:
            assert len(view.steps(dict.fromkeys(names, 0), limit=9)) == 9
        assert len(seen) == 2
        view.head(ONE)
        with Statements(view.connection) as seen:
            assert view.position(ONE, 50) == 68
        assert len(seen) == 1
        with Statements(view.connection) as seen:
            assert view.as_of(ONE, 118).generation == 100
        assert len(seen) == 2
        with Statements(view.connection) as seen:
            assert view.as_of(ONE, 68).generation == 50
        assert len(seen) <= 3 + 8


def test_no_question_looks_through_everything(opened):
    """Each is answered from an index."""
    store = opened()
    append(store, ONE, below(ONE, TOP), schemas=[schema_of("a")])
    with store.view() as view:
        connection = view.connection
        asked = []

        def note(_, text, bindings):
            asked.append((text, bindings))
            return True

        connection.exec_trace = note
        view._ids.clear()
        view.children(TOP), view.schemas(ONE), view.schema(view.schemas(ONE)[0])
        view.position(ONE, 1), view.as_of(ONE, 0), view.steps({ONE: 0, TWO: 5}, limit=3)
        connection.exec_trace = None
        for text, bindings in asked:
            for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", bindings):
                assert not row[3].startswith("SCAN realm"), (text, row)
                assert not row[3].startswith("SCAN revision"), (text, row)
                assert not row[3].startswith("SCAN schema"), (text, row)


def test_one_transaction_over_two_realms(opened):
    """A parent and its child, both new, with a schema that is kept once and told by both."""
    store = opened()

    def judge(view):
        first = appending(ONE, below(ONE, TOP), schemas=[schema_of("a")])(view)
        return [*first, *appending(TWO, below(TWO, ONE), schemas=[schema_of("a")])(view)]

    store.apply([ONE, TWO], judge, deadline=soon())
    assert kin(store) == ([ONE], {ONE: TOP, TWO: ONE}, [schema_digest(schema_of("a"))])
