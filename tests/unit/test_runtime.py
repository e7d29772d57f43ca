"""One realm's verbs: reading, writing, history; and what malformed arguments get (G12)."""

from __future__ import annotations

import math
import pickle
import threading

import pytest

from realmconf import ABSENT
from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import Pointer
from realmconf.errors import (
    GenerationConflict,
    GenerationRequired,
    HistoryCompacted,
    InvalidArgument,
    InvalidDocument,
    InvalidPatch,
    InvalidPointer,
    InvalidRealm,
    LimitExceeded,
    RealmconfError,
    RealmNotFound,
    RevisionNotFound,
    StoreCorrupt,
    StoreReadOnly,
    TimelineChanged,
    Unsupported,
)
from realmconf.runtime.client import Client, connect
from realmconf.runtime.envelope import EnvelopePolicy
from realmconf.runtime.results import Plan
from realmconf.stores.memory import open_store


@pytest.fixture
def realm(client):
    return client.realm("team-alpha")


# --- reading -----------------------------------------------------------------------


def test_a_realm_never_written_is_a_value(realm):
    """Generation 0, no document, the defaults; no error."""
    snapshot = realm.get()
    assert (snapshot.generation, snapshot.exists, snapshot.document) == (0, False, None)
    assert snapshot.config == {}
    assert realm.current == {}
    assert snapshot.revision is None
    assert snapshot.etag == "0-000000000000"
    assert realm.history() == []


def test_a_snapshot_shows_its_revision(realm):
    """Who, when, why, and nothing that would confirm a guessed secret."""
    realm.set({"agent": {"model": "m"}}, message="because", author="me")
    snapshot = realm.get()
    revision = snapshot.revision
    assert (revision.author, revision.message, revision.surface, revision.kind) == (
        "me",
        "because",
        "sdk",
        "set",
    )
    assert revision.etag == snapshot.etag
    assert snapshot.etag.startswith("1-")
    assert not hasattr(revision, "salt")
    assert not hasattr(revision, "document_digest")
    assert snapshot.metadata.realm_id == "team-alpha"
    assert snapshot.lineage[0].realm == "team-alpha"


def test_reading_an_unchanged_realm_gives_the_same_snapshot(realm):
    """Nothing is composed or typed twice."""
    realm.set({"x": 1})
    first = realm.get()
    assert all(realm.get() is first for _ in range(5))
    assert realm.current is realm.current
    realm.set({"x": 2})
    assert realm.get() is not first
    assert first.document == {"x": 1}


def test_current_follows_every_write(client, realm):
    """Whatever wrote it: this handle, another one, a rollback, a delete."""
    other = client.realm("team-alpha")
    for number in range(20):
        (realm if number % 2 else other).set({"n": number})
        for _ in range(3):
            assert realm.current == other.current == {"n": number}
    realm.delete()
    assert realm.current == other.current == {}
    assert realm.current_age == 0.0


def test_nothing_given_out_can_be_changed(realm):
    """A snapshot is immutable all the way down."""
    realm.set({"a": {"b": [1]}})
    snapshot = realm.get()
    with pytest.raises(TypeError):
        snapshot.document["a"]["b"].append(2)
    with pytest.raises(TypeError):
        snapshot.config["a"]["c"] = 1
    with pytest.raises(TypeError):
        snapshot.revision.document["x"] = 1
    with pytest.raises(AttributeError):
        snapshot.generation = 5
    with pytest.raises(AttributeError):
        snapshot.warnings = ()


def test_a_snapshot_travels_to_another_process(realm):
    """It pickles with what its handle would have said."""
    result = realm.set({"x": 1}, message="m")
    back = pickle.loads(pickle.dumps(result))
    assert back == result
    assert (back.config, back.document, back.changed, back.metadata) == (
        result.config,
        result.document,
        True,
        result.metadata,
    )


