"""What etcd's refusals become, what is made under a prefix, and how much goes into one transaction."""

from __future__ import annotations

import gc
import http.server
import json
import os
import shutil
import threading
import time
from contextlib import suppress

import pytest
from tests.engines.servers.etcd import (
    Etcd,
    ask,
    coded,
    compact,
    keys_under,
    new_prefix,
    put,
    remove_under,
    value,
)

from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import (
    InvalidArgument,
    InvalidRealm,
    LimitExceeded,
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.runtime.client import connect
from realmconf.stores.etcd import composing, keeping, reading, setting, view, writing
from realmconf.stores.etcd.asking import put_of
from realmconf.stores.etcd.layout import FORMAT
from realmconf.stores.etcd.reading import Reading
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, append, appending, grow, in_threads, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from realmconf.domain.revision import Revision
    from realmconf.stores.etcd.asking import Operation, Outcome
    from realmconf.stores.protocol import Judgement, ReadView, Receipt, Store

pytestmark = pytest.mark.engines


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Opens stores, and closes them at the end."""
    stores: list[Store] = []

    def open_one(url: str, **more: Any) -> Store:
        store = open_store(url, limits=LIMITS, **more)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


def together(realms: list[RealmName], document: Any, write_id: str | None = None) -> Any:
    """A judgement that appends *document* to all of *realms*."""

    def judge(view: ReadView) -> list[Judgement]:
        return [
            one
            for realm in realms
            for one in appending(realm, document(realm), write_id=write_id)(view)
        ]

    return judge


# --- what is made ----------------------------------------------------------------------------------


def test_many_make_one_store_at_once(etcd: Etcd, opened) -> None:
    """Whoever opens a new store while others do finds one store, with one key."""
    url = etcd.url()
    keys = set()

    def act(index: int) -> None:
        store = opened(url)
        append(store, RealmName(f"realm-{index}"), {"n": index})
        keys.add(store.request_key())

    in_threads(8, act)
    assert len(keys) == 1
    with opened(url).view() as view:
        assert len(view.realms()) == 8


def test_a_reader_makes_nothing(etcd: Etcd, opened) -> None:
    """A store that is opened for reading only is made by nobody; one that is there is read."""
    prefix = new_prefix()
    with pytest.raises(StoreUnavailable, match="there is no store yet") as refused:
        opened(etcd.url(prefix), read_only=True)
    assert not refused.value.retryable
    assert keys_under(etcd.place, prefix) == []
    append(opened(etcd.url(prefix)), ONE, {"n": 1})
    reader = opened(etcd.url(prefix), read_only=True)
    assert reader.head(ONE).generation == 1
    with pytest.raises(StoreReadOnly):
        append(reader, ONE, {"n": 2})


def test_stores_beside_each_other(etcd: Etcd, opened) -> None:
    """Each prefix is a store of its own, also where one begins with the other's."""
    prefix = new_prefix()
    inner, outer = opened(etcd.url(f"{prefix}/inner")), opened(etcd.url(prefix))
    append(inner, ONE, {"n": 1})
    append(outer, TWO, {"n": 1})
    for store, realm, other in ((inner, ONE, TWO), (outer, TWO, ONE)):
        assert store.head(other).generation == 0
        with store.view() as view:
            assert [entry.realm for entry in view.realms()] == [realm]
    assert inner.request_key() != outer.request_key()


def test_something_else_under_the_prefix(etcd: Etcd, opened) -> None:
    """Keys that no store has put are neither read nor covered."""
    prefix = new_prefix()
    put(etcd.place, f"{prefix}/r/one/one", "theirs")
    with pytest.raises(StoreCorrupt, match="name another prefix"):
        opened(etcd.url(prefix))
    assert keys_under(etcd.place, prefix) == [f"{prefix}/r/one/one"]


def test_a_newer_format_is_refused(etcd: Etcd, opened) -> None:
    """``store_too_new``, for reading too; what is no number is damage."""
    prefix = new_prefix()
    opened(etcd.url(prefix))
    put(etcd.place, f"{prefix}/m/format", "999")
    for read_only in (False, True):
        with pytest.raises(StoreTooNew, match="999"):
            opened(etcd.url(prefix), read_only=read_only)
    put(etcd.place, f"{prefix}/m/format", "something")
    with pytest.raises(StoreCorrupt):
        opened(etcd.url(prefix))


def test_an_older_format_is_brought_up(etcd: Etcd, opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The first who opens it to write brings it up in one step, whoever comes at the same time finds it done; who may only
    read is told to wait for that, and who has it open from before writes nothing any more, and reads nothing.
    """
    prefix = new_prefix()
    url = etcd.url(prefix)
    old = opened(url)
    append(old, ONE, {"n": 1})
    monkeypatch.setattr(setting, "FORMAT", FORMAT + 1)
    monkeypatch.setattr(
        setting, "UPGRADES", {FORMAT: lambda keys: [put_of(f"{keys.own}made-up", b"7")]}
    )
    with pytest.raises(StoreUnavailable, match="older format"):
        opened(url, read_only=True)
    in_threads(4, lambda _: opened(url))
    assert value(etcd.place, f"{prefix}/m/made-up") == b"7"
    assert opened(url, read_only=True).head(ONE).generation == 1
    monkeypatch.undo()
    with pytest.raises(StoreTooNew):
        append(old, ONE, {"n": 2})
    with pytest.raises(StoreTooNew):
        old.head(ONE)
    with pytest.raises(StoreTooNew):
        old.purge(ONE, 1, document={"erased": True}, deadline=soon())
    row = value(etcd.place, f"{prefix}/r/{ONE}/{ONE}")
    assert row is not None
    assert json.loads(row.partition(b"\n")[0])["g"] == 1


def test_a_store_that_was_removed(etcd: Etcd, opened) -> None:
    """Whoever has it open is told so, reader and writer, and makes no new one in its place without a word."""
    prefix = new_prefix()
    store = opened(etcd.url(prefix))
    append(store, ONE, {"n": 1})
    remove_under(etcd.place, prefix)
    for act in (lambda: store.head(ONE), lambda: append(store, ONE, {"n": 2})):
        with pytest.raises(StoreUnavailable, match="was it removed") as refused:
            act()
        assert not refused.value.retryable
    assert keys_under(etcd.place, prefix) == []


@pytest.mark.parametrize("damage", ["", "{}", "{}\n{}", "no JSON", '{"g":1'])
def test_a_damaged_row(etcd: Etcd, opened, damage: str) -> None:
    """What cannot be read is told to be damaged, and is no default; other realms go on."""
    prefix = new_prefix()
    store = opened(etcd.url(prefix))
    append(store, ONE, {"n": 1})
    put(etcd.place, f"{prefix}/r/{ONE}/{ONE}", damage)
    with pytest.raises(StoreCorrupt):
        store.head(ONE)
    assert append(store, TWO, {"n": 1}).generation == 1


def test_values_of_every_kind(etcd: Etcd, opened) -> None:
    """What callers choose is a value, and part of a key that nobody else's can be."""
    store = opened(etcd.url())
    document = {"/r/": ["\\", '"', "\u0000", "\U0001f600"]}
    for number, name in enumerate(("a/b", "a", "../x", "ü", "+x", "\0", '"', " ", "x" * 128)):
        append(store, ONE, document, write_id=name, author=name, message=name)
        head = store.head(ONE).revision
        assert head is not None
        assert (head.generation, head.document, head.write_id) == (number + 1, document, name)
        with store.view() as view:
            receipt = view.receipt(ONE, name)
            assert receipt is not None
            assert receipt.generation == number + 1


def test_names_that_differ_by_case(etcd: Etcd, opened) -> None:
    """Of two names that differ by case alone the second is refused, to whoever writes at the same moment, too."""
    url = etcd.url()
    stores = [opened(url) for _ in range(4)]
    made, refused = [], []

    def act(index: int) -> None:
        name = RealmName(("Realm", "realm", "REALM", "reAlm")[index])
        try:
            append(stores[index], name, {"n": index})
            made.append(name)
        except InvalidRealm:
            refused.append(name)

    in_threads(4, act)
    assert (len(made), len(refused)) == (1, 3)
    for name in ("b", "A", "_", "a-1"):
        with suppress(InvalidRealm):
            append(stores[0], RealmName(name), {"n": 1})
    with stores[1].view() as view:
        names = [entry.realm for entry in view.realms()]
        assert names == sorted(["A", "b", "a-1", *made])
        assert [one.realm for one in view.realms(after="A", limit=2)] == names[1:3]


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("etcd://127.0.0.1/a//b", "the prefix of all keys"),
        ("etcd://127.0.0.1/a b", "the prefix of all keys"),
        ("etcd://127.0.0.1/store/r", "two or more"),
        ("etcd://127.0.0.1/", "the prefix of all keys"),
        (f"etcd://127.0.0.1/{'x' * 129}", "up to 128"),
        ("etcd:///prefix", "names a host"),
        ("etcd://127.0.0.1:port/prefix", "a port of the etcd:// URL is no number"),
        ("etcd://user:s3cret/x@127.0.0.1/prefix", "%2F"),
        ("etcd://s3cret@127.0.0.1/prefix", "user:password before the @"),
        ("etcd://127.0.0.1/prefix?s3cret=1", "known are ca, cert, key, tls"),
        ("etcd://127.0.0.1/prefix?cert=x", "come together"),
        ("etcd://127.0.0.1/prefix?tls=perhaps", "tls= takes yes or no"),
        ("etcd://127.0.0.1/prefix?tls=no&ca=x", "tls= takes yes or no"),
        ("etcd://[::1/prefix", "brackets"),
    ],
)
def test_urls_that_are_refused(url: str, said: str) -> None:
    """A URL that cannot be understood is refused with what is wrong, and without any of it."""
    with pytest.raises(InvalidArgument) as refused:
        open_store(url, limits=LIMITS)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


