"""Records that realmconf keeps for itself: seen by nothing that handles realms."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from realmconf.domain.names import LIMITS, PLANS, TOKENS, RealmName
from realmconf.errors import (
    InvalidArgument,
    InvalidRealm,
    LimitExceeded,
    LockTimeout,
    OutcomeUnknown,
)
from realmconf.runtime.client import Client, connect
from realmconf.runtime.ledger import Ledger, seconds_left_of_minute
from realmconf.runtime.world import WORLD
from realmconf.stores.memory import open_store

REVISIONS_KEPT = 4


def ledger(client: Client, *, revisions_kept: int | None = None) -> Ledger:
    return Ledger(client.store, PLANS, world=client.world, revisions_kept=revisions_kept)


def put(record: Ledger, client: Client, **members: Any) -> None:
    record.update(
        lambda kept: kept.update(members),
        author="ada",
        surface="http",
        message="put",
        deadline=client.deadline(None),
    )


def test_a_record_is_one_object_until_it_changes(client):
    """So that whoever makes something of it can tell by a look whether to make it anew."""
    record = ledger(client)
    assert record.read() == {}
    put(record, client, a=1)
    first = record.read()
    assert first == {"a": 1}
    assert record.read() is first
    put(record, client, b=2)
    assert record.read() == {"a": 1, "b": 2}


def test_changes_come_one_after_another(client):
    """Each is made of what the one before has left, whoever made it."""
    record = ledger(client)

    def count() -> None:
        for _ in range(20):
            record.update(
                lambda kept: kept.update(n=kept.get("n", 0) + 1),
                author="ada",
                surface="http",
                message="",
                deadline=client.deadline(None),
            )

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record.read() == {"n": 60}


def test_what_a_change_raises_changes_nothing(client):
    """And is raised to whoever asked for it; what changes nothing makes no revision."""
    record = ledger(client)
    put(record, client, a=1)

    def fail(kept: dict[str, Any]) -> None:
        kept.clear()
        raise LookupError

    with pytest.raises(LookupError):
        record.update(
            fail, author="ada", surface="http", message="", deadline=client.deadline(None)
        )
    put(record, client, a=1)
    assert client.store.head(PLANS, adopt=False).generation == 1
    with pytest.raises(LimitExceeded):
        put(record, client, much="x" * LIMITS.document_bytes)
    assert record.read() == {"a": 1}


def test_a_record_that_is_compacted_keeps_few_revisions(client):
    """What was there before is of no use to anybody; a record that is not keeps all, for whoever audits it."""
    short = ledger(client, revisions_kept=REVISIONS_KEPT)
    full = Ledger(client.store, TOKENS, world=client.world)
    for number in range(2 * REVISIONS_KEPT + 5):
        put(short, client, n=number)
        put(full, client, n=number)
    with client.store.view() as view:
        assert len(view.revisions(PLANS, newest_first=True)) <= 2 * REVISIONS_KEPT
        assert view.head(PLANS).floor > 1
        assert view.head(TOKENS).floor == 1
        assert view.head(PLANS).revision.document == {"n": 2 * REVISIONS_KEPT + 4}


def test_a_record_that_cannot_be_compacted_is_changed_all_the_same():
    """The change is made, and its maker is told so: what is too much goes with a later one."""

    class Busy:
        def __init__(self) -> None:
            self.inner = open_store("", options={}, limits=LIMITS)
            self.is_busy = True

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def compact(self, *given: Any, **options: Any) -> Any:
            if self.is_busy:
                raise LockTimeout(waited_seconds=1.0)
            return self.inner.compact(*given, **options)

    store: Any = Busy()
    client = Client(store)
    record = ledger(client, revisions_kept=REVISIONS_KEPT)
    for number in range(3 * REVISIONS_KEPT):
        store.is_busy = number < 3 * REVISIONS_KEPT - 1
        put(record, client, n=number)
        head = store.head(PLANS, adopt=False)
        assert head.revision.document == {"n": number}
    assert head.generation - store.head(PLANS, adopt=False).floor == REVISIONS_KEPT


def test_what_is_left_of_a_minute():
    """Whoever has to wait is told for how long: until a minute has passed, and never for no time at all."""
    begun = "2026-11-28T13:05:08.500000Z"
    assert seconds_left_of_minute(begun, begun) == 60
    assert seconds_left_of_minute(begun, "2026-11-28T13:05:38.000000Z") == 30.5
    assert seconds_left_of_minute(begun, "2026-11-28T13:06:08.400000Z") == 1
    assert seconds_left_of_minute(begun, "2026-11-28T14:06:08.400000Z") == 1


def test_a_change_that_was_made_and_not_acknowledged_is_no_failure():
    """It is looked for by its id before its maker is told that nobody knows."""

    class Doubtful:
        def __init__(self, *, applies: bool) -> None:
            self.inner = open_store("", options={}, limits=LIMITS)
            self.applies = applies

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def apply(self, *given: Any, **options: Any) -> Any:
            if self.applies:
                self.inner.apply(*given, **options)
            raise OutcomeUnknown("w")

    for applies in (True, False):
        store: Any = Doubtful(applies=applies)
        record = Ledger(store, PLANS, world=WORLD)

        def change(record: Ledger = record) -> None:
            record.update(
                lambda kept: kept.update(a=1),
                author="ada",
                surface="http",
                message="",
                deadline=WORLD.monotonic_seconds() + 5,
            )

        if applies:
            change()
            assert record.read() == {"a": 1}
        else:
            with pytest.raises(OutcomeUnknown):
                change()


# --- what nobody is told of ----------------------------------------------------------


def kept_beside(client: Client) -> None:
    put(Ledger(client.store, TOKENS, world=client.world), client, t={"id": "t"})
    put(ledger(client), client, p={"id": "p"})
    client.realm("team").set({"a": 1})


def test_no_name_reaches_a_record():
    """Whatever reads a realm's name refuses theirs, so that no document can inherit from one either."""
    for name in (TOKENS, PLANS):
        for text in (name, str(name)):
            with pytest.raises(InvalidRealm):
                RealmName(text)