def test_representations_show_no_configuration(realm):
    """They end up in logs (G11)."""
    realm.set({"password": "hunter2"})
    shown = [
        realm.get(),
        realm.get().revision,
        realm.envelope(),
        realm.history(),
        realm,
        realm.client,
    ]
    assert "hunter2" not in repr(shown)


def test_an_envelope_is_the_wire_form_of_one_view(realm):
    """Public without paths, diagnostic with them where the store has any."""
    realm.client.realm("org").set({})
    realm.set({"realm": {"team-alpha": {"parent": "org"}}, "x": 1})
    own = realm.envelope().to_dict()
    assert own["config"] == {"realm": {"team-alpha": {"parent": "org"}}, "x": 1}
    assert (own["view"], own["generation"], own["realm_id"]) == ("own", 1, "team-alpha")
    assert "resolved_paths" not in own
    assert realm.envelope(view="effective").to_dict()["config"] == {"x": 1}
    diagnostic = realm.envelope(policy=EnvelopePolicy.DIAGNOSTIC)
    if realm.client.info.name == "memory":
        assert diagnostic.resolved_paths is None
    else:
        assert diagnostic.to_dict()["resolved_paths"]["root"]


# --- writing -----------------------------------------------------------------------


def test_every_verb_appends_one_revision(realm):
    """set, set_value, unset, patch, json_patch, update, rollback, delete, set_policy: each the next generation."""
    steps = [
        (lambda: realm.set({"a": {"b": 1}}), {"a": {"b": 1}}, "set"),
        (lambda: realm.set_value("a.c", [1]), {"a": {"b": 1, "c": [1]}}, "patch"),
        (lambda: realm.unset("/a/b"), {"a": {"c": [1]}}, "patch"),
        (lambda: realm.patch({"a": {"c": None}, "d": 2}), {"a": {}, "d": 2}, "patch"),
        (
            lambda: realm.json_patch([{"op": "add", "path": "/e", "value": 3}]),
            {"a": {}, "d": 2, "e": 3},
            "json_patch",
        ),
        (
            lambda: realm.update(lambda draft: {**draft, "f": 4}),
            {"a": {}, "d": 2, "e": 3, "f": 4},
            "set",
        ),
        (lambda: realm.rollback(1), {"a": {"b": 1}}, "rollback"),
        (realm.delete, None, "delete"),
        (lambda: realm.rollback(to=2), {"a": {"b": 1, "c": [1]}}, "rollback"),
        (
            lambda: realm.set_policy(history_keep=5),
            {"a": {"b": 1, "c": [1]}},
            "policy",
        ),
    ]
    for generation, (write, document, kind) in enumerate(steps, start=1):
        result = write()
        assert (result.generation, result.changed, result.document) == (generation, True, document)
        assert result.revision.kind == kind
        assert realm.get() == result
    assert [revision.generation for revision in realm.history()] == list(range(10, 0, -1))
    assert realm.verify().revisions == 10
    assert realm.policy.history_keep == 5


def test_a_write_that_changes_nothing_appends_nothing(realm):
    """``changed`` is False, after the precondition was checked."""
    realm.set({"x": 1})
    result = realm.patch({"x": 1}, expected_generation=1)
    assert (result.changed, result.generation, result.changes) == (False, 1, ())
    with pytest.raises(GenerationConflict):
        realm.patch({"x": 1}, expected_generation=0)


def test_a_result_says_what_changed(realm):
    """Leaf by leaf, with ABSENT where there was or is nothing."""
    realm.set({"x": 1, "y": 1})
    (gone, changed) = realm.patch({"x": None, "y": 2}).changes
    assert (gone.pointer, gone.before, gone.after) == (("x",), 1, ABSENT)
    assert (changed.pointer, changed.before, changed.after) == (("y",), 1, 2)