class _Pretender(http.server.BaseHTTPRequestHandler):
    """A server that says a version and nothing else."""

    version = ""

    def do_GET(self) -> None:
        body = json.dumps({"etcdserver": self.version, "etcdcluster": "3.5.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.version else b"x" * len(body))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        pass


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("3.5.0", "may lose what it has acknowledged"),
        ("3.5.5", "may lose what it has acknowledged"),
        ("3.3.27", "too old"),
        ("2.3.8", "too old"),
        ("", "no etcd"),
    ],
)
def test_versions_that_are_refused(version: str, said: str) -> None:
    """A server that may lose what it has acknowledged, or is too old, is not used, and its version is told."""
    handler = type("Pretender", (_Pretender,), {"version": version})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=said) as refused:
            open_store(f"etcd://127.0.0.1:{server.server_port}/prefix", limits=LIMITS)
        server.shutdown()
    assert version in str(refused.value)
    assert not refused.value.retryable
    assert time.monotonic() - began < 5


def test_something_else_in_the_place_of_a_member(etcd: Etcd) -> None:
    """Where something else answers in the place of one of several members, the others are asked."""
    handler = type("Pretender", (_Pretender,), {"version": ""})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in range(4):
            url = f"etcd://127.0.0.1:{server.server_port},{etcd.place}/{new_prefix()}"
            store = open_store(url, limits=LIMITS)
            assert append(store, ONE, {"n": 1}).generation == 1
            store.close()
        server.shutdown()