def test_no_list_and_no_export_has_a_record(client):
    """Nor the heirs of global, nor what is compacted, checked or told of."""
    kept_beside(client)
    assert [entry.realm for entry in client.realms()] == ["team"]
    assert [entry.realm for entry in client.realms(limit=1)] == ["team"]
    assert client.descendants("global") == ["team"]
    assert not [line for line in client.export() if "_tokens" in line or "_plans" in line]
    for compaction in client.compact(keep=1):
        assert compaction.realm == "team"


def test_a_restore_leaves_the_records_as_they_are(tmp_path):
    """A token that was revoked since the backup does not come back to life."""
    with connect(str(tmp_path / "realms"), author="ada") as client:
        kept_beside(client)
        client.backup(str(tmp_path / "copy"))
        record = Ledger(client.store, TOKENS, world=client.world)
        record.update(
            lambda kept: kept.clear(),
            author="ada",
            surface="http",
            message="",
            deadline=client.deadline(None),
        )
        client.realm("team").set({"a": 2})
        client.restore(str(tmp_path / "copy"))
        assert client.realm("team").get().document == {"a": 1}
        assert record.read() == {}
    with connect(str(tmp_path / "other"), author="ada") as other:
        other.restore(str(tmp_path / "copy"))
        assert Ledger(other.store, TOKENS, world=other.world).read() == {}


def test_an_import_takes_no_record_in(tmp_path):
    """Not even from a file that somebody has written by hand."""
    with connect(str(tmp_path / "realms"), author="ada") as client:
        client.realm("team").set({"a": 1})
        lines = [line.replace('"team"', '"_tokens"') for line in client.export()]
        with pytest.raises(InvalidArgument):
            client.import_(lines)
        with pytest.raises(InvalidRealm):
            client.import_(client.export(), names={"team": "_tokens"})


def test_a_record_has_no_folder_and_wakes_no_watcher_of_realms(tmp_path):
    """Nor a working copy, nor a line in the checks of a store."""
    from realmconf.runtime.checkup import examine_realms

    root = tmp_path / "realms"
    with connect(str(root), author="ada") as client:
        client.realm("team").set({"a": 1})
        with client.realm("team").watch(view="effective", timeout=0) as steps:
            put(Ledger(client.store, TOKENS, world=client.world), client, t=1)
            put(ledger(client), client, p=1)
            assert list(steps) == []
        client.publish()
        assert sorted(os.listdir(root)) == [".store", "team"]
        told = [f"{finding.subject} {finding.text}" for finding in examine_realms(client)]
        assert not [line for line in told if "_tokens" in line or "_plans" in line]
        client.realm("team").verify()


def test_a_reader_of_a_store_that_it_may_not_write_reads_records(tmp_path):
    """Whoever may only read can still tell a good token from a bad one."""
    root = str(tmp_path / "realms")
    with connect(root, author="ada") as client:
        put(ledger(client), client, p=1)
        client.realm("team").set({"a": 1})
    with connect(root, read_only=True) as reader:
        assert ledger(reader).read() == {"p": 1}
