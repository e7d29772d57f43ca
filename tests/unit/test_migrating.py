"""Realms that move from one store into another."""

from __future__ import annotations

import itertools
import threading

import pytest

from realmconf.domain.lineage import SECTION
from realmconf.domain.names import RealmName
from realmconf.errors import (
    GenerationConflict,
    InvalidArgument,
    LimitExceeded,
    RealmMoved,
    RealmNotFound,
    StoreFull,
    TimelineChanged,
    Unsupported,
    WriteIdReused,
    WriteIdVoid,
)
from realmconf.runtime.client import connect
from realmconf.runtime.families import families_of
from realmconf.runtime.migrating import family_of, migrate
from realmconf.runtime.outcome import Committed, Void
from realmconf.stores.embedded import database
from realmconf.stores.registry import public_url

_serial = itertools.count(1)


@pytest.fixture(params=["memory", "embedded"])
def places(request, tmp_path):
    """Two empty stores, by URL, neither of which has a working copy in the other's way."""
    if request.param == "memory":
        number = next(_serial)
        return f"memory://from{number}", f"memory://to{number}"
    return str(tmp_path / "from"), str(tmp_path / "to")


@pytest.fixture
def source(places):
    with connect(places[0], author="ada") as opened:
        yield opened


@pytest.fixture
def target(places):
    with connect(places[1], author="ben") as opened:
        yield opened


def record_of(client, realm):
    """Everything that is kept of a realm's history."""
    with client.store.view() as view:
        floor = view.head(RealmName(realm)).floor
        return floor, list(view.revisions(RealmName(realm), after=floor - 1))


def filled(client):
    team = client.realm("team")
    client.realm("company").set({"model": "small", "retries": 2}, message="defaults")
    team.set({"model": "big", SECTION: {"team": {"parent": "company"}}})
    client.realm("company").patch({"retries": 3})
    team.delete()
    team.set({"model": "huge", SECTION: {"team": {"parent": "company"}}}, write_id="mine")
    team.set_policy(history_keep=9)
    client.realm("other").set({"x": 1})


# --- what comes along ------------------------------------------------------------------------


@pytest.mark.parametrize("live", [False, True])
def test_everything_that_is_known_comes_along(source, target, live):
    """G2, G14: numbers, digests, tombstones, authors, policies and the order of commits are those of the source."""
    filled(source)
    before = {realm: record_of(source, realm) for realm in ("team", "company", "other")}
    then = [source.realm("team").at(generation).config for generation in (1, 3)]
    seen = []
    done = migrate(source, target, live=live, progress=lambda *counts: seen.append(counts))
    assert [(one.realm, one.state, one.generation, one.revisions) for one in done.realms] == [
        ("company", "moved", 2, 2),
        ("other", "moved", 1, 1),
        ("team", "moved", 4, 4),
    ]
    assert done.to == public_url(target.url)
    assert done.tokens == "none"
    assert seen[-1] == (7, 7)
    assert {realm: record_of(target, realm) for realm in before} == before
    team = target.realm("team")
    assert team.policy.history_keep == 9
    assert team.get().config == {"model": "huge", "retries": 3}
    assert [target.realm("team").at(generation).config for generation in (1, 3)] == then
    assert team.verify().revisions == 4
    assert team.patch({"x": 1}).generation == 5


