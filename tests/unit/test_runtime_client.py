"""What concerns more than one realm: transactions, names, what is kept."""

from __future__ import annotations

import dataclasses
import datetime
import os
import subprocess
import sys

import pytest
from tests.unmeasured import unmeasured

import realmconf
from realmconf.errors import (
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    InvalidRealm,
    LimitExceeded,
    PatchTestFailed,
    RealmconfError,
    RealmNotFound,
    RevisionNotFound,
    StoreUnavailable,
)
from realmconf.runtime.client import Client, connect
from realmconf.runtime.results import Plan
from realmconf.runtime.world import World


def names(client):
    return [entry.realm for entry in client.realms()]


# --- transactions ------------------------------------------------------------------


def test_a_transaction_writes_all_of_its_realms(client):
    """Each verb, under one write id and one message; results in the order of the parts."""
    for name in ("set_value", "unset", "patch", "json_patch", "delete", "rollback"):
        client.realm(name).set({"x": 1, "y": 2})
        client.realm(name).set({"x": 2, "y": 2})
    results = client.transaction(
        [
            ("set", {"set": {"x": 3}, "expected_generation": 0}),
            ("set_value", {"set_value": {"x": 3, "/z/deep": 1}}),
            ("unset", {"unset": ["x", "y"]}),
            ("patch", {"patch": {"x": 3}, "expected": client.realm("patch").get()}),
            ("json_patch", {"json_patch": [{"op": "remove", "path": "/x"}]}),
            ("delete", {"delete": True}),
            ("rollback", {"rollback": 1}),
        ],
        message="together",
    )
    assert [result.document for result in results] == [
        {"x": 3},
        {"x": 3, "y": 2, "z": {"deep": 1}},
        {},
        {"x": 3, "y": 2},
        {"y": 2},
        None,
        {"x": 1, "y": 2},
    ]
    assert len({result.write_id for result in results}) == 1
    assert {result.revision.message for result in results} == {"together"}
    assert all(client.realm(result.realm_id).get() == result for result in results)


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ({"set": {"x": 2}, "expected_generation": 0}, GenerationConflict),
        ({"set": {"x": 2}, "create": True}, GenerationConflict),
        ({"json_patch": [{"op": "test", "path": "/x", "value": 9}]}, PatchTestFailed),
        ({"rollback": 9}, RevisionNotFound),
    ],
)
def test_one_refused_part_refuses_all(client, part, error):
    """All or none (G5)."""
    client.realm("b").set({"x": 1})
    with pytest.raises(error):
        client.transaction([("a", {"set": {"x": 1}}), ("b", part), ("c", {"set": {}})])
    assert names(client) == ["b"]
    assert client.realm("b").get().generation == 1


@pytest.mark.parametrize(
    "parts",
    [
        [],
        {},
        "ab",
        [("a",)],
        [("a", {})],
        [("a", [])],
        [("a", {"set": {}, "patch": {}})],
        [("a", {"set": {}, "message": "mine"})],
        [("a", {"explode": 1})],
        [("a", {"delete": False})],
        [("a", {"set_value": {}})],
        [("a", {"set_value": ["x", 1]})],
        [("a", {"unset": 5})],
        [("a", {"set": {}}), ("a", {"set": {}})],
        [("a", {"set": {}, "expected_generation": True})],
        [("a", {"set": {}, "on_conflict": "rebase"})],
        [(f"r{number}", {"set": {}}) for number in range(65)],
        [("not a name", {"set": {}})],
        [("a", {"set": {"x": None}})],
    ],
    ids=lambda parts: str(parts)[:40],
)
def test_a_malformed_transaction_is_refused(parts):
    """Typed, and nothing changed (G12)."""
    with connect("memory://", author="t") as client:
        with pytest.raises(RealmconfError):
            client.transaction(parts)
        assert client.realms() == []


def test_preconditions_belong_to_the_parts(client):
    """One for all of them would be ambiguous, so it is refused rather than ignored."""
    for options in ({"expected_generation": 0}, {"create": True}, {"on_conflict": "rebase"}):
        with pytest.raises(InvalidArgument):
            client.transaction([("a", {"set": {}})], **options)
    with pytest.raises(TypeError):
        client.transaction([("a", {"set": {}})], expect=1)


def test_a_transaction_can_be_planned(client):
    """The plans of its parts, and nothing written."""
    client.realm("a").set({"x": 1})
    plans = client.transaction([("a", {"patch": {"x": 2}}), ("b", {"set": {"y": 1}})], dry_run=True)
    assert all(isinstance(plan, Plan) for plan in plans)
    assert [(plan.generation, len(plan.changes)) for plan in plans] == [(2, 1), (1, 1)]
    assert names(client) == ["a"]


# --- names -------------------------------------------------------------------------


