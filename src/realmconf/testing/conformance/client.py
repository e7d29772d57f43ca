"""What callers of the client are promised, over whatever store is below."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from realmconf.errors import (
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    InvalidDocument,
    InvalidPatch,
    InvalidPointer,
    InvalidRealm,
    LimitExceeded,
    PatchInapplicable,
    PatchTestFailed,
    RealmconfError,
    RealmNotFound,
    RevisionNotFound,
    TimelineChanged,
    WriteIdReused,
    WriteIdVoid,
)
from realmconf.runtime.client import Client
from realmconf.testing.conformance.base import (
    ONE,
    TIMEOUT_SECONDS,
    StoreSuite,
    holds,
    in_threads,
    proved,
    soon,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.stores.protocol import Store

    Realm = ConfigRuntime[Mapping[str, Any]]

REALM = "team-alpha"
DOCUMENT: dict[str, Any] = {"agent": {"model": "m", "tools": ["a", "b"]}, "limit": 1, "rate": 1.0}


class ClientSuite(StoreSuite):
    """The verbs of one realm and of the client: what they answer, refuse and leave alone."""

    @pytest.fixture
    def client(self, store: Store) -> Iterator[Client]:
        """A client of the empty store."""
        client = Client(store)
        yield client
        client.close()

    @pytest.fixture
    def others(self, other: Store) -> Iterator[Client]:
        """Another client of the same store."""
        client = Client(other)
        yield client
        client.close()

    @pytest.fixture
    def realm(self, client: Client) -> Realm:
        """One realm, never written."""
        return client.realm(REALM)

    # --- reading --------------------------------------------------------------------------

    def test_never_written(self, realm: Realm) -> None:
        """A realm never written reads as generation 0, ``exists=False``, empty."""
        snapshot = realm.get()
        assert (snapshot.generation, snapshot.exists, snapshot.config) == (0, False, {})
        assert snapshot.revision is None
        assert realm.current == {}
        assert realm.history() == []

    def test_a_snapshot_says_what_it_is(self, realm: Realm) -> None:
        """A snapshot has its document, generation, realm, etag and the revision that made it."""
        written = realm.set(DOCUMENT, message="because", author="me", write_id="mine")
        snapshot = realm.get()
        assert snapshot.document == DOCUMENT
        assert snapshot.config == DOCUMENT
        assert (snapshot.realm_id, snapshot.generation, snapshot.exists) == (REALM, 1, True)
        assert snapshot.etag == written.etag
        assert snapshot.etag.strip('"').startswith("1-")
        revision = snapshot.revision
        assert revision is not None
        assert (revision.message, revision.author, revision.write_id) == ("because", "me", "mine")
        assert (revision.kind, revision.surface) == ("set", "sdk")

    def test_what_is_given_out_cannot_be_changed(self, realm: Realm) -> None:
        """Snapshots are immutable, and do not share the caller's own objects."""
        mine: dict[str, Any] = {"list": [1], "object": {"a": 1}}
        realm.set(mine)
        mine["list"].append(2)
        mine["object"]["a"] = 2
        snapshot = realm.get()
        assert snapshot.document == {"list": [1], "object": {"a": 1}}
        with pytest.raises((TypeError, AttributeError)):
            snapshot.document["list"] = []  # type: ignore[index]
        with pytest.raises((TypeError, AttributeError)):
            snapshot.document["list"].append(2)
        assert realm.get().document == {"list": [1], "object": {"a": 1}}

    def test_current_follows_every_write(self, realm: Realm, others: Client) -> None:
        """
        G3: ``get`` shows a write as soon as it was acknowledged, to any client, and so does ``current`` where it is
        proved; where it is what was last known, the writer's shows it at once and others' soon.
        """
        theirs = others.realm(REALM)
        is_proved = realm.client.info.current == "proved"
        for number in range(1, 40):
            writer, reader = (realm, theirs) if number % 2 else (theirs, realm)
            writer.set({"n": number})
            assert writer.current == {"n": number}
            deadline = soon()
            while not is_proved and reader.current != {"n": number}:
                assert time.monotonic() < deadline, "it is never heard of"
                time.sleep(0.001)
            assert reader.current == {"n": number}
            assert realm.get().generation == theirs.get().generation == number
            assert (reader.current_age == 0.0) or not is_proved

    def test_history_and_at(self, realm: Realm) -> None:
        """``history`` is newest first, in pages; ``at`` is the realm as it was."""
        for number in range(1, 8):
            realm.set({"n": number})
        assert [one.generation for one in realm.history()] == [7, 6, 5, 4, 3, 2, 1]
        assert [one.generation for one in realm.history(limit=2)] == [7, 6]
        assert [one.generation for one in realm.history(limit=3, before=5)] == [4, 3, 2]
        assert realm.at(3).document == {"n": 3}
        assert realm.at(3).generation == 3
        for generation in (8, 2**53 - 1):
            with pytest.raises(RevisionNotFound):
                realm.at(generation)

    def test_diff(self, realm: Realm) -> None:
        """``diff`` lists leaves that differ, with both values; arrays are values."""
        realm.set({"a": {"b": 1, "c": 2}, "list": [1]})
        realm.set({"a": {"b": 1, "c": 3}, "list": [1, 2], "new": True})
        changed = {str(one.pointer): (one.before, one.after) for one in realm.diff(1, 2)}
        assert changed["/a/c"] == (2, 3)
        assert changed["/list"] == ([1], [1, 2])
        assert changed["/new"][1] is True
        assert len(changed) == 3

    def test_verify(self, realm: Realm) -> None:
        """G14: the chain of digests verifies, over tombstones and rollbacks."""
        realm.set(DOCUMENT)
        realm.delete()
        realm.rollback(to=1)
        realm.verify()
        digests = [(one.previous, one.digest) for one in reversed(realm.history())]
        assert all(later[0] == earlier[1] for earlier, later in pairwise(digests))

    # --- writing ---------------------------------------------------------------------------

    def test_each_verb_appends_one_generation(self, realm: Realm) -> None:
        """Every verb appends the next revision, of its own kind, and returns the head after it."""
        steps: list[tuple[Callable[[], Any], str, Any]] = [
            (lambda: realm.set({"a": {"b": 1}}), "set", {"a": {"b": 1}}),
            (lambda: realm.set_value("a.c", 2), "patch", {"a": {"b": 1, "c": 2}}),
            (lambda: realm.set_value("/a/x~1y", 3), "patch", {"a": {"b": 1, "c": 2, "x/y": 3}}),
            (lambda: realm.unset('a."x/y"'), "patch", {"a": {"b": 1, "c": 2}}),
            (lambda: realm.patch({"a": {"b": None}, "d": 4}), "patch", {"a": {"c": 2}, "d": 4}),
            (
                lambda: realm.json_patch([{"op": "move", "from": "/d", "path": "/e"}]),
                "json_patch",
                {"a": {"c": 2}, "e": 4},
            ),
            (
                lambda: realm.update(lambda draft: draft.update(f=5)),
                "set",
                {"a": {"c": 2}, "e": 4, "f": 5},
            ),
            (lambda: realm.update(lambda draft: {"only": draft["f"]}), "set", {"only": 5}),
            (lambda: realm.rollback(to=1), "rollback", {"a": {"b": 1}}),
            (realm.delete, "delete", None),
            (lambda: realm.rollback(to=9), "rollback", {"a": {"b": 1}}),
        ]
        for generation, (act, kind, document) in enumerate(steps, start=1):
            written = act()
            assert (written.generation, written.changed) == (generation, True)
            assert written.revision is not None
            assert written.revision.kind == kind
            assert written.exists == (document is not None)
            assert (written.document if written.exists else None) == document
            assert realm.get().etag == written.etag

    def test_changing_nothing(self, realm: Realm) -> None:
        """A write that changes nothing appends nothing, after its precondition was checked."""
        realm.set(DOCUMENT)
        repeated: list[Callable[..., Any]] = [
            lambda **options: realm.set(DOCUMENT, **options),
            lambda **options: realm.patch({"limit": 1}, **options),
            lambda **options: realm.set_value("limit", 1, **options),
            lambda **options: realm.unset("nowhere.at.all", **options),
            lambda **options: realm.update(lambda draft: None, **options),
            lambda **options: realm.rollback(to=1, **options),
        ]
        for act in repeated:
            same = act()
            assert (same.changed, same.generation) == (False, 1)
            assert act(expected_generation=1).changed is False
            with pytest.raises(GenerationConflict):
                act(expected_generation=0)
        assert len(realm.history()) == 1

    def test_types_are_values(self, realm: Realm) -> None:
        """1, 1.0 and true differ: putting one for the other is a change."""
        for generation, value in enumerate([1, 1.0, True, "1", [1], [1.0]], start=1):
            assert realm.set({"x": value}).generation == generation
            assert repr(realm.get().document) == repr(realm.at(generation).document)
            found = realm.current["x"]
            assert found == value
            assert isinstance(found, type(value))

    def test_an_expected_generation(self, realm: Realm, others: Client) -> None:
        """G1: the write happens only at the expected generation; the conflict carries both numbers."""
        realm.set({"n": 1}, expected_generation=0)
        others.realm(REALM).set({"n": 2}, expected_generation=1)
        for expected in (0, 1, 3, 2**53 - 1):
            with pytest.raises(GenerationConflict) as lost:
                realm.set({"n": 9}, expected_generation=expected)
            assert (lost.value.expected, lost.value.current) == (expected, 2)
            assert str(lost.value).startswith(
                f"generation conflict: expected {expected}, current 2"
            )
        assert realm.get().document == {"n": 2}

    def test_an_expected_snapshot_or_etag(self, realm: Realm) -> None:
        """A snapshot and an etag are preconditions too, and an etag of another history is told apart."""
        first = realm.set({"n": 1})
        realm.set({"n": 2}, expected=first)
        second = realm.get()
        realm.set({"n": 3}, expected=second.etag)
        for stale in (first, second.etag):
            with pytest.raises(GenerationConflict):
                realm.set({"n": 9}, expected=stale)
        with pytest.raises(TimelineChanged):
            realm.set({"n": 9}, expected=f"3-{'0' * 12}")

    def test_create(self, realm: Realm) -> None:
        """``create`` needs that there is no live document: never written, or deleted."""
        assert realm.set({"n": 1}, create=True).generation == 1
        with pytest.raises(GenerationConflict):
            realm.set({"n": 2}, create=True)
        realm.delete()
        assert realm.set({"n": 3}, create=True).generation == 3

    @pytest.mark.parametrize("expected", [-1, 1.0, "5", True, 2**63, [1], b"1"])
    def test_a_malformed_expectation(self, realm: Realm, expected: Any) -> None:
        """G12: a precondition that does not parse is an error, never ignored."""
        with pytest.raises(InvalidArgument):
            realm.set({"n": 1}, expected_generation=expected)
        assert realm.get().generation == 0

    @pytest.mark.parametrize(
        "document",
        [
            {"a": None},
            {"a": [None]},
            {"a": float("nan")},
            {"a": float("inf")},
            {"a": 2**63},
            {"a": "\ud800"},
            {1: 2},
            {"a": object()},
            {"a": {1, 2}},
            [1],
            "text",
            None,
        ],
        ids=lambda document: type(document).__name__,
    )
    def test_what_is_no_document(self, realm: Realm, document: Any) -> None:
        """G12: nulls, non-finite and oversized numbers, halves of characters and foreign types are refused."""
        with pytest.raises((InvalidDocument, InvalidArgument)):
            realm.set(document)
        assert realm.get().generation == 0

    def test_what_is_too_large(self, realm: Realm) -> None:
        """G12: a document beyond a limit is refused and changes nothing."""
        deep: dict[str, Any] = {}
        for _ in range(100):
            deep = {"a": deep}
        too_large = [
            {"a": "x" * 1_100_000},
            {str(number): 1 for number in range(50_001)},
            deep,
            {"k" * 600: 1},
        ]
        for document in too_large:
            with pytest.raises((LimitExceeded, InvalidDocument)):
                realm.set(document)
        assert realm.get().generation == 0

    def test_json_patch_that_does_not_fit(self, realm: Realm) -> None:
        """A failed ``test``, a missing place and a malformed operation are told apart; nothing is applied."""
        realm.set({"a": 1})
        add = {"op": "add", "path": "/b", "value": 2}
        with pytest.raises(PatchTestFailed):
            realm.json_patch([add, {"op": "test", "path": "/a", "value": 2}])
        with pytest.raises(PatchInapplicable):
            realm.json_patch([add, {"op": "remove", "path": "/nowhere"}])
        with pytest.raises((InvalidPatch, InvalidPointer)):
            realm.json_patch([add, {"op": "fly", "path": "/a"}])
        assert realm.get().document == {"a": 1}

    def test_update_runs_on_the_head(self, client: Client, others: Client) -> None:
        """G1: counters raised by ``update`` in several threads and clients lose nothing."""

        def raise_by_one(draft: dict[str, Any]) -> None:
            draft["n"] = draft.get("n", 0) + 1

        def act(index: int) -> None:
            realm = (client, others)[index % 2].realm(REALM)
            for _ in range(10):
                realm.update(raise_by_one, timeout=TIMEOUT_SECONDS)

        in_threads(6, act)
        snapshot = client.realm(REALM).get()
        assert (snapshot.document, snapshot.generation) == ({"n": 60}, 60)

    def test_update_that_fails(self, realm: Realm, client: Client) -> None:
        """What ``change`` raises is raised; a write from inside it is ``invalid_argument``; nothing happened."""
        realm.set({"n": 1})

        def divide(draft: dict[str, Any]) -> None:
            draft["n"] = 1 / 0

        def write(draft: dict[str, Any]) -> None:
            client.realm("another").set({"n": 1})

        with pytest.raises(ZeroDivisionError):
            realm.update(divide)
        with pytest.raises(InvalidArgument):
            realm.update(write)
        assert realm.get().generation == 1
        assert client.realm("another").get().generation == 0
        assert realm.set({"n": 2}).generation == 2

    def test_delete_of_nothing(self, realm: Realm) -> None:
        """Deleting a realm never written is ``realm_not_found``; deleting twice changes nothing."""
        with pytest.raises(RealmNotFound):
            realm.delete()
        realm.set({"n": 1})
        assert realm.delete().generation == 2
        again = realm.delete()
        assert (again.generation, again.changed) == (2, False)

    def test_rollback_to_what_is_not_there(self, realm: Realm) -> None:
        """``revision_not_found``, and nothing changed."""
        realm.set({"n": 1})
        for to in (2, 99):
            with pytest.raises(RevisionNotFound):
                realm.rollback(to=to)
        assert realm.get().generation == 1

    def test_a_dry_run(self, realm: Realm) -> None:
        """A dry run decides everything and appends nothing."""
        realm.set({"n": 1})
        plan = realm.set({"n": 2}, dry_run=True, write_id="dry")
        assert plan.generation == 2
        assert [str(one.pointer) for one in plan.changes] == ["/n"]
        with pytest.raises(GenerationConflict):
            realm.set({"n": 2}, dry_run=True, expected_generation=0)
        assert realm.get().generation == 1
        assert realm.set({"n": 3}, write_id="dry").generation == 2

    # --- rebase ------------------------------------------------------------------------------

    def test_a_rebase_of_what_does_not_overlap(self, realm: Realm) -> None:
        """A write against an older generation is applied to the head if nothing it touches has changed."""
        realm.set({"a": {"x": 1, "y": 1}, "b": 1})
        realm.patch({"a": {"x": 2}})
        written = realm.patch({"b": 2, "a": {"y": 2}}, expected_generation=1, on_conflict="rebase")
        assert written.document == {"a": {"x": 2, "y": 2}, "b": 2}
        assert (written.generation, written.rebased_from) == (3, 1)
        whole = realm.set(
            {"a": {"x": 1, "y": 1}, "b": 1, "c": 1}, expected_generation=1, on_conflict="rebase"
        )
        assert whole.document == {"a": {"x": 2, "y": 2}, "b": 2, "c": 1}

    def test_a_rebase_of_what_overlaps(self, realm: Realm) -> None:
        """A conflict names the contested pointers and who changed them, parents and children included."""
        realm.set({"a": {"x": 1}, "b": 1})
        realm.patch({"a": {"x": 2}}, author="them", message="theirs")
        for patch in ({"a": {"x": 3}}, {"a": None}, {"a": 1}):
            with pytest.raises(GenerationConflict) as lost:
                realm.patch(patch, expected_generation=1, on_conflict="rebase")
            (entry,) = lost.value.contested
            assert entry["pointer"].startswith("/a")
            assert (entry["generation"], entry["author"], entry["message"]) == (2, "them", "theirs")
        with pytest.raises(GenerationConflict):
            realm.patch({"b": 2}, expected_generation=1, on_conflict="rebase", depends_on=["a.x"])
        realm.delete()
        realm.set({"b": 1})
        with pytest.raises(GenerationConflict):
            realm.patch({"b": 2}, expected_generation=2, on_conflict="rebase")

    def test_a_rebase_needs_an_expectation(self, realm: Realm) -> None:
        """A rebase without an expected generation is ``invalid_argument``."""
        realm.set({"a": 1})
        with pytest.raises(InvalidArgument):
            realm.patch({"a": 2}, on_conflict="rebase")
        with pytest.raises(InvalidArgument):
            realm.patch({"a": 2}, expected_generation=1, on_conflict="overwrite")

    # --- write ids -----------------------------------------------------------------------------

    def test_a_retry_gets_the_first_answer(self, realm: Realm, others: Client) -> None:
        """G6: the same id and request answers as the first time, whatever has happened since."""
        first = realm.patch({"n": 1}, write_id="mine", expected_generation=0)
        realm.set({"n": 2})
        again = others.realm(REALM).patch({"n": 1}, write_id="mine", expected_generation=0)
        assert again.generation == first.generation == 1
        assert realm.get().generation == 2
        with pytest.raises(WriteIdReused):
            realm.patch({"n": 3}, write_id="mine", expected_generation=0)
        with pytest.raises(WriteIdReused):
            realm.patch({"n": 1}, write_id="mine")

    def test_settling(self, realm: Realm, others: Client) -> None:
        """G6: ``settle`` says committed with its generation, else makes sure that it never will be."""
        realm.set({"n": 1}, write_id="done")
        settled = others.realm(REALM).settle("done")
        assert (type(settled).__name__, getattr(settled, "generation", None)) == ("Committed", 1)
        assert type(realm.settle("late")).__name__ == "Void"
        for runtime in (realm, others.realm(REALM)):
            with pytest.raises(WriteIdVoid):
                runtime.set({"n": 2}, write_id="late")
        assert realm.get().generation == 1

    # --- watching --------------------------------------------------------------------------------

    def test_a_watch_misses_nothing(self, realm: Realm, others: Client) -> None:
        """G7: every generation after the cursor, in order, once, tombstones included."""
        realm.set({"n": 1})
        seen: list[tuple[int, bool]] = []
        done = threading.Event()

        def watch() -> None:
            for snapshot in realm.watch(after=0, view="own", timeout=TIMEOUT_SECONDS):
                seen.append((snapshot.generation, snapshot.exists))
                if len(seen) == 30:
                    break
            done.set()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        for number in range(2, 31):
            if number == 15:
                others.realm(REALM).delete()
            else:
                others.realm(REALM).set({"n": number})
        assert done.wait(TIMEOUT_SECONDS)
        assert seen == [(number, number != 15) for number in range(1, 31)]

    def test_a_watch_resumes(self, realm: Realm) -> None:
        """G7: a snapshot, its cursor, its etag and a generation are places to go on from."""
        for number in range(1, 6):
            realm.set({"n": number})
        (third,) = _first(realm.watch(after=2, view="own", timeout=5), 1)
        for after in (third, third.cursor, 3):
            assert [
                one.generation for one in _first(realm.watch(after=after, view="own", timeout=5), 2)
            ] == [4, 5]

    def test_a_watch_below_the_floor_is_reset(self, realm: Realm, client: Client) -> None:
        """G7: a cursor below the floor gives an explicit reset at the head, never a silent gap."""
        for number in range(1, 6):
            realm.set({"n": number})
        client.compact(keep=1)
        (first,) = _first(realm.watch(after=1, view="own", timeout=5), 1)
        assert first.reset
        assert first.generation == 5

    def test_on_change(self, realm: Realm, others: Client) -> None:
        """``on_change`` calls back with the new configuration until cancelled."""
        called = threading.Event()
        seen: list[Any] = []

        def callback(snapshot: Any) -> None:
            seen.append(snapshot.config)
            called.set()

        handle = realm.on_change(callback)
        try:
            others.realm(REALM).set({"n": 1})
            assert called.wait(TIMEOUT_SECONDS)
            assert seen[-1] == {"n": 1}
        finally:
            handle.cancel()

    # --- the client ---------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "name", ["", "-a", "_a", "a/b", "..", "a b", "é", "x" * 65, "0" * 32, "a\n", "ſ"]
    )
    def test_what_is_no_realm_name(self, client: Client, name: str) -> None:
        """G12: a name outside the grammar is ``invalid_realm`` before anything is touched."""
        with pytest.raises(InvalidRealm):
            client.realm(name)

    def test_a_transaction(self, client: Client, others: Client) -> None:
        """All or none, one write id, each part with its own precondition."""
        if client.info.transaction_realms_max < 2:
            return
        client.realm("a").set({"n": 1})
        client.transaction(
            [("a", {"patch": {"n": 2}, "expected_generation": 1}), ("b", {"set": {"n": 1}})],
            message="both",
            write_id="both",
        )
        assert others.realm("a").get().document == {"n": 2}
        assert others.realm("b").get().document == {"n": 1}
        assert {others.realm(name).history()[0].write_id for name in "ab"} == {"both"}
        with pytest.raises(GenerationConflict):
            client.transaction(
                [("b", {"set": {"n": 9}}), ("a", {"set": {"n": 9}, "expected_generation": 1})]
            )
        assert (client.realm("a").get().generation, client.realm("b").get().generation) == (2, 1)

    def test_rename_and_copy(self, client: Client, others: Client) -> None:
        """G2: a rename moves the history and both names go on counting; a copy starts one of its own."""
        client.realm("old").set({"n": 1})
        client.realm("old").set({"n": 2})
        client.rename("old", "new")
        moved = others.realm("new").get()
        assert (moved.document, moved.generation) == ({"n": 2}, 3)
        assert not others.realm("old").get().exists
        assert others.realm("old").set({"n": 9}).generation > 2
        assert others.realm("new").at(1).document == {"n": 1}
        client.copy("new", "copied")
        assert others.realm("copied").get().document == {"n": 2}
        with pytest.raises(RealmconfError):
            client.copy("new", "copied")
        for name in ("new", "copied", "old"):
            client.realm(name).verify()

    def test_compaction(self, realm: Realm, client: Client) -> None:
        """What is compacted is typed as such; the head, the numbers and the receipts stay."""
        realm.set({"n": 1}, write_id="first")
        for number in range(2, 6):
            realm.set({"n": number})
        client.compact(keep=2)
        assert [one.generation for one in realm.history()] == [5, 4]
        for act in (lambda: realm.at(1), lambda: realm.rollback(to=1), lambda: realm.diff(1, 5)):
            with pytest.raises(HistoryCompacted):
                act()
        assert realm.set({"n": 1}, write_id="first").generation == 1
        assert realm.set({"n": 6}).generation == 6
        realm.verify()

    def test_purge(self, realm: Realm, client: Client) -> None:
        """G14: a purged document is gone from every answer, and the chain verifies."""
        realm.set({"token": "CANARY"})
        realm.set({"token": "other"})
        client.purge(REALM, 1)
        assert "CANARY" not in repr([one.document for one in realm.history()])
        with pytest.raises(RealmconfError):
            realm.rollback(to=1)
        realm.verify()

    def test_a_backup_restores(self, realm: Realm, client: Client, tmp_path: Path) -> None:
        """G2: ``restore`` brings documents back as new revisions, above everything known."""
        realm.set({"n": 1})
        path = str(tmp_path / "backup")
        client.backup(path)
        realm.set({"n": 2})
        realm.delete()
        proofs = [
            proved(client.store, realms) for realms in ([realm.realm_id], [ONE, realm.realm_id])
        ]
        client.restore(path)
        assert not any(map(holds, proofs))
        restored = realm.get()
        assert restored.document == {"n": 1}
        assert restored.generation == 4
        realm.verify()

    def test_realms_are_listed(self, client: Client) -> None:
        """Every realm ever written, by name, with its generation, in pages."""
        for name in ("b", "a", "c"):
            client.realm(name).set({"n": 1})
        client.realm("b").delete()
        listed = [(one.realm, one.generation, one.exists) for one in client.realms()]
        assert listed == [("a", 1, True), ("b", 2, False), ("c", 1, True)]
        assert [one.realm for one in client.realms(after="a", limit=1)] == ["b"]

    def test_a_required_generation(self, realm: Realm) -> None:
        """With the policy ``require_generation`` a write without precondition is refused; ``create`` is one."""
        realm.set({"n": 1})
        realm.set_policy(require_generation=True)
        with pytest.raises(RealmconfError) as refused:
            realm.set({"n": 2})
        assert refused.value.code == "generation_required"
        generation = realm.get().generation
        assert realm.set({"n": 2}, expected_generation=generation).generation == generation + 1
        assert realm.policy.require_generation


def _first(watch: Any, number: int) -> list[Any]:
    found = []
    for snapshot in watch:
        found.append(snapshot)
        if len(found) == number:
            break
    return found