def test_a_server_without_a_gateway() -> None:
    """Where the gateway was switched off it is told how to switch it on."""
    server = Etcd("--enable-grpc-gateway=false")
    try:
        with pytest.raises(StoreUnavailable, match="--enable-grpc-gateway") as refused:
            open_store(server.url(), limits=LIMITS)
        assert not refused.value.retryable
    finally:
        server.close()


def test_a_server_that_is_full() -> None:
    """
    G4, G6: ``store_full`` is said of nothing that is there: of several writes that fill the space together etcd carries
    some out and answers them as errors, which are told as what they are.  Reads go on, and with more space writes do.
    """
    server = Etcd(f"--quota-backend-bytes={2 << 20}")
    try:
        store = open_store(server.url(), limits=LIMITS)
        realms = [RealmName(f"realm-{number}") for number in range(12)]
        acknowledged = [0] * len(realms)

        def fill(index: int) -> None:
            with pytest.raises(StoreFull, match="alarm disarm"):
                write_on(index)

        def write_on(index: int) -> None:
            for number in range(1, 200):
                append(store, realms[index], {"n": number, "text": "x" * 60_000})
                acknowledged[index] = number

        in_threads(len(realms), fill)
        with pytest.raises(StoreFull):
            append(store, ONE, {"n": 0}, write_id="refused")
        assert sum(acknowledged) > 5
        with store.view() as view:
            assert [view.head(realm).generation for realm in realms] == acknowledged
            assert view.receipt(ONE, "refused") is None
        server.stop()
        server.flags.append(f"--quota-backend-bytes={64 << 20}")
        server.start(waits=False)
        deadline = soon()
        while not server.answers():
            assert time.monotonic() < deadline
            with suppress(OSError):
                disarm(server)
            time.sleep(0.1)
        for realm, number in zip(realms, acknowledged, strict=True):
            assert append(store, realm, {"n": 0}).generation == number + 1
        store.close()
    finally:
        server.close()