def test_realms_are_listed_by_name_and_page(client):
    """Deleted ones too: they were written, and do not exist."""
    for name in ("c", "a", "b"):
        client.realm(name).set({})
    client.realm("b").delete()
    entries = client.realms()
    assert [(entry.realm, entry.generation, entry.exists) for entry in entries] == [
        ("a", 1, True),
        ("b", 2, False),
        ("c", 1, True),
    ]
    assert [entry.realm for entry in client.realms(after="a", limit=1)] == ["b"]
    for bad in ({"limit": 0}, {"limit": True}, {"after": 5}):
        with pytest.raises(InvalidArgument):
            client.realms(**bad)


def test_names_that_differ_by_case_cannot_both_exist(client):
    """A file system may take them for one."""
    client.realm("Team").set({})
    with pytest.raises(InvalidRealm):
        client.realm("team").set({})
    with pytest.raises(InvalidRealm):
        client.transaction([("other", {"set": {}}), ("TEAM", {"set": {}})])
    assert names(client) == ["Team"]


def test_a_rename_takes_the_history_along(client):
    """Both names go on counting, so that no number is ever used twice (G2)."""
    old = client.realm("old")
    for number in range(3):
        client.realm("org").set({})
        old.set({"n": number, "realm": {"old": {"parent": "org"}}})
    result = client.rename("old", "new", message="better", expected_generation=3)
    new = client.realm("new")
    assert (result.generation, result.realm_id, result.revision.kind) == (4, "new", "rename")
    assert new.get().document == {"n": 2, "realm": {"new": {"parent": "org"}}}
    assert new.at(1).document["n"] == 0
    assert new.verify().revisions == 4
    assert [revision.generation for revision in new.history()] == [4, 3, 2, 1]
    assert not old.get().exists
    assert old.get().generation == 4
    assert old.set({"again": True}).generation == 5
    assert new.set_value("n", 9).generation == 5
    assert new.verify().revisions == 5
    with pytest.raises(HistoryCompacted):
        old.at(1)


def test_a_rename_that_cannot_be_is_refused(client):
    """A missing source, a target with a history, the same name, a stale precondition."""
    client.realm("a").set({"x": 1})
    client.realm("b").set({"x": 1})
    client.realm("b").delete()
    with pytest.raises(RealmNotFound):
        client.rename("nowhere", "c")
    with pytest.raises(RealmNotFound):
        client.rename("b", "c")
    with pytest.raises(GenerationConflict):
        client.rename("a", "b")
    with pytest.raises(InvalidArgument):
        client.rename("a", "a")
    with pytest.raises(GenerationConflict):
        client.rename("a", "c", expected_generation=0)
    with pytest.raises(InvalidRealm):
        client.rename("a", "no name")
    assert names(client) == ["a", "b"]
    assert client.realm("a").get().generation == 1


def test_a_rename_is_idempotent_by_its_id(client):
    """A retry finds the first one."""
    client.realm("a").set({"x": 1})
    first = client.rename("a", "b", write_id="move")
    assert client.rename("a", "b", write_id="move").etag == first.etag


def test_a_rename_and_a_copy_can_be_planned(client):
    """Nothing is moved by a dry run."""
    client.realm("a").set({"x": 1})
    for plan in (client.rename("a", "b", dry_run=True), client.copy("a", "b", dry_run=True)):
        assert isinstance(plan, Plan)
        assert plan.document == {"x": 1}
    assert names(client) == ["a"]
    assert client.realm("a").get().generation == 1


def test_a_copy_starts_a_history_of_its_own(client):
    """The document and the policy, not the past; its section about itself under its own name."""
    source = client.realm("a")
    client.realm("org").set({})
    source.set({"x": 1, "realm": {"a": {"parent": "org"}}})
    source.set_policy(history_keep=7)
    result = client.copy("a", "b")
    assert (result.generation, result.revision.kind) == (1, "copy")
    assert result.document == {"x": 1, "realm": {"b": {"parent": "org"}}}
    assert client.realm("b").policy.history_keep == 7
    with pytest.raises(GenerationConflict):
        client.copy("a", "b")
    source.set({"x": 2})
    assert client.copy("a", "b", expected=result).generation == 2
    with pytest.raises(RealmNotFound):
        client.copy("nowhere", "c")


# --- what is kept --------------------------------------------------------------------


def test_compaction_keeps_the_newest(client):
    """Of one realm, or of all; the head stays in any case."""
    for name in ("a", "b"):
        for number in range(6):
            client.realm(name).set({"n": number})
    (done,) = client.compact(keep=2, realm="a")
    assert (done.realm, done.floor, done.removed) == ("a", 5, 4)
    assert client.realm("b").at(1).generation == 1
    assert [one.realm for one in client.compact(keep=1)] == ["a", "b"]
    assert client.compact(keep=1) == []
    for name in ("a", "b"):
        assert client.realm(name).get().document == {"n": 5}
        assert client.realm(name).set({"n": 6}).generation == 7