def test_a_precondition_is_a_number_an_etag_or_a_snapshot(realm):
    """All three are compared with the head; only the last two tell another timeline apart."""
    snapshot = realm.set({"x": 1})
    realm.set({"x": 2}, expected_generation=1)
    for stale in (
        {"expected_generation": 1},
        {"expected": snapshot},
        {"expected": snapshot.etag},
        {"expected": snapshot, "expected_generation": 1},
    ):
        with pytest.raises(GenerationConflict) as caught:
            realm.set({"x": 3}, **stale)
        assert (caught.value.expected, caught.value.current) == (1, 2)
        assert str(caught.value).startswith("generation conflict: expected 1, current 2")
    with pytest.raises(TimelineChanged):
        realm.set({"x": 3}, expected="2-000000000000")
    realm.set({"x": 3}, expected=realm.get().etag)


MALFORMED = (
    [
        {"expected_generation": value}
        for value in (-1, 1.0, "5", True, False, 2**63, 2**53, math.nan, [1], b"1")
    ]
    + [
        {"expected": value}
        for value in (
            5,
            True,
            "",
            "5",
            "5-",
            "x-0123456789ab",
            "05-0123456789ab",
            '"1-0123456789ab"',
            "1-0123456789AB",
            b"x",
            1.5,
            "99999999999999999999-0123456789ab",
            "9007199254740993-0123456789ab",
        )
    ]
    + [
        {"expected": "1-0123456789ab", "expected_generation": 2},
        {"create": 1},
        {"create": "yes"},
        {"create": True, "must_exist": True},
        {"must_exist": None},
        {"on_conflict": "force"},
        {"on_conflict": None},
        {"on_conflict": "rebase"},
        {"depends_on": ["/a"]},
        {"depends_on": "/a", "on_conflict": "rebase", "expected_generation": 0},
        {"depends_on": [5], "on_conflict": "rebase", "expected_generation": 0},
        {"message": 5},
        {"message": "a\x00b"},
        {"message": "half \ud800 pair"},
        {"message": "x" * 2_001},
        {"author": ""},
        {"author": "a\nb"},
        {"author": "x" * 257},
        {"write_id": ""},
        {"write_id": "x" * 129},
        {"write_id": 5},
        {"timeout": -1},
        {"timeout": math.nan},
        {"timeout": math.inf},
        {"timeout": "5"},
        {"timeout": True},
        {"dry_run": "yes"},
        {"base": "1-0123456789ab"},
    ]
)


@pytest.mark.parametrize("options", MALFORMED, ids=str)
def test_a_malformed_option_is_an_error_and_changes_nothing(options):
    """A stated precondition is never ignored, in any shape (G12)."""
    with connect("memory://", author="t") as client:
        realm = client.realm("a")
        with pytest.raises((InvalidArgument, LimitExceeded)):
            realm.set({"x": 1}, **options)
        assert realm.get().generation == 0