def disarm(server: Etcd) -> None:
    """Take the alarm of a full server back, as ``etcdctl alarm disarm`` does."""
    member = ask(server.place, "/v3/maintenance/status", {})["header"]["member_id"]
    fields = {"action": "DEACTIVATE", "memberID": member, "alarm": "NOSPACE"}
    ask(server.place, "/v3/maintenance/alarm", fields)


# --- how much goes in at once ------------------------------------------------------------------------


def test_the_largest_documents(etcd: Etcd, opened) -> None:
    """A document as large as is declared is taken, with a schema as large, and read; a larger one is refused unsent."""
    store = opened(etcd.url())
    most = store.info.document_bytes_max
    assert most == LIMITS.document_bytes
    large = {"text": "x" * (most - len('{"text":""}'))}
    schema = {"description": "y" * (most - 100)}
    for generation in range(1, 9):
        assert append(store, ONE, large, schemas=[schema]).generation == generation
    other = opened(store.url)
    assert other.head(ONE).revision.document == large
    with other.view() as view:
        assert [one.document == large for one in view.revisions(ONE)] == [True] * 8
        assert len(view.revisions(ONE, limit=3, newest_first=True)) == 3
        (digest,) = view.schemas(ONE)
        assert view.schema(digest) == schema
        assert len(view.steps({ONE: 0}, limit=100)) == 8
    for write_id in (None, "w-" + "1" * 32):
        with pytest.raises(LimitExceeded, match="request bytes"):
            append(store, ONE, {"text": "x" * 1_500_000}, write_id=write_id)
    assert store.head(ONE).generation == 8


@pytest.mark.parametrize("write_id", ["w-" + "0" * 30, "given"])
def test_sixty_realms_at_once(etcd: Etcd, opened, write_id: str) -> None:
    """
    G5: as many realms as are declared are made and changed in one step, also as children of one parent and under an id
    of the caller's, which is good once in each of them.
    """
    store = opened(etcd.url())
    assert store.info.transaction_realms_max == 60
    append(store, ONE, {"n": 1})
    realms = [RealmName(f"realm-{number:02}") for number in range(60)]

    def child(realm: RealmName) -> Any:
        return {"realm": {str(realm): {"parent": str(ONE)}}, "text": "x" * 20_000}

    for generation in (1, 2):
        own = f"{write_id}-{generation}"
        done = store.apply(realms, together(realms, child, own), deadline=soon())
        assert len(done) == 60
        with opened(store.url).view() as view:
            assert {view.head(realm).generation for realm in realms} == {generation}
            positions = [view.position(realm, generation) for realm in realms]
            assert positions == sorted(set(positions))
            assert view.last_position() == positions[-1]
            assert view.children(ONE) == realms
            for realm in realms:
                receipt = view.receipt(realm, own)
                assert receipt is not None
                assert receipt.generation == generation
        if write_id == "given":
            assert [one.write_id for one in store.receipts(realms[0])][-1] == own
    append(store, realms[0], {"n": "no child any more"})
    store.apply(
        realms[1:30], together(realms[1:30], lambda _: {"n": "nor these"}, "away"), deadline=soon()
    )
    append(store, realms[1], child(realms[1]))
    with store.view() as view:
        assert view.children(ONE) == [realms[1], *realms[30:]]