def test_writers_and_watchers_of_the_old_store_are_told_where_to_go(source, target):
    """``realm_moved`` names the new store; what was written before can still be looked up in the old one."""
    filled(source)
    team = source.realm("team")
    watches = [team.watch(after=0), team.watch(after=0, view="own")]
    effective = [next(watches[0]) for _ in range(5)]
    own = [next(watches[1]) for _ in range(2)]
    migrate(source, target)
    for call in (
        team.get,
        lambda: team.patch({"x": 1}),
        lambda: team.patch({"x": 1}, expected_generation=1),
        lambda: team.delete(dry_run=True),
        lambda: team.settle("unheard"),
        lambda: source.transaction([("new", {"set": {}}), ("team", {"patch": {"x": 1}})]),
        lambda: source.rename("team", "crew"),
        lambda: source.copy("other", "team"),
    ):
        with pytest.raises(RealmMoved) as refused:
            call()
        assert refused.value.to == public_url(target.url)
    own += [next(watches[1]) for _ in range(2)]
    assert [one.generation for one in own] == [1, 2, 3, 4]
    for watch in watches:
        with pytest.raises(RealmMoved):
            next(watch)
    assert [one.generation for one in team.history()] == [4, 3, 2, 1]
    assert team.at(1).document["model"] == "big"
    assert source.realm("new").get().exists is False
    assert effective[-1].generation == 4


def test_a_cursor_goes_on_in_the_new_store(source, target):
    """G7: after the last that was seen comes the next, in both views; nothing twice, no reset."""
    filled(source)
    team = source.realm("team")
    watches = [team.watch(after=0, view=view) for view in ("own", "effective")]
    cursors = [[next(watch) for _ in range(2)][-1].cursor for watch in watches]
    rest = [next(watches[0]) for _ in range(2)], [next(watches[1]) for _ in range(3)]
    migrate(source, target)
    for view, cursor, expected in zip(("own", "effective"), cursors, rest, strict=True):
        watch = target.realm("team").watch(after=cursor, view=view)
        found = [next(watch) for _ in expected]
        assert [(one.generation, one.digest, one.reset) for one in found] == [
            (one.generation, one.digest, False) for one in expected
        ]
        target.realm("team").patch({view: True})
        assert next(watch).generation == 5


def test_an_etag_holds_in_the_new_store(source, target):
    """What somebody read in the old store is a precondition in the new one."""
    source.realm("team").set({"x": 1})
    etag = source.realm("team").get().etag
    migrate(source, target)
    assert target.realm("team").set({"x": 2}, expected=etag).generation == 2
    with pytest.raises(GenerationConflict):
        target.realm("team").set({"x": 3}, expected=etag)


@pytest.mark.parametrize("live", [False, True])
def test_a_write_that_is_sent_again_gets_its_first_answer(source, target, live):
    """G6: receipts hold in every store that the realm has come to, also for no-ops, refusals and voids."""
    team = source.realm("team")
    team.set({"x": 1}, write_id="made")
    assert not team.set({"x": 1}, write_id="idle").changed
    team.set({"x": 2})
    assert team.settle("never") == Void()
    source.compact(keep=1)
    migrate(source, target, live=live)
    for _ in range(2):
        again = target.realm("team")
        known = again.set({"x": 1}, write_id="made")
        assert (known.generation, known.changed) == (1, True)
        known = again.set({"x": 1}, write_id="idle")
        assert (known.generation, known.changed) == (1, False)
        for write_id in ("made", "idle"):
            with pytest.raises(WriteIdReused):
                again.set({"x": 7}, write_id=write_id)
        with pytest.raises(WriteIdVoid):
            again.set({"x": 7}, write_id="never")
        assert again.settle("made") == Committed(generation=1)
        assert again.get().generation == 2
        # The way back, over receipts that this store has under its own key.
        migrate(target, source)
        again = source.realm("team")
        assert again.set({"x": 1}, write_id="made").generation == 1
        with pytest.raises(WriteIdReused):
            again.set({"x": 7}, write_id="made")
        migrate(source, target)


def test_an_id_that_was_minted_is_known(source, target):
    """An id that nobody gave settles in the new store, also where compaction has removed its revision there."""
    made = source.realm("team").set({"x": 1}).write_id
    source.realm("team").set({"x": 2})
    migrate(source, target)
    assert target.realm("team").settle(made) == Committed(generation=1)
    target.compact(keep=1)
    assert target.realm("team").settle(made) == Committed(generation=1)