def test_an_unknown_option_is_no_option(realm):
    """As a parameter that a function does not have."""
    with pytest.raises(TypeError):
        realm.set({"x": 1}, expect_generation=0)


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda realm: realm.set([1]), InvalidDocument),
        (lambda realm: realm.set("x"), InvalidDocument),
        (lambda realm: realm.set(None), InvalidDocument),
        (lambda realm: realm.set({"x": None}), InvalidDocument),
        (lambda realm: realm.set({"x": math.nan}), InvalidDocument),
        (lambda realm: realm.set({"x": 2**63}), InvalidDocument),
        (lambda realm: realm.set({"x": {1, 2}}), InvalidDocument),
        (lambda realm: realm.set({1: 2}), InvalidDocument),
        (lambda realm: realm.set({"\ud800": 1}), InvalidDocument),
        (lambda realm: realm.set({"x": "y" * 2_000_000}), LimitExceeded),
        (lambda realm: realm.set_value("a", None), InvalidDocument),
        (lambda realm: realm.set_value("", 1), InvalidArgument),
        (lambda realm: realm.set_value("a..b", 1), InvalidPointer),
        (lambda realm: realm.set_value(5, 1), InvalidArgument),
        (lambda realm: realm.unset(""), InvalidArgument),
        (lambda realm: realm.unset("/a~"), InvalidPointer),
        (lambda realm: realm.patch([1]), InvalidPatch),
        (lambda realm: realm.patch({"a": [None]}), InvalidDocument),
        (lambda realm: realm.json_patch({"op": "add"}), InvalidPatch),
        (lambda realm: realm.json_patch([{"op": "explode", "path": ""}]), InvalidPatch),
        (lambda realm: realm.update("not a function"), InvalidArgument),
        (lambda realm: realm.update(lambda draft: 5), RealmconfError),
        (lambda realm: realm.update(lambda draft: draft.update(x=None)), InvalidDocument),
        (lambda realm: realm.update(lambda draft: None, attempts_max=0), InvalidArgument),
        (lambda realm: realm.delete(), RealmNotFound),
        (lambda realm: realm.rollback(0), InvalidArgument),
        (lambda realm: realm.rollback(5), RevisionNotFound),
        (lambda realm: realm.rollback(True), InvalidArgument),
        (lambda realm: realm.set_policy(), InvalidArgument),
        (lambda realm: realm.set_policy(history_keep=0), RealmconfError),
        (lambda realm: realm.history(limit=0), InvalidArgument),
        (lambda realm: realm.history(limit=1_001), LimitExceeded),
        (lambda realm: realm.history(before="x"), InvalidArgument),
        (lambda realm: realm.at(-1), InvalidArgument),
        (lambda realm: realm.at(1), RevisionNotFound),
        (lambda realm: realm.diff(0, 1), RevisionNotFound),
        (lambda realm: realm.watch(after="x"), InvalidArgument),
        (lambda realm: realm.watch(after=5), InvalidArgument),
        (lambda realm: realm.watch(after=-1, view="own"), InvalidArgument),
        (lambda realm: realm.watch(after="e:other@1-0123456789ab"), InvalidArgument),
        (lambda realm: realm.watch(after="e:a@1-0123456789ab", view="own"), InvalidArgument),
        (lambda realm: realm.watch(view="both"), InvalidArgument),
        (lambda realm: realm.envelope(view="both"), InvalidArgument),
        (lambda realm: realm.envelope(policy="public"), InvalidArgument),
        (lambda realm: realm.settle(""), InvalidArgument),
        (lambda realm: realm.working_copy(), Unsupported),
    ],
)
def test_malformed_input_is_a_typed_error_and_changes_nothing(write, error):
    """Whatever is passed, the answer is an error of ours, and the realm is as before (G12)."""
    with connect("memory://", author="t") as client:
        realm = client.realm("a")
        with pytest.raises(error):
            write(realm)
        assert realm.get().generation == 0


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65, "é", "../x", "0" * 32, 5, None])
def test_a_malformed_realm_name_is_refused(name):
    """Before any store is asked."""
    with connect("memory://", author="t") as client, pytest.raises(InvalidRealm):
        client.realm(name)


def test_an_update_sees_and_changes_the_head(realm):
    """The draft is a plain copy; what the function returns, if anything, is stored instead."""
    realm.set({"n": [1]})
    drafts = []

    def change(draft):
        drafts.append(draft)
        draft["n"].append(2)

    assert realm.update(change).document == {"n": [1, 2]}
    assert type(drafts[0]) is dict
    assert type(drafts[0]["n"]) is list
    drafts[0]["n"].append("later")
    assert realm.get().document == {"n": [1, 2]}
    assert realm.update(lambda draft: None).changed is False


def test_an_update_is_made_against_the_head(realm):
    """A policy that asks for a generation asks an update for none; a stated one still counts."""
    realm.set({"n": 1})
    realm.set_policy(require_generation=True)
    with pytest.raises(GenerationRequired):
        realm.set({"n": 2})
    assert realm.update(lambda draft: {"n": draft["n"] + 1}).generation == 3
    with pytest.raises(GenerationConflict):
        realm.update(lambda draft: {"n": 9}, expected_generation=2)
    assert realm.get().document == {"n": 2}