def test_compaction_by_age_removes_what_is_older(tmp_path):
    """With ``keep`` as well, a revision goes only if both let it."""
    now = [0]
    world = World(time_nanoseconds=lambda: now[0])
    for url in ("memory://", str(tmp_path / "realms")):
        opened = connect(url, author="t", world=world)
        realm = opened.realm("a")
        for day in range(10):
            now[0] = day * 86_400 * 10**9
            realm.set({"day": day})
        assert opened.compact(older_than=datetime.timedelta(days=5), keep=8)[0].floor == 3
        assert opened.compact(older_than=4 * 86_400)[0].floor == 6
        assert opened.compact(older_than=0)[0].floor == 10
        opened.close()


def test_a_policy_keeps_more_than_is_asked_for(client):
    """``history_keep`` is the realm's own word."""
    realm = client.realm("a")
    for number in range(6):
        realm.set({"n": number})
    realm.set_policy(history_keep=4)
    assert client.compact(keep=1)[0].floor == 4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keep": 0},
        {"keep": True},
        {"older_than": -1},
        {"older_than": "1d"},
        {"older_than": True},
    ],
)
def test_a_malformed_retention_is_refused(options):
    """Nothing is removed by guessing."""
    with connect("memory://", author="t") as client:
        client.realm("a").set({})
        with pytest.raises(InvalidArgument):
            client.compact(**options)


def test_a_purge_erases_one_document_and_keeps_the_chain(client):
    """What is gone is gone; the digests around it still verify (G14)."""
    realm = client.realm("a")
    realm.set({"secret": "hunter2"})
    realm.set({"secret": "other"})
    purged = client.purge("a", 1)
    assert (purged.purged, purged.document) == (True, None)
    assert realm.at(1).document is None
    assert realm.verify().revisions == 2
    with pytest.raises(HistoryCompacted, match="purged"):
        realm.rollback(1)
    with pytest.raises(HistoryCompacted, match="purged"):
        realm.diff(1, 2)


def test_a_purged_document_does_not_pass_for_an_empty_one(client):
    """Its snapshot warns, and a type's defaults do not stand in for what is erased."""
    realm = client.realm("a")
    realm.set({"secret": "hunter2"})
    realm.set({"secret": "other"})
    assert realm.at(1).warnings == ()
    client.purge("a", 1)
    assert [warning.code for warning in realm.at(1).warnings] == ["purged"]
    assert realm.get().warnings == ()

    @dataclasses.dataclass
    class Defaults:
        secret: str = ""

    typed = client.realm("a", schema=Defaults)
    assert typed.get().config.secret == "other"
    with pytest.raises(HistoryCompacted, match="purged"):
        _ = typed.at(1).config


def test_a_purge_can_take_one_value_only(client):
    """The rest of the document stays readable."""
    realm = client.realm("a")
    realm.set({"keep": 1, "secret": {"a": "hunter2"}})
    realm.set({"keep": 2})
    assert client.purge("a", 1, pointer="secret.a").document == {"keep": 1, "secret": {}}
    assert realm.verify().revisions == 2
    with pytest.raises(InvalidArgument):
        client.purge("a", 1, pointer="nowhere")


def test_the_head_is_not_purged(client):
    """Write a revision without the value first."""
    client.realm("a").set({"x": 1})
    with pytest.raises(InvalidArgument, match="head"):
        client.purge("a", 1)
    with pytest.raises(RevisionNotFound):
        client.purge("a", 9)
    with pytest.raises(InvalidArgument):
        client.purge("a", 0)