def test_schemas_come_along(source, target):
    """What a schema asks, and what one that is gone called secret, is so in the new store."""
    company, team = source.realm("company"), source.realm("team")
    company.set({})
    team.set({"phrase": "xyzzy", SECTION: {"team": {"parent": "company"}}})
    company.set_schema({"properties": {"phrase": {"type": "string", "writeOnly": True}}})
    kept = source.lineages.secrecy(RealmName("team")).redact({"phrase": "xyzzy"})
    company.unset_schema()
    migrate(source, target)
    assert target.lineages.secrecy(RealmName("team")).redact({"phrase": "xyzzy"}) != {
        "phrase": "xyzzy"
    }
    assert kept != {"phrase": "xyzzy"}
    with source.store.view() as before, target.store.view() as after:
        for realm in (RealmName("company"), RealmName("team")):
            assert list(after.schemas(realm)) == list(before.schemas(realm))
    assert target.realm("company").verify().revisions == 3


def test_what_was_purged_and_compacted_stays_so(source, target):
    """A floor is the floor there, an erased document is erased there."""
    team = source.realm("team")
    for number in range(5):
        team.set({"password": f"p{number}"})
    source.compact(keep=3)
    source.purge("team", 4)
    migrate(source, target)
    assert record_of(target, "team") == record_of(source, "team")
    assert target.realm("team").verify().revisions == 3


def test_a_purge_while_it_is_carried_reaches_the_copy(source, target, monkeypatch):
    """G11: what is erased in the source after it was carried is erased in the target before the call returns."""
    from realmconf.runtime.carrying import Carrier

    team = source.realm("team")
    team.set({"password": "p0"})
    team.set({"password": "p1"})
    receipts = Carrier.carry_known_receipts

    def meanwhile(self, realm):
        receipts(self, realm)
        source.purge("team", 1)

    monkeypatch.setattr(Carrier, "carry_known_receipts", meanwhile)
    migrate(source, target, live=True)
    with target.store.view() as view:
        erased = view.revision(RealmName("team"), 1)
    assert (erased.purged, erased.document) == (True, None)


def test_renamed_realms_come_along(source, target):
    """The history under the new name, and the tombstone that goes on counting under the old one."""
    source.realm("old").set({"x": 1})
    source.realm("old").set({"x": 2})
    source.rename("old", "new")
    migrate(source, target)
    for realm in ("old", "new"):
        assert record_of(target, realm) == record_of(source, realm)
    assert target.realm("old").set({"x": 9}).generation == 4


# --- families ----------------------------------------------------------------------------------


def names(*parents):
    return {
        RealmName(child): None if parent is None else RealmName(parent) for child, parent in parents
    }


def test_families_are_those_who_inherit_from_one_another():
    """Children first; a parent that is not there, and a cycle, keep nobody together who is not."""
    assert families_of(names(("a", None), ("b", "a"), ("c", "b"), ("d", None))) == [
        ["c", "b", "a"],
        ["d"],
    ]
    assert families_of(names(("a", "gone"), ("b", "gone"))) == [["a"], ["b"]]
    assert families_of(names(("a", "b"), ("b", "a"))) == [["a", "b"]]
    assert families_of(names(("a", None), ("b", "a"), ("global", None))) == [["b", "a", "global"]]
    assert families_of({}) == []


def test_a_family_is_not_torn_apart(source, target):
    """Some realms can move by themselves; a part of a family cannot, and nothing is changed."""
    filled(source)
    with pytest.raises(InvalidArgument, match="team"):
        migrate(source, target, realms=["company"])
    with pytest.raises(RealmNotFound):
        migrate(source, target, realms=["nobody"])
    done = migrate(source, target, realms=["other"])
    assert [(one.realm, one.state) for one in done.realms] == [("other", "moved")]
    assert done.tokens == "left"
    assert source.realm("team").patch({"x": 1}).generation == 5
    assert family_of(source, "company") == ["team", "company"]
    assert family_of(source, "other") == ["other"]
    migrate(source, target, realms=family_of(source, "company"))
    assert target.realm("team").get().config["retries"] == 3