def test_an_id_that_was_used_in_other_realms(etcd: Etcd, opened) -> None:
    """An id is good once in each realm: used in two at once, it is free in others, and in two others at once."""
    store = opened(etcd.url())
    three, four, five = (RealmName(name) for name in ("three", "four", "five"))
    store.apply([ONE, TWO], together([ONE, TWO], lambda _: {"n": 1}, "mine"), deadline=soon())
    other = opened(store.url)
    append(other, three, {"n": 1}, write_id="mine")
    other.apply([four, five], together([four, five], lambda _: {"n": 1}, "mine"), deadline=soon())
    with store.view() as view:
        for realm in (ONE, TWO, three, four, five):
            receipt = view.receipt(realm, "mine")
            assert receipt is not None
            assert (receipt.realm, receipt.outcome) == (realm, "committed")
    for realm in (ONE, four):
        assert store.void(realm, "mine", deadline=soon()).outcome == "committed"


def test_sixty_one_realms_at_once(etcd: Etcd) -> None:
    """
    A client's transaction makes as many children of one realm as are declared; one more is refused before anything is
    sent, and so is what needs more operations than etcd takes, though it names fewer realms.
    """
    with connect(etcd.url()) as client:
        client.realm("base").set({"text": "inherited"})
        parts: list[tuple[str, dict[str, Any]]] = [
            (name, {"set": {"n": 1, "realm": {name: {"parent": "base"}}}})
            for name in (f"realm-{number}" for number in range(61))
        ]
        with pytest.raises(LimitExceeded, match="transaction realms"):
            client.transaction(parts)
        assert [one.realm for one in client.realms()] == ["base"]
        assert len(client.transaction(parts[:60])) == 60
        assert client.realm("realm-59").get().config["text"] == "inherited"
        store = client.store
        apart = [RealmName(f"apart-{number}") for number in range(50)]

        def each_with_a_parent(realm: RealmName) -> Any:
            return {"realm": {str(realm): {"parent": f"parent-of-{realm}"}}}

        with pytest.raises(LimitExceeded, match="operations at once"):
            store.apply(apart, together(apart, each_with_a_parent, "mine"), deadline=soon())
        assert store.head(apart[0]).generation == 0


def test_what_rests_on_many_rows(etcd: Etcd, opened) -> None:
    """G5: a write that was judged on more rows than etcd compares at once stands only if all of them do."""
    store, other = opened(etcd.url()), None
    realms = [RealmName(f"realm-{number}") for number in range(150)]
    for realm in realms:
        append(store, realm, {"n": 0})
    other = opened(store.url)
    looks = 0

    def judge(view: ReadView) -> list[Judgement]:
        nonlocal looks
        looks += 1
        total = 0
        for realm in realms:
            revision = view.head(realm).revision
            assert revision is not None
            assert revision.document is not None
            total += revision.document["n"]
        if looks == 1:
            append(other, realms[-1], {"n": 5})
        return list(appending(ONE, {"total": total})(view))

    store.apply([ONE], judge, deadline=soon())
    assert store.head(ONE).revision.document == {"total": 5}
    assert looks > 1


def test_the_pages_of_a_long_history(etcd: Etcd, opened) -> None:
    """Stretches of history, from either end, and of many realms in the order of commits, are whole."""
    store = opened(etcd.url())
    grow(store, ONE, 150)
    grow(store, TWO, 5)
    with opened(store.url).view() as view:
        assert [one.generation for one in view.revisions(ONE)] == list(range(1, 151))
        assert [
            one.generation for one in view.revisions(ONE, after=3, before=140, limit=130)
        ] == list(range(4, 134))
        newest = view.revisions(ONE, newest_first=True, limit=20)
        assert [one.generation for one in newest] == list(range(150, 130, -1))
        steps = view.steps({ONE: 140, TWO: 0}, limit=12)
        assert [(one.realm, one.revision.generation) for one in steps] == [
            *((ONE, number) for number in range(141, 151)),
            (TWO, 1),
            (TWO, 2),
        ]
        for generation in (1, 77, 150):
            position = view.position(ONE, generation)
            found = view.as_of(ONE, position)
            assert found is not None
            assert found.generation == generation
            before = view.as_of(ONE, position - 1)
            assert (before is None) if generation == 1 else before.generation == generation - 1


# --- what is erased ----------------------------------------------------------------------------------