def test_a_backup_is_restored_above_everything_known(client, tmp_path):
    """As new revisions; what is the same already is left alone, what the backup does not know stays."""
    client.realm("a").set({"x": 1})
    client.realm("b").set({"y": 1})
    client.realm("gone").set({"z": 1})
    client.realm("gone").delete()
    path = tmp_path / "backup"
    client.backup(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    client.realm("a").set({"x": 2})
    client.realm("a").set({"x": 3})
    client.realm("new").set({"n": 1})
    done: list[int] = []
    results = {
        result.realm_id: result
        for result in client.restore(path, message="undo", progress=done.append)
    }
    assert done == [1, 2, 3]
    restored = client.realm("a").get()
    assert (restored.generation, restored.document) == (4, {"x": 1})
    assert (restored.revision.kind, restored.revision.restores) == ("restore", 1)
    assert restored.revision.message == "undo"
    assert not results["b"].changed
    assert not results["gone"].changed
    assert client.realm("new").get().document == {"n": 1}
    assert client.realm("a").verify().revisions == 4


def test_a_backup_restores_into_an_empty_store(client, tmp_path):
    """Above the numbers that the backup knows, so that none is used twice (G2)."""
    for number in range(5):
        client.realm("a").set({"n": number})
    client.backup(tmp_path / "backup")
    url = "memory://" if client.info.name == "memory" else str(tmp_path / "other")
    with connect(url, author="t") as other:
        other.restore(str(tmp_path / "backup"))
        assert other.realm("a").get().document == {"n": 4}
        assert other.realm("a").get().generation == 6


def test_a_backup_never_overwrites(client, tmp_path):
    """It is a new file."""
    client.realm("a").set({"x": 1})
    path = tmp_path / "backup"
    path.write_text("precious")
    with pytest.raises(RealmconfError):
        client.backup(path)
    assert path.read_text() == "precious"


def test_a_file_that_is_no_backup_is_refused(client, tmp_path):
    """Typed, and nothing changed."""
    path = tmp_path / "no-backup"
    path.write_text("something else entirely\n")
    with pytest.raises(RealmconfError):
        client.restore(path)
    with pytest.raises(RealmconfError):
        client.restore(tmp_path / "missing")
    assert client.realms() == []


# --- clients -----------------------------------------------------------------------


def test_a_closed_client_says_so(client):
    """Closing twice is fine; using it is a typed error."""
    realm = client.realm("a")
    realm.set({"x": 1})
    for _ in range(5):
        assert realm.get().document == realm.current
    client.close()
    client.close()
    for use in (realm.get, lambda: realm.current, lambda: realm.set({"x": 2}), client.realms):
        with pytest.raises(StoreUnavailable):
            use()


def test_open_is_a_store_and_a_realm_at_once(tmp_path):
    """Closing the realm closes both."""
    with realmconf.open("a", store=str(tmp_path / "realms")) as realm:
        realm.set({"x": 1})
        assert realm.client.info.name == "embedded"
    with pytest.raises(StoreUnavailable):
        realm.set({"x": 2})


def test_a_refused_realm_leaves_no_store_open(tmp_path, monkeypatch):
    """What was opened for it is closed again."""
    closed: list[Client] = []

    def close(self):
        closed.append(self)

    monkeypatch.setattr(Client, "close", close)
    with pytest.raises(InvalidArgument):
        realmconf.open("a", store="memory://", schema=5)  # type: ignore[call-overload]
    assert len(closed) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"author": ""},
        {"author": "a\nb"},
        {"surface": "fax"},
        {"timeout": -1},
        {"timeout": "soon"},
        {"read_only": "yes"},
        {"store": ""},
        {"store": 5},
        {"store": "nosuch://"},
    ],
)
def test_a_malformed_option_of_a_client_is_refused(options):
    """Before anything is opened."""
    with pytest.raises(RealmconfError):
        connect(**{"store": "memory://", **options})


def test_a_store_may_be_given_as_a_path_object(tmp_path):
    """Anything that ``os.fspath`` takes."""
    with connect(tmp_path / "realms", author="t") as opened:
        opened.realm("a").set({"x": 1})
    with connect(str(tmp_path / "realms"), author="t") as opened:
        assert opened.realm("a").get().exists


def test_a_representation_shows_no_url():
    """A URL may hold a password."""
    assert repr(connect("memory://hunter2", author="t")) == "Client(memory)"


def test_every_public_name_is_there():
    """``from realmconf import …`` works for each, and ``dir`` lists them."""
    for name in realmconf.__all__:
        assert getattr(realmconf, name) is not None
        assert name in dir(realmconf)
    with pytest.raises(AttributeError):
        _ = realmconf.nothing_of_the_kind


HEAVY = ["asyncio", "dataclasses", "inspect", "logging", "msgspec", "pathlib"]
HEAVY += ["pydantic", "tomllib", "tomlrt", "typing", "uuid"]


def test_a_read_loads_nothing_that_is_slow_to_import(tmp_path):
    """Each of these costs more than the rest of a command-line read."""
    with connect(str(tmp_path / "realms"), author="t") as client:
        client.realm("a").set({"x": 1})
    program = (
        "import sys, realmconf\n"
        f"realm = realmconf.connect({str(tmp_path / 'realms')!r}).realm('a')\n"
        "assert realm.get().document == {'x': 1}\n"
        f"print(*sorted(set({HEAVY}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    assert done.stdout.strip() == ""


def test_limits_are_the_clients_own():
    """A client may be given smaller ones."""
    limits = realmconf.Limits(message_chars=5, transaction_realms=1)
    with connect("memory://", author="t", limits=limits) as client:
        with pytest.raises(LimitExceeded) as caught:
            client.realm("a").set({}, message="too long")
        assert (caught.value.limit, caught.value.value) == ("message_chars", 8)
        with pytest.raises(LimitExceeded):
            client.transaction([("a", {"set": {}}), ("b", {"set": {}})])