def test_a_child_that_is_made_meanwhile_moves_too(source, target, monkeypatch):
    """Nobody is left behind whose parent moves: the family is looked at again."""
    filled(source)
    depart, made = type(source.store).depart, list[str]()

    def first_make(self, realm, to, **how):
        if not made:
            made.append(realm)
            source.realm("late").set({SECTION: {"late": {"parent": "team"}}})
        return depart(self, realm, to, **how)

    monkeypatch.setattr(type(source.store), "depart", first_make)
    done = migrate(source, target)
    assert [one.realm for one in done.realms] == ["company", "late", "other", "team"]
    assert target.realm("late").get().config["retries"] == 3
    with pytest.raises(RealmMoved):
        source.realm("late").get()


def test_a_composition_never_spans_two_stores(source, target):
    """Whoever inherits from a realm that lives elsewhere is told so, and not given half a configuration."""
    filled(source)
    migrate(source, target)
    source.realm("stray").set({SECTION: {"stray": {"parent": "company"}}})
    with pytest.raises(RealmMoved) as refused:
        _ = source.realm("stray").get().config
    assert refused.value.realm == "company"


# --- what can go wrong ---------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(source, target):
    """It says of every realm what would be done, and what stands in the way."""
    filled(source)
    target.realm("other").set({"mine": True})
    planned = migrate(source, target, dry_run=True)
    assert [(one.realm, one.state, one.revisions) for one in planned.realms] == [
        ("company", "moves", 2),
        ("other", "refused", 0),
        ("team", "moves", 4),
    ]
    assert "another history" in planned.realms[1].reason
    assert [one.realm for one in target.realms()] == ["other"]
    assert source.realm("team").patch({"x": 1}).generation == 5


def test_another_history_is_not_overwritten(source, target):
    """A realm that the target has a history of its own for is refused, before anything is carried."""
    filled(source)
    target.realm("other").set({"mine": True})
    with pytest.raises(TimelineChanged):
        migrate(source, target)
    assert [one.realm for one in target.realms()] == ["other"]
    assert target.realm("other").get().config == {"mine": True}
    assert source.realm("other").patch({"y": 1}).generation == 2


def test_a_failure_before_the_marker_changes_nothing(source, target, monkeypatch):
    """All of a family goes on living in the source if one of it cannot follow; the next call goes on."""
    filled(source)
    receive = type(target.store).receive
    calls = []

    def full(self, arrival, **how):
        calls.append(arrival)
        if RealmName("company") in arrival.floors and source.store.head(RealmName("team")).moved_to:
            raise StoreFull("no space")
        return receive(self, arrival, **how)

    monkeypatch.setattr(type(target.store), "receive", full)
    source.realm("company").set({"retries": 5}, write_id="receipt")
    with pytest.raises(StoreFull):
        migrate(source, target)
    assert source.realm("team").patch({"x": 1}).generation == 5
    assert source.realm("company").get().config["retries"] == 5
    with pytest.raises(RealmMoved) as refused:
        target.realm("team").set({})
    assert refused.value.to == public_url(source.url)
    monkeypatch.undo()
    assert {one.state for one in migrate(source, target).realms} == {"moved"}
    assert target.realm("team").get().generation == 5


def test_calling_again_goes_on_or_finds_it_done(source, target):
    """Between marker and arrival a realm is refused by both stores; the next call lets it live in the target."""
    filled(source)
    migrate(source, target)
    assert {one.state for one in migrate(source, target).realms} == {"already"}
    target.realm("team").patch({"x": 1})
    assert {one.state for one in migrate(source, target).realms} == {"already"}
    # As a kill between the two leaves it.
    source.realm("lone").set({"x": 1})
    with source.store.view() as view:
        (step,) = view.steps({RealmName("lone"): 0}, limit=5)
    from realmconf.stores.protocol import Arrival

    arrival = Arrival(source=public_url(source.url), floors={step.realm: 1}, steps=[step])
    target.store.receive(arrival, deadline=target.deadline(None))
    source.store.depart(
        step.realm,
        public_url(target.url),
        finish=lambda _: None,
        deadline=source.deadline(None),
    )
    for client in (source, target):
        with pytest.raises(RealmMoved):
            client.realm("lone").get()
    done = {one.realm: one.state for one in migrate(source, target).realms}
    assert done == {"company": "already", "lone": "arrived", "other": "already", "team": "already"}
    assert target.realm("lone").patch({"y": 2}).generation == 2