def test_a_purge_leaves_nothing_under_the_prefix(etcd: Etcd, opened) -> None:
    """G12: what was purged is in no key; in etcd's own past it is until etcd is compacted, and then no more."""
    prefix = new_prefix()
    store = opened(etcd.url(prefix))
    append(store, ONE, {"token": "hunter2"})
    append(store, ONE, {"n": 2})
    store.purge(ONE, 1, document={"erased": True}, deadline=soon())
    past = int(ask(etcd.place, "/v3/kv/range", {"key": coded("none")})["header"]["revision"]) - 1
    for key in keys_under(etcd.place, prefix):
        assert b"hunter2" not in (value(etcd.place, key) or b"")
    compact(etcd.place)
    fields = {"key": coded(f"{prefix}/"), "range_end": coded(f"{prefix}0"), "revision": str(past)}
    assert "compacted" in ask(etcd.place, "/v3/kv/range", fields)["message"]
    with store.view() as view:
        assert view.revision(ONE, 1).document == {"erased": True}
        assert view.position(ONE, 1) < view.position(ONE, 2)


def test_a_compaction_takes_revisions_out_of_etcd(etcd: Etcd, opened) -> None:
    """What is below the floor is in no key any more, and what an interrupted one has left goes with the next."""
    prefix = new_prefix()
    store = opened(etcd.url(prefix))
    grow(store, ONE, 20)
    before = [key for key in keys_under(etcd.place, prefix) if "/h/" in key]
    assert len(before) == 20
    done = store.compact(ONE, floor=15, deadline=soon())
    assert (done.floor, done.removed) == (15, 14)
    kept = [key for key in keys_under(etcd.place, prefix) if "/h/" in key]
    assert kept == before[14:]
    put(etcd.place, before[0], "left behind")
    assert store.compact(ONE, floor=15, deadline=soon()).removed == 1
    assert [key for key in keys_under(etcd.place, prefix) if "/h/" in key] == kept