def test_what_an_update_raises_is_raised_and_nothing_changed(realm):
    """The caller's own exception, unwrapped."""

    def fail(draft):
        draft["x"] = 1
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        realm.update(fail)
    assert realm.get().generation == 0
    realm.set({"after": 1})


def test_a_write_inside_an_update_is_refused_at_once(client, realm):
    """Waiting for the turn one holds would never end; reading there is fine."""
    realm.set({"x": 1})
    refused = []

    def change(draft):
        assert realm.get().document == {"x": 1}
        assert realm.current == {"x": 1}
        for write in (
            lambda: realm.set({"x": 3}),
            lambda: client.realm("other").set({"x": 3}),
            lambda: client.transaction([("c", {"set": {}})]),
            lambda: client.rename("team-alpha", "b"),
            lambda: client.compact(keep=1),
            lambda: realm.settle("w"),
            lambda: realm.set({"x": 3}, dry_run=True),
        ):
            with pytest.raises(InvalidArgument) as caught:
                write()
            refused.append(caught.value.code)
        draft["x"] = 2

    assert realm.update(change).generation == 2
    assert refused == ["invalid_argument"] * 7
    assert [entry.realm for entry in client.realms()] == ["team-alpha"]


def test_updates_of_many_threads_lose_nothing(client):
    """64 increments by 8 threads on one client are 64 generations."""
    realm = client.realm("counter")

    def count():
        for _ in range(8):
            realm.update(lambda draft: draft.update(n=draft.get("n", 0) + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert realm.get().document == {"n": 64}
    assert realm.get().generation == 64


def test_rebase_applies_what_does_not_overlap_and_names_what_does(realm):
    """The conflict names the contested pointers and who changed them."""
    realm.set({"a": 1, "b": 1})
    realm.set_value("a", 2, author="other", message="why")
    result = realm.set_value("b", 2, expected_generation=1, on_conflict="rebase")
    assert (result.rebased_from, result.document) == (1, {"a": 2, "b": 2})
    with pytest.raises(GenerationConflict) as caught:
        realm.set_value("a", 3, expected_generation=1, on_conflict="rebase")
    (entry,) = caught.value.contested
    assert (entry["pointer"], entry["author"], entry["message"]) == ("/a", "other", "why")
    with pytest.raises(GenerationConflict):
        realm.set_value("c", 3, expected_generation=1, on_conflict="rebase", depends_on=["a"])


def test_create_needs_a_realm_without_a_document(realm):
    """Never written, or deleted."""
    realm.set({"x": 1}, create=True)
    with pytest.raises(GenerationConflict):
        realm.set({"x": 2}, create=True)
    realm.delete()
    assert realm.set({"x": 3}, create=True).generation == 3


def test_a_realm_may_require_preconditions(realm):
    """Its policy is versioned, and judged on every write."""
    realm.set({"x": 1})
    realm.set_policy(require_generation=True)
    assert realm.policy.require_generation
    with pytest.raises(GenerationRequired):
        realm.set({"x": 2})
    realm.set({"x": 2}, expected=realm.get())
    realm.set_policy(require_generation=False, expected=realm.get())
    realm.set({"x": 3})


def test_a_dry_run_decides_everything_and_writes_nothing(realm):
    """A plan is the result the write would have had."""
    realm.set({"x": 1})
    plan = realm.patch({"x": 2, "y": 3}, expected_generation=1, dry_run=True)
    assert isinstance(plan, Plan)
    assert (plan.generation, plan.changed, plan.document) == (2, True, {"x": 2, "y": 3})
    assert [str(change.pointer) for change in plan.changes] == ["/x", "/y"]
    assert plan.effective_changes == plan.changes
    assert plan.descendants == ()
    assert realm.get().generation == 1
    with pytest.raises(GenerationConflict):
        realm.patch({"x": 2}, expected_generation=0, dry_run=True)
    assert not realm.patch({"x": 1}, dry_run=True).changed
    assert realm.set({"x": 2}, write_id="one").generation == 2
    assert not realm.set({"x": 2}, write_id="one", dry_run=True).changed


# --- history -----------------------------------------------------------------------


def test_history_is_newest_first_and_pages_by_generation(realm):
    """``before`` continues where a page ended."""
    for number in range(1, 8):
        realm.set({"n": number})
    assert [revision.generation for revision in realm.history(limit=3)] == [7, 6, 5]
    assert [revision.generation for revision in realm.history(limit=3, before=5)] == [4, 3, 2]
    assert realm.history(limit=3, before=1) == []
    newest, older = realm.history(limit=2)
    assert newest.previous == older.digest


def test_at_gives_any_kept_generation(realm):
    """As it was; 0 is the realm before its first write."""
    realm.set({"x": 1})
    realm.set({"x": 2})
    assert realm.at(1).document == {"x": 1}
    assert realm.at(2) == realm.get()
    assert not realm.at(0).exists
    with pytest.raises(RevisionNotFound):
        realm.at(3)


def test_diff_compares_any_two_generations(realm):
    """Either way round; to the head by default."""
    realm.set({"x": 1})
    realm.set({"x": 2})
    realm.delete()
    (change,) = realm.diff(1, 2)
    assert (str(change.pointer), change.before, change.after) == ("/x", 1, 2)
    (back,) = realm.diff(2, 1)
    assert (back.before, back.after) == (2, 1)
    (gone,) = realm.diff(1)
    assert gone.after is ABSENT
    assert realm.diff(0, 3) == ()


def test_verify_names_the_first_bad_revision():
    """Each revision's digest chains to the one before (G14)."""
    store = open_store("", options={}, limits=LIMITS)
    realm = Client(store, author="t").realm("a")
    for number in range(600):
        realm.set({"n": number})
    seen = []
    assert realm.verify(progress=lambda done, of: seen.append((done, of))).revisions == 600
    assert seen[-1] == (600, 600)
    revisions = store._memory.histories["a"].revisions
    honest = revisions[300]
    for forged in (
        honest.replace(document={"n": "forged"}),
        honest.replace(author="somebody else"),
        honest.replace(previous="0" * 64),
    ):
        revisions[300] = forged
        with pytest.raises(StoreCorrupt, match="generation 301 "):
            realm.verify()
    revisions[300] = honest
    removed = revisions.pop(400)
    store._memory.histories["a"].count -= 1
    with pytest.raises(StoreCorrupt, match=f"generation {removed.generation + 1} "):
        realm.verify()


def test_a_read_only_client_reads_and_refuses_writes(client, tmp_path):
    """Typed, and nothing changed."""
    client.realm("a").set({"x": 1})
    url = client.url if client.info.name != "memory" else "memory://read-only-test"
    if client.info.name == "memory":
        connect(url, author="t").realm("a").set({"x": 1})
    with connect(url, author="t", read_only=True) as reader:
        assert reader.realm("a").get().document == {"x": 1}
        with pytest.raises(StoreReadOnly):
            reader.realm("a").set({"x": 2})


def test_compacted_generations_say_so(client, realm):
    """Below the floor is another thing than never there."""
    for number in range(5):
        realm.set({"n": number})
    client.compact(keep=2)
    assert realm.at(4).document == {"n": 3}
    with pytest.raises(HistoryCompacted) as caught:
        realm.at(2)
    assert (caught.value.requested, caught.value.floor) == (2, 4)
    with pytest.raises(HistoryCompacted):
        realm.rollback(1)
    assert realm.verify().revisions == 2
    assert len(realm.history()) == 2


def test_paths_are_pointers_or_dotted(realm):
    """Text that starts with ``/`` is RFC 6901, other text has TOML quoting, a ``Pointer`` is itself."""
    realm.set_value('hosts."a.b".port', 1)
    realm.set_value("/hosts/c~1d", 2)
    realm.set_value(Pointer(("hosts", "")), 3)
    assert realm.get().document == {"hosts": {"a.b": {"port": 1}, "c/d": 2, "": 3}}
    assert realm.unset(Pointer(("hosts", ""))).changed