def test_a_realm_that_has_moved_on_is_not_taken_back(source, target):
    """From the first of three stores a realm is sent to the second, and nothing there comes to life again."""
    filled(source)
    migrate(source, target)
    with connect(f"memory://third{next(_serial)}") as third:
        migrate(target, third)
        found = migrate(source, target)
        assert {one.state for one in found.realms} == {"elsewhere"}
        assert {one.reason for one in found.realms} == {third.url}
        with pytest.raises(RealmMoved) as refused:
            target.realm("team").get()
        assert refused.value.to == third.url
        with pytest.raises(RealmMoved):
            migrate(source, third, realms=["other"])


def test_the_way_back(source, target):
    """A realm goes on where it left, in a store that it comes back to: one history, one marker at a time."""
    filled(source)
    for number, (here, there) in enumerate([(source, target), (target, source)] * 2):
        migrate(here, there, live=bool(number % 2))
        there.realm("team").patch({"n": number})
        with pytest.raises(RealmMoved):
            here.realm("team").patch({"n": -1})
    assert source.realm("team").verify().revisions == 8
    assert [one.generation for one in source.realm("team").history()] == list(range(8, 0, -1))


def test_what_cannot_move(source, target, places):
    """One store under two names, and two that nobody can tell apart: said before anything is done."""
    filled(source)
    with pytest.raises(InvalidArgument), connect(places[0]) as same:
        migrate(source, same)
    with connect("memory://") as one, connect("memory://") as other, pytest.raises(InvalidArgument):
        migrate(one, other)
    with pytest.raises(InvalidArgument):
        migrate(source, target, realms="team")


def test_a_store_whose_realms_cannot_move(source, target, monkeypatch):
    """It is ``unsupported``, in whichever direction."""
    from realmconf.runtime import migrating

    monkeypatch.setattr(migrating, "moving", lambda store: None)
    with pytest.raises(Unsupported):
        migrate(source, target)


def test_a_document_that_is_too_large_there(source):
    """A store that takes smaller documents refuses before anything of the family has moved."""
    from realmconf.domain.names import LIMITS

    source.realm("team").set({"text": "x" * 2_000})
    limits = LIMITS.replace(document_bytes=1_000)
    with connect(f"memory://small{next(_serial)}", limits=limits) as small:
        with pytest.raises(LimitExceeded):
            migrate(source, small)
        assert source.realm("team").patch({"x": 1}).generation == 2


def test_tokens_are_copied_and_kept(source, target):
    """Tokens are good in both stores: in the old one whoever asks must be let in to be told where to go."""
    from realmconf.runtime.tokens import Tokens

    source.realm("team").set({"x": 1})
    made = Tokens(source)
    made.create(realms=["*"], roles=["read"], author="ada", surface="sdk")
    assert migrate(source, target, dry_run=True).tokens == "copied"
    assert migrate(source, target).tokens == "copied"
    found = Tokens(target)
    assert found.all() == made.all()
    found.create(realms=["team"], roles=["read"], author="ada", surface="sdk")
    assert migrate(source, target).tokens == "kept"
    assert len(found.all()) == 2
    assert len(made.all()) == 1


# --- while it is in use ----------------------------------------------------------------------------