def test_ids_of_several_realms_are_pruned(
    etcd: Etcd, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Ids that several realms were written under at once count among those that are kept of each: a compaction of one
    takes the oldest out for that one alone, and what holds no others then is gone.
    """
    monkeypatch.setattr(keeping, "RECEIPTS_KEPT", 3)
    prefix = new_prefix()
    store, other = opened(etcd.url(prefix)), opened(etcd.url(prefix))
    for number in range(1, 8):
        both = together([ONE, TWO], lambda _, n=number: {"n": n}, f"id-{number}")
        store.apply([ONE, TWO], both, deadline=soon())
    append(store, ONE, {"n": 8}, write_id="alone")
    # It is known there as taken: this judge writes all the same, again and again.
    again = together([ONE, TWO], lambda _: {"n": 9}, "id-1")
    remembered = other._ledger._writing._together
    deadline = soon()
    while "id-1" not in remembered:
        assert time.monotonic() < deadline
        with pytest.raises((LockTimeout, StoreUnavailable, OutcomeUnknown)):
            other.apply([ONE, TWO], again, deadline=time.monotonic() + 0.3)

    def kept() -> list[str]:
        return [key.rpartition("/")[2] for key in keys_under(etcd.place, prefix) if "/t/" in key]

    store.compact(ONE, floor=8, deadline=soon())
    assert len(kept()) == 7
    assert [one.write_id for one in store.receipts(ONE)] == ["alone", "id-6", "id-7"]
    assert [one.write_id for one in store.receipts(TWO)] == [f"id-{n}" for n in range(1, 8)]
    store.compact(TWO, floor=7, deadline=soon())
    assert kept() == ["id-5", "id-6", "id-7"]
    assert [one.write_id for one in store.receipts(TWO)] == ["id-5", "id-6", "id-7"]
    for number, one in enumerate((other, store)):
        again = together([ONE, TWO], lambda _, n=number: {"n": 10 + n}, f"id-{1 + number}")
        assert len(one.apply([ONE, TWO], again, deadline=soon())) == 2


def test_receipts_in_pages(etcd: Etcd, opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of receipts, of ids in one realm and in several, come to all of them, in order, and ask for no more."""
    monkeypatch.setattr(view, "KEYS_AT_LEAST", 1)
    store = opened(etcd.url())
    for number in range(12):
        realms = [ONE, TWO] if number % 3 else [ONE]
        judge = together(realms, lambda _, n=number: {"n": n}, f"id-{number:02}")
        store.apply(realms, judge, deadline=soon())
    whole = store.receipts(ONE)
    assert [one.write_id for one in whole] == [f"id-{number:02}" for number in range(12)]
    asked: list[int] = []
    ask_ = Reading.ask

    def counted(self: Reading, operations: Sequence[Operation], deadline: float) -> Outcome:
        outcome = ask_(self, operations, deadline)
        asked.append(sum(len(part.found) for part in outcome.parts))
        return outcome

    monkeypatch.setattr(Reading, "ask", counted)
    assert store.receipts(ONE, limit=2) == whole[:2]
    assert sum(asked) <= 6
    found: list[Receipt] = []
    while page := store.receipts(ONE, after=found[-1].write_id if found else None, limit=5):
        found += page
    assert found == whole
    assert (
        store.receipts(ONE, since=6, limit=3) == [one for one in whole if one.generation >= 6][:3]
    )


# --- forks and threads -------------------------------------------------------------------------------


def test_both_go_on_after_a_fork(etcd: Etcd) -> None:
    """
    Forked in the middle of other threads' questions, thirty children read, write and hear of changes over connections
    of their own, and the parent's threads notice nothing.
    """
    client = connect(etcd.url())
    realm = client.realm("forked")
    realm.set({"n": 0})
    heard: list[int] = []
    handle = realm.on_change(lambda one: heard.append(one.generation))
    ended = threading.Event()
    failures: list[BaseException] = []

    def act(index: int) -> None:
        try:
            while not ended.is_set():
                client.realm(f"beside-{index}").patch({"n": index})
                client.realm("forked").get()
        except BaseException as failure:  # noqa: BLE001 - shown below
            failures.append(failure)

    threads = [threading.Thread(target=act, args=[index]) for index in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 31):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                realm.patch({"n": number})
                code = 0 if realm.get().config["n"] == number else 2
                client.close()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert realm.get().generation == number + 1
    ended.set()
    for thread in threads:
        thread.join(20)
    assert not failures
    deadline = soon()
    while not heard or heard[-1] < 31:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert heard == sorted(set(heard))
    handle.cancel()
    client.close()


def test_what_a_store_holds_open_is_given_back(etcd: Etcd) -> None:
    """A store that was opened, used and closed leaves no descriptor."""

    def use() -> None:
        with connect(etcd.url()) as client:
            heard: list[int] = []
            handle = client.realm("used").on_change(lambda one: heard.append(one.generation))
            client.realm("used").set({"n": 1})
            deadline = soon()
            while not heard:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            handle.cancel()

    use()
    gc.collect()
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        use()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_fork_after_a_store_was_closed_closes_nothing_of_others(etcd: Etcd) -> None:
    """What has taken the numbers of a closed store's descriptors stays open in a child."""
    store = open_store(etcd.url(), limits=LIMITS)
    append(store, ONE, {"n": 1})
    store.close()
    others = [os.open(__file__, os.O_RDONLY) for _ in range(16)]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if all(os.path.sameopenfile(one, others[0]) for one in others) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    for one in others:
        os.close(one)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.head(ONE)


def test_threads_share_a_handle(etcd: Etcd, opened) -> None:
    """Sixteen threads write and read through one handle, each its own realm, and one common realm."""
    store = opened(etcd.url())
    common: list[int] = []

    def act(index: int) -> None:
        for number in range(1, 6):
            realm = RealmName(f"realm-{index}")
            assert append(store, realm, {"n": number}).generation == number
            common.append(append(store, ONE, {"n": number}).generation)
            assert store.head(realm).generation == number

    in_threads(16, act)
    assert sorted(common) == list(range(1, 81))


def set_back(server: Etcd, act: Callable[[], object]) -> None:
    """Put *server* back to where it stands now, once *act* is done."""
    server.stop()
    shutil.copytree(server.folder / "data", server.folder / "copy")
    server.start()
    act()
    server.stop()
    shutil.rmtree(server.folder / "data")
    shutil.move(server.folder / "copy", server.folder / "data")
    server.start()


def test_a_server_that_was_set_back(opened) -> None:
    """A server that is back at an older state of its own is told to be one, and no memory is mixed with it."""
    server = Etcd()
    try:
        store = opened(server.url())
        append(store, ONE, {"n": 1})
        set_back(server, lambda: append(store, ONE, {"n": 2}))
        with pytest.raises(RealmconfError, match="was it restored") as refused:
            store.head(ONE)
        assert isinstance(refused.value, StoreUnavailable)
        assert not refused.value.retryable
        assert opened(store.url).head(ONE).generation == 1
    finally:
        server.close()


def test_a_write_to_a_server_that_was_set_back(opened) -> None:
    """
    G6: a write that such a server has carried out is never told as refused: what became of it is not known to a client
    that knew another history.  One whose connections have failed is refused, and sends nothing.
    """
    server = Etcd()
    try:
        store = opened(server.url())
        other = opened(store.url)
        append(other, ONE, {"n": 1})

        def act() -> None:
            grow(store, TWO, 5)
            assert other.head(TWO).generation == 5
            assert other.head(ONE).generation == 1

        set_back(server, act)
        with pytest.raises(StoreUnavailable, match="was it restored"):
            append(store, ONE, {"n": 2}, write_id="refused")
        # As if all of them were in others' hands, who have not noticed yet.
        link = other._ledger._link
        while link._idle:
            link._idle.pop().close()
        with pytest.raises(OutcomeUnknown) as unknown:
            append(other, ONE, {"n": 2}, write_id="mine")
        assert unknown.value.write_id == "mine"
        after = opened(store.url)
        settled = after.void(ONE, "mine", deadline=soon())
        assert (settled.outcome, after.head(ONE).generation) == ("committed", 2)
        assert after.void(ONE, "refused", deadline=soon()).outcome == "void"
    finally:
        server.close()


@pytest.mark.parametrize("first", ["read", "write"])
def test_numbers_that_a_server_gives_again(opened, first: str) -> None:
    """
    G1, G3: numbers that are given again, by a server that was set back, are not taken for what they were: a reader is
    given what stands there now, and a write that was judged on what is gone is judged again.
    """
    server = Etcd()
    try:
        kept = opened(server.url())
        append(kept, ONE, {"n": 1})
        lost: list[Revision] = []
        set_back(server, lambda: lost.append(append(kept, ONE, {"n": 2})))
        written = append(opened(kept.url), ONE, {"n": 3})
        assert (written.generation, written.digest != lost[0].digest) == (2, True)
        if first == "read":
            head = kept.head(ONE).revision
            assert head is not None
            assert head.document == {"n": 3}
        after = append(kept, ONE, {"n": 4})
        assert (after.generation, after.previous) == (3, written.digest)
    finally:
        server.close()


def test_a_write_is_not_sent_to_a_server_that_came_back_meanwhile(
    etcd: Etcd, opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    G1: what was looked up for a write before the connections failed is looked up again before it goes over new ones:
    the server may be another one by then, with the same numbers.
    """
    store = opened(etcd.url())
    append(store, ONE, {"n": 1})
    link = store._ledger._link
    composed = composing.composed
    eras: list[int] = []

    def composed_and_cut(*what: Any, **more: Any) -> Any:
        eras.append(link.era)
        if len(eras) == 1:
            for wire in link._idle:
                wire.shut()
        return composed(*what, **more)

    monkeypatch.setattr(writing, "composed", composed_and_cut)
    assert append(store, ONE, {"n": 2}).generation == 2
    assert len(eras) == 2
    assert eras[1] > eras[0]


def test_a_full_memory_of_rows(etcd: Etcd, opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more rows were seen than are kept in mind those that came first go, and not all of them."""
    monkeypatch.setattr(reading, "ENTRIES_KEPT", 32)
    store = opened(etcd.url())
    known = store._ledger._reading._entries
    realms = [RealmName(f"realm-{number}") for number in range(60)]
    for number, realm in enumerate(realms):
        append(store, realm, {"n": 1})
        # One is of the realm that all depend on.
        assert min(number + 1, 29) <= len(known) <= 32
        assert realm in known
    assert realms[0] not in known
    assert store.head(realms[0]).generation == 1