def test_nothing_is_lost_under_writers_who_go_where_they_are_told(source, target):
    """G1, G6, G7: every acknowledged write is in the history, once, and a watcher sees each of them once."""
    source.realm("team").set({"n": 0})
    clients = {public_url(client.url): client for client in (source, target)}
    stop, acknowledged, failures = threading.Event(), [], []
    seen: list[int] = []

    def write(name):
        client, number = source, 0
        while not stop.is_set():
            write_id = f"{name}-{number}"
            try:
                done = client.realm("team").patch({name: number}, write_id=write_id)
                acknowledged.append((done.generation, write_id))
                number += 1
            except RealmMoved as moved:
                client = clients[moved.to]
            except Exception as failure:  # noqa: BLE001 - looked at by the test's own thread
                failures.append(failure)
                return

    def watch():
        client, cursor = source, 0
        while True:
            try:
                for snapshot in client.realm("team").watch(after=cursor, view="own"):
                    assert not snapshot.reset
                    seen.append(snapshot.generation)
                    cursor = snapshot.cursor
                    if snapshot.document.get("end"):
                        return
            except RealmMoved as moved:
                client = clients[moved.to]

    threads = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(3)]
    watcher = threading.Thread(target=watch)
    for thread in (*threads, watcher):
        thread.start()
    here, there = source, target
    for _ in range(4):
        before = len(acknowledged)
        while len(acknowledged) < before + 50 and not failures:
            stop.wait(0.001)
        migrate(here, there, live=True)
        here, there = there, here
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    here.realm("team").patch({"end": True})
    watcher.join()
    history = {one.generation: one.write_id for one in here.realm("team").history(limit=1_000)}
    assert sorted(history) == list(range(1, len(history) + 1))
    assert [(g, history[g]) for g, _ in acknowledged] == acknowledged
    assert len(acknowledged) == len(history) - 2
    assert seen == sorted(history)


def test_many_realms_are_carried_in_the_order_of_their_commits(source, target):
    """More realms than one statement can name, of one family: what was inherited at any moment is told as it was."""
    number = database.REALMS_AT_ONCE + 5
    for turn in range(2):
        for index in range(number):
            source.realm(f"r{index}").set({"n": turn})
        source.realm("global").set({"all": turn})
    migrate(source, target, live=True)
    child = target.realm("r0")
    assert (child.at(1).config, child.at(2).config) == ({"n": 0}, {"n": 1, "all": 0})
    with source.store.view() as before, target.store.view() as after:
        everybody = {entry.realm: 0 for entry in before.realms()}
        assert [one.revision.digest for one in before.steps(everybody, limit=2_000)] == [
            one.revision.digest for one in after.steps(everybody, limit=2_000)
        ]


# --- addresses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/srv/realms", "/srv/realms"),
        ("memory://name", "memory://name"),
        ("postgresql://ada:hunter2@host/db?schema=x", "postgresql://ada@host/db?schema=x"),
        ("postgresql://host/db?password=hunter2&schema=x", "postgresql://host/db?schema=x"),
        (
            "etcd://u:p@ss@host:2379,other:2379/prefix?ca=/ca.pem",
            "etcd://u@host:2379,other:2379/prefix?ca=/ca.pem",
        ),
        ("nats://:token@host/STREAM?token=x", "nats://host/STREAM"),
    ],
)
def test_no_secret_of_an_address_is_told(url, shown):
    """G11: where a realm has moved to is told to everybody who asks for it."""
    assert public_url(url) == shown


@pytest.mark.parametrize("view", ["own", "effective"])
def test_a_cursor_that_has_not_arrived_yet_is_sent_back(source, target, view):
    """
    G8: whoever watches in the new store before all has arrived there is told where the realm lives, and not that its
    place is gone.
    """
    filled(source)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(source, target, live=True, progress=stop)
    source.realm("team").patch({"x": 1})
    snapshot = source.realm("team").get()
    cursor = snapshot.etag if view == "own" else snapshot.cursor
    with pytest.raises(RealmMoved) as told:
        next(target.realm("team").watch(after=cursor, view=view))
    assert told.value.to == public_url(source.store.url)
