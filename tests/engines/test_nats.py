"""What NATS's refusals become, what is made of a stream, and what of the servers' settings shows."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from contextlib import ExitStack

import pytest
from tests.engines.servers.nats import Cluster, Nats, edit, new_stream, request, streams
from tests.engines.servers.nats_credentials import Operated

from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import (
    InvalidArgument,
    LimitExceeded,
    LockTimeout,
    OutcomeUnknown,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.runtime.client import connect
from realmconf.runtime.migrating import migrate
from realmconf.runtime.pages import PAGE
from realmconf.stores.nats import asking, keeping, room
from realmconf.stores.nats.layout import BATCH_MESSAGES_MAX, FORMAT, text_of, token
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, append, appending, grow, in_threads, soon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from realmconf.stores.nats.layout import Message
    from realmconf.stores.protocol import Judgement, ReadView, Store

pytestmark = pytest.mark.engines

PASSWORD = "p@ss/w:rd? #1"

USERS = f"""
authorization {{
    users: [
        {{ user: "ada", password: "{PASSWORD}" }}
        {{
            user: "reader", password: "reads",
            permissions: {{
                publish: ["$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.>"]
                subscribe: ["_INBOX.>"]
            }}
        }}
        {{ user: "nobody", password: "nothing", permissions: {{ publish: ["there"], subscribe: ["_INBOX.>"] }} }}
    ]
}}
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Nats]:
    """A server that asks who comes."""
    server = Nats(settings=USERS)
    yield server
    server.close()


@pytest.fixture(params=["nats", "nats_cluster"])
def one_or_three(request: pytest.FixtureRequest) -> Nats | Cluster:
    """A server, or three that replicate streams."""
    found: Nats | Cluster = request.getfixturevalue(request.param)
    return found


def opened(url: str, **more: Any) -> Store:
    return open_store(url, limits=LIMITS, **more)


# --- what is made ----------------------------------------------------------------------------------


def test_many_make_a_stream_at_once(nats: Nats) -> None:
    """Whoever opens a store that is not there makes it, and all of them have the same one."""
    url = nats.url()
    stores: list[Store] = []
    in_threads(8, lambda _: stores.append(opened(url)))
    assert len({store.request_key() for store in stores}) == 1
    for number, store in enumerate(stores, start=1):
        assert append(store, ONE, {"n": number}).generation == number
    for store in stores:
        store.close()


def test_a_reader_makes_nothing(nats: Nats) -> None:
    """Opened for reading only, a store that is not there is refused and not made; one that is there is read."""
    stream = new_stream()
    with pytest.raises(StoreReadOnly, match="there is no such stream"):
        opened(nats.url(stream), read_only=True)
    assert stream not in streams(nats.port)
    store = opened(nats.url(stream))
    append(store, ONE, {"n": 1})
    reader = opened(nats.url(stream), read_only=True)
    assert reader.head(ONE).generation == 1
    with pytest.raises(StoreReadOnly):
        append(reader, ONE, {"n": 2})
    reader.close()
    store.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_age": 3_600_000_000_000}, "max_age must be 0: it would forget what was written"),
        ({"max_msgs": 1000}, "max_msgs must be unlimited"),
        ({"max_msgs_per_subject": 5}, "max_msgs_per_subject must be unlimited"),
        ({"discard": "old", "max_bytes": 1 << 20}, "its discard policy must be new"),
        ({"allow_atomic": False}, "allow_atomic must be set"),
        ({"allow_direct": False}, "allow_direct must be set"),
        ({"allow_rollup_hdrs": True}, "allow_rollup_hdrs must not be set"),
    ],
)
def test_a_stream_that_would_lose_something(
    nats: Nats, change: dict[str, object], said: str
) -> None:
    """A stream that forgets, or lacks what a store needs, is refused with what has to be changed, and then is taken."""
    stream = new_stream()
    opened(nats.url(stream)).close()
    before = request(nats.port, f"$JS.API.STREAM.INFO.{stream}", b"")["config"]
    answer = edit(nats.port, stream, **change)
    assert "error" not in answer, answer
    with pytest.raises(StoreUnavailable, match=said) as refused:
        opened(nats.url(stream))
    assert not refused.value.retryable
    edit(nats.port, stream, **before)
    opened(nats.url(stream)).close()


def test_a_stream_of_another_kind(nats: Nats) -> None:
    """A stream that something else uses is refused."""
    stream = new_stream()
    config = f'{{"name":"{stream}","subjects":["elsewhere.{stream}"],"deny_purge":true}}'
    assert "error" not in request(nats.port, f"$JS.API.STREAM.CREATE.{stream}", config.encode())
    with pytest.raises(StoreUnavailable, match=r"its subjects must have .* deny_purge must not"):
        opened(nats.url(stream))


def test_replicas_that_cannot_be(nats: Nats) -> None:
    """A server that is alone cannot replicate, and says so at once; nothing is made."""
    stream = new_stream()
    with pytest.raises(StoreUnavailable, match="replicas= asks for a cluster") as refused:
        opened(nats.url(stream, replicas=3))
    assert not refused.value.retryable
    assert stream not in streams(nats.port)


def test_a_stream_of_somebody_elses(nats: Nats) -> None:
    """A stream that is fit for a store and has other messages in it, or a bucket of keys and values, is left alone."""
    stream, bucket = new_stream(), new_stream()
    flags = '"allow_atomic":true,"allow_direct":true,"allow_msg_ttl":true'
    for name, subjects, used in (
        (stream, f'"{stream}.m.*","{stream}.{FORMAT}.>"', f"{stream}.m.theirs"),
        (f"KV_{bucket}", f'"$KV.{bucket}.>"', f"$KV.{bucket}.theirs"),
    ):
        config = f'{{"name":"{name}","subjects":[{subjects}],{flags}}}'
        assert "error" not in request(nats.port, f"$JS.API.STREAM.CREATE.{name}", config.encode())
        put(nats, used, b"something")
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="holds something else"):
            opened(nats.url(stream))
        with pytest.raises(StoreUnavailable, match="is not fit for a store: its subjects must"):
            opened(nats.url(f"KV_{bucket}"))
    for name in (stream, f"KV_{bucket}"):
        state = request(nats.port, f"$JS.API.STREAM.INFO.{name}", b"")["state"]
        assert state["messages"] == 1


def test_more_arrives_than_is_put_down_at_once(nats: Nats) -> None:
    """Realms whose histories and write ids are more messages than the server takes at once move here all the same."""
    number = BATCH_MESSAGES_MAX + 100
    with connect("memory://more") as source, connect(nats.url()) as target:
        for realm in ("one", "two"):
            for n in range(number if realm == "one" else 1):
                source.realm(realm).set({"n": n}, write_id=f"given-{n}")
        # Of each of these there is more than a revision: a claim of its name, what tells of its parent, its receipt.
        for n in range(PAGE):
            heir = {"realm": {f"heir-{n}": {"parent": "two"}}}
            source.realm(f"heir-{n}").set(heir, write_id="given")
        migrate(source, target)
        assert target.realm(f"heir-{PAGE - 1}").get().config == {"n": 0}
        assert target.realm("one").get().generation == number
        target.realm("one").verify()
        for n in (0, number // 2, number - 1):
            again = target.realm("one").set({"n": n}, write_id=f"given-{n}")
            assert again.generation == n + 1


def test_an_old_server() -> None:
    """A server that cannot put several messages down at once is named, with what is needed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            wire, _ = listening.accept()
            with wire, wire.makefile("rb") as lines:
                wire.sendall(
                    b'INFO {"version":"2.11.9","headers":true,"jetstream":true,"max_payload":1048576}\r\n'
                )
                for line in lines:
                    if line == b"PING\r\n":
                        wire.sendall(b"PONG\r\n")

        server = threading.Thread(target=answer, daemon=True)
        server.start()
        with pytest.raises(StoreUnavailable, match=r"is nats-server 2\.11\.9; .* 2\.12") as refused:
            opened(f"nats://127.0.0.1:{listening.getsockname()[1]}/stream")
        assert not refused.value.retryable
        server.join(20)
        assert not server.is_alive()


def test_a_server_that_takes_little(nats: Nats) -> None:
    """What the server, or the stream, takes in one message bounds a document; less than a store needs is refused."""
    little = Nats(settings="max_payload: 524288")
    try:
        store = opened(little.url())
        most = store.info.document_bytes_max
        assert most == 524_288 - (256 << 10)
        append(store, ONE, {"text": "x" * (most - len('{"text":""}'))})
        with pytest.raises(LimitExceeded, match="document bytes"):
            append(store, ONE, {"text": "x" * most})
        store.close()
    finally:
        little.close()
    least = Nats(settings="max_payload: 65536")
    try:
        with pytest.raises(StoreUnavailable, match="max_payload") as refused:
            opened(least.url())
        assert not refused.value.retryable
    finally:
        least.close()


def put(nats: Nats, subject: str, body: bytes) -> None:
    """Put a message down as nobody of ours would."""
    assert "seq" in request(nats.port, subject, body)


def test_a_store_of_a_later_release(nats: Nats) -> None:
    """What a later release has made is not touched."""
    stream = new_stream()
    opened(nats.url(stream)).close()
    put(nats, f"{stream}.m.format", str(FORMAT + 1).encode())
    with pytest.raises(StoreTooNew, match=f"format {FORMAT + 1}"):
        opened(nats.url(stream))
    put(nats, f"{stream}.m.format", b"something")
    with pytest.raises(StoreCorrupt):
        opened(nats.url(stream))


def last_of(port: int, stream: str) -> int:
    """The sequence of the last message in *stream*."""
    found = request(port, f"$JS.API.STREAM.INFO.{stream}", b"")["state"]["last_seq"]
    assert isinstance(found, int)
    return found


def test_a_store_that_is_brought_up_while_it_is_open(one_or_three: Nats | Cluster) -> None:
    """
    A later release that makes the stream take its own subjects alone shuts out who has the store open and knows only
    this format: nothing that they write arrives.  Once it says so every write and every read tells ``store_too_new``,
    before what is of this format is taken away and afterwards; and so does who reads on at an earlier point, once the
    word of this format is gone.
    """
    stream = new_stream()
    url = one_or_three.url(stream)
    stores = [opened(url)]
    if isinstance(one_or_three, Nats):
        port = one_or_three.port
    else:
        port = one_or_three.servers[0].port
        stores.append(opened(one_or_three.url(stream, reads="stale")))

    def wait_for_all() -> None:
        if isinstance(one_or_three, Cluster):
            one_or_three.wait_for_all(stream)

    def write(store: Store, *realms: RealmName, seconds: float = 30.0) -> None:
        def judge(view: ReadView) -> list[Judgement]:
            return [appending(realm, {"n": 9})(view)[0] for realm in realms]

        store.apply(list(realms), judge, deadline=time.monotonic() + seconds)

    def purge(subject: str, **more: int) -> None:
        fields = json.dumps({"filter": subject, **more}).encode()
        assert request(port, f"$JS.API.STREAM.PURGE.{stream}", fields)["success"]

    def refuse_everything() -> None:
        for store in stores:
            for realms in ([ONE], [TWO], [ONE, TWO]):
                with pytest.raises(StoreTooNew, match=f"format {FORMAT + 1}.*upgrade realmconf"):
                    write(store, *realms)
            moving: Any = store
            reads: list[Callable[[ReadView], object]] = [
                lambda view: view.head(ONE),
                lambda view: view.head(TWO),
                lambda view: view.realms(),
                lambda view: view.children(ONE),
                lambda view: view.revisions(ONE),
                lambda view: view.receipt(ONE, "given-1"),
                lambda view: view.schema("0" * 64),
                lambda _, store=store: store.head(ONE),  # type: ignore[misc]
                lambda _, store=store: store.head(TWO),  # type: ignore[misc]
                lambda _, moving=moving: moving.receipts(ONE),  # type: ignore[misc]
                lambda _, moving=moving: moving.request_keys(),  # type: ignore[misc]
            ]
            for read in reads:
                with pytest.raises(StoreTooNew), store.view() as view:
                    read(view)
        with pytest.raises(StoreTooNew):
            opened(url)

    for n in (1, 2, 3):
        assert append(stores[n % len(stores)], ONE, {"n": n}, write_id=f"given-{n}").generation == n
    with ExitStack() as views:
        early = [views.enter_context(store.view()) for store in stores]
        assert [view.head(ONE).generation for view in early] == [3] * len(stores)
        before = last_of(port, stream)
        later = [f"{stream}.m.*", f"{stream}.{FORMAT + 1}.>"]
        assert "error" not in edit(port, stream, subjects=later)
        for store in stores:
            with pytest.raises((StoreUnavailable, LockTimeout, OutcomeUnknown)):
                write(store, ONE, seconds=0.5)
        # Who comes now is not told to take that back.
        with pytest.raises(StoreTooNew):
            opened(url)
        assert last_of(port, stream) == before
        assert "seq" in request(port, f"{stream}.m.format", str(FORMAT + 1).encode())
        wait_for_all()
        refuse_everything()
        for view in early:
            assert view.revision(ONE, 1).document == {"n": 1}
        purge(f"{stream}.m.format", keep=1)
        purge(f"{stream}.{FORMAT}.>")
        wait_for_all()
        for view in early:
            for read in (
                lambda view: view.head(TWO),
                lambda view: view.realms(),
                lambda view: view.newest(),
                lambda view: view.last_position(),
                lambda view: view.revision(ONE, 1),
                lambda view: view.receipt(ONE, "given-1"),
            ):
                with pytest.raises(StoreTooNew):
                    read(view)
    refuse_everything()
    assert last_of(port, stream) == before + 1
    for store in stores:
        store.close()
    left = request(port, f"$JS.API.STREAM.INFO.{stream}", b'{"subjects_filter":">"}')["state"][
        "subjects"
    ]
    assert set(left) == {f"{stream}.m.format", f"{stream}.m.key"}


@pytest.mark.parametrize("body", [b"", b"{}", b"{}\n{}", b"no JSON", b'{"g":1'])
def test_a_damaged_message(nats: Nats, body: bytes) -> None:
    """What cannot be read is told to be damaged, and is no default; other realms go on."""
    stream = new_stream()
    store = opened(nats.url(stream))
    append(store, ONE, {"n": 1})
    put(nats, f"{stream}.{FORMAT}.r.{ONE}", body)
    with pytest.raises(StoreCorrupt):
        store.head(ONE)
    assert append(store, TWO, {"n": 1}).generation == 1
    store.close()


@pytest.mark.parametrize(
    "text", ["plain", "Two_Words-3", "=", "=41", "a=2e", "ä.b c*>", "x" * 128, "w-0", "\n\0"]
)
def test_names_of_subjects(text: str) -> None:
    """Every text has a token of its own, from which it comes back."""
    made = token(text)
    assert text_of(made) == text
    assert not set(made) & set(" .*>\n\0")


# --- what is refused -------------------------------------------------------------------------------


def test_no_jetstream() -> None:
    """A server without JetStream says so, and asking again does not help."""
    server = Nats(jetstream="off")
    try:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="JetStream is not enabled there") as refused:
            opened(server.url())
        assert not refused.value.retryable
        assert time.monotonic() - began < 5
    finally:
        server.close()


def test_who_may_come_in(guarded: Nats) -> None:
    """A password may have anything in it; a wrong one, or none, is told as such, and never repeated."""
    store = opened(guarded.url(user="ada", password=PASSWORD))
    assert append(store, ONE, {"n": 1}).generation == 1
    store.close()
    for url in (guarded.url(user="ada", password="wr0ng"), guarded.url()):
        with pytest.raises(StoreUnavailable, match="does not let us in") as refused:
            opened(url)
        assert not refused.value.retryable
        for secret in (PASSWORD, "wr0ng", "p%40ss"):
            assert secret not in str(refused.value)
            assert secret not in repr(refused.value)


def test_a_token_for_all() -> None:
    """A server with one token for everybody takes it in the place of a user."""
    server = Nats(settings='authorization { token: "s3cret" }')
    try:
        store = opened(server.url().replace("127.0.0.1", "s3cret@127.0.0.1"))
        assert append(store, ONE, {"n": 1}).generation == 1
        store.close()
    finally:
        server.close()


def test_a_user_who_may_only_read(guarded: Nats) -> None:
    """A user without the right to publish reads, and is told that it may not write, at once; nothing is changed."""
    stream = new_stream()
    owner = opened(guarded.url(stream, user="ada", password=PASSWORD))
    append(owner, ONE, {"n": 1})
    reader = opened(guarded.url(stream, user="reader", password="reads"))
    assert reader.head(ONE).generation == 1
    began = time.monotonic()
    with pytest.raises(StoreReadOnly, match="may not write to the stream"):
        append(reader, ONE, {"n": 2})
    assert time.monotonic() - began < 10
    assert owner.head(ONE).generation == 1
    reader.close()
    owner.close()


@pytest.mark.parametrize("what", ["all", "sub"])
def test_no_message_removes_others(one_or_three: Nats | Cluster, what: str) -> None:
    """
    Whoever may put messages down in one place, as readers of replicated streams do, removes nothing by them: neither
    there nor elsewhere.
    """
    stream = new_stream()
    store = opened(one_or_three.url(stream))
    append(store, ONE, {"n": 1})
    port = one_or_three.port if isinstance(one_or_three, Nats) else one_or_three.servers[0].port
    place = f"{stream}.{FORMAT}.b.somebody"
    assert "seq" in request(port, place, b"")
    told = request(port, place, b"", headers={"Nats-Rollup": what})
    assert "rollup not permitted" in told["error"]["description"]
    found = request(port, f"$JS.API.STREAM.INFO.{stream}", b'{"subjects_filter":">"}')["state"]
    assert {place, f"{stream}.m.key", f"{stream}.{FORMAT}.r.{ONE}"} <= set(found["subjects"])
    assert store.head(ONE).generation == 1
    store.close()


def test_what_only_carries_a_condition_does_not_stay(one_or_three: Nats | Cluster) -> None:
    """Writes that rest on other realms leave nothing behind that nobody reads."""
    stream = new_stream()
    store = opened(one_or_three.url(stream))
    append(store, TWO, {"n": 1})

    def judge(view: ReadView) -> list[Judgement]:
        assert view.head(TWO).generation == 1
        return [appending(realm, {"n": 9})(view)[0] for realm in (ONE, RealmName("three"))]

    for _ in range(5):
        store.apply([ONE, RealmName("three")], judge, deadline=soon())
    port = one_or_three.port if isinstance(one_or_three, Nats) else one_or_three.servers[0].port
    asked = f'{{"subjects_filter":"{stream}.{FORMAT}.g.*"}}'.encode()
    deadline = soon()
    while request(port, f"$JS.API.STREAM.INFO.{stream}", asked)["state"].get("subjects"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    store.close()


def test_a_user_who_may_nothing(guarded: Nats) -> None:
    """A user without rights in JetStream is told which one is missing, at once."""
    with pytest.raises(StoreUnavailable, match="may not do that") as refused:
        opened(guarded.url(user="nobody", password="nothing"))
    assert not refused.value.retryable
    assert "nothing" not in str(refused.value)


def test_a_stream_that_is_full(nats: Nats) -> None:
    """A full stream is told to be full, by writes of one message and of several; what is there is read, and stays."""
    stream = new_stream()
    store = opened(nats.url(stream))
    append(store, ONE, {"n": 1})
    append(store, TWO, {"n": 1})
    assert "error" not in edit(nats.port, stream, max_bytes=20_000)
    fat = {"text": "x" * 30_000}

    def together(view: ReadView) -> list[Judgement]:
        return [*appending(ONE, fat)(view), *appending(TWO, fat)(view)]

    for _ in range(3):
        with pytest.raises(StoreFull, match="no space left"):
            append(store, ONE, fat)
        with pytest.raises(StoreFull, match="no space left"):
            append(store, ONE, fat, write_id="w-" + "0" * 32)
        with pytest.raises(StoreFull, match="no space left"):
            store.apply([ONE, TWO], together, deadline=soon())
    assert (store.head(ONE).generation, store.head(TWO).generation) == (1, 1)
    assert append(store, ONE, {"n": 2}).generation == 2
    store.close()


def test_a_full_stream_has_room_to_be_compacted(nats: Nats) -> None:
    """A limited stream is full a little before its limit, so that a compaction, which writes first, makes room."""
    stream = new_stream()
    opened(nats.url(stream)).close()
    assert "error" not in edit(nats.port, stream, max_bytes=4 << 20, discard="new")
    store = opened(nats.url(stream))
    number = 0

    def fill(size: int) -> None:
        nonlocal number
        until = time.monotonic() + 60
        while time.monotonic() < until:
            append(store, ONE, {"text": "x" * size}, write_id=f"w-{number:032x}")
            number += 1

    for size in (50_000, 5_000, 1):
        with pytest.raises(StoreFull, match="compact"):
            fill(size)
    assert number > 40
    full = number
    head = store.head(ONE).generation
    store.void(ONE, "mine", deadline=soon())
    assert store.compact(ONE, floor=head, deadline=soon()).removed == head - 1
    time.sleep(room.LOOK_SECONDS)
    with pytest.raises(StoreFull, match="compact"):
        fill(50_000)
    assert number > full + 40
    store.close()


def test_documents_that_are_too_large(nats: Nats) -> None:
    """The largest document that is declared is taken, and a larger one refused before anything is sent."""
    store = opened(nats.url())
    most = store.info.document_bytes_max
    assert most == 786_432
    text = "x" * (most - len('{"text":""}'))
    assert append(store, ONE, {"text": text}).generation == 1
    for write_id in (None, "w-" + "1" * 32):
        with pytest.raises(LimitExceeded, match="document bytes"):
            append(store, ONE, {"text": text + "x"}, write_id=write_id)
    assert store.head(ONE).generation == 1
    store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nats://127.0.0.1/a/b", "the name of one stream"),
        ("nats://127.0.0.1/a.b", "the name of one stream"),
        ("nats://127.0.0.1/", "the name of one stream"),
        ("nats:///stream", "names a host"),
        ("nats://127.0.0.1:port/stream", "a port of the nats:// URL is no number"),
        ("nats://user:s3cret/x@127.0.0.1/stream", "%2F"),
        ("nats://127.0.0.1/stream?replicas=2", "replicas= takes 1, 3 or 5"),
        ("nats://127.0.0.1/stream?durable=perhaps", "durable= takes yes or no"),
        ("nats://127.0.0.1/stream?s3cret=1", "known are ca, creds, durable"),
        ("nats://[::1/stream", "brackets"),
    ],
)
def test_urls_that_are_refused(url: str, said: str) -> None:
    """A URL that cannot be understood is refused with what is wrong, and without any of it."""
    with pytest.raises(InvalidArgument) as refused:
        opened(url)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_files_that_are_not_there(nats: Nats, tmp_path: Path) -> None:
    """A file of credentials, or of an authority, that cannot be read, or is none, is told as such, at once."""
    (tmp_path / "empty").touch()
    (tmp_path / "other").write_text("-----BEGIN NATS USER JWT-----\ns3cret\n------END\n")
    for option in ("creds", "ca"):
        for name in ("none", "empty", "other", "."):
            with pytest.raises(StoreUnavailable, match=f"the file that {option}= names") as refused:
                opened(f"{nats.url()}?{option}={tmp_path / name}")
            assert not refused.value.retryable
            assert "s3cret" not in str(refused.value)


def test_credentials_in_a_file(tmp_path: Path) -> None:
    """
    A server that knows users by what its operator has signed lets in whoever has that in a file, and their key;
    the file is read anew for every connection, and whoever has none is told what is missing.
    """
    operated = Operated(tmp_path)
    server = Nats(settings=operated.settings)
    try:
        url = server.url(creds=operated.credentials)
        store = opened(url)
        assert append(store, ONE, {"n": 1}).generation == 1
        server.stop()
        operated.credentials.write_text(operated.other_credentials)
        server.start()
        assert append(store, ONE, {"n": 2}).generation == 2
        store.close()
        with pytest.raises(StoreUnavailable, match="does not let us in") as refused:
            opened(server.url())
        assert not refused.value.retryable
        operated.credentials.write_text(operated.foreign_credentials)
        with pytest.raises(StoreUnavailable, match="does not let us in"):
            opened(url)
    finally:
        server.close()


# --- what is declared --------------------------------------------------------------------------------


def test_what_is_declared(nats: Nats) -> None:
    """Whether the servers sync what they acknowledge cannot be seen from here: it is declared if it is stated."""
    url = nats.url()
    stated, not_stated = opened(f"{url}?durable=yes"), opened(url)
    assert (stated.info.durable, not_stated.info.durable) == (True, False)
    for store in (stated, not_stated):
        info = store.info
        assert (info.reads, info.history, info.watch) == ("linearizable", "all", "push")
        assert (info.composition, info.cross_realm_validation) == ("snapshot", "strict")
        assert info.transaction_realms_max == LIMITS.transaction_realms
        store.close()


def test_sixty_four_realms_at_once(nats: Nats) -> None:
    """As many realms as are declared are written in one step, with large documents, and all are at one point."""
    from realmconf.domain.names import RealmName

    store = opened(nats.url())
    realms = [RealmName(f"realm-{number}") for number in range(store.info.transaction_realms_max)]

    def judge(view: ReadView) -> list[Judgement]:
        return [one for realm in realms for one in appending(realm, {"text": "x" * 100_000})(view)]

    for generation in (1, 2):
        assert len(store.apply(realms, judge, deadline=soon())) == len(realms)
        with store.view() as view:
            assert {view.head(realm).generation for realm in realms} == {generation}
            positions = [view.position(realm, generation) for realm in realms]
        assert positions == sorted(positions)
    store.close()


def test_who_writes_beside_each_other(nats: Nats) -> None:
    """Writers of many realms, from handles of their own, hold each other up and make nobody judge or write twice."""
    from realmconf.domain.names import RealmName

    url = nats.url()
    stores = [opened(url) for _ in range(6)]

    def write(index: int) -> None:
        for number in range(1, 31):
            append(stores[index], RealmName(f"realm-{index}"), {"n": number})

    in_threads(6, write)
    with stores[0].view() as view:
        for index in range(6):
            revisions = view.revisions(RealmName(f"realm-{index}"))
            assert [one.document for one in revisions] == [{"n": n} for n in range(1, 31)]
    for store in stores:
        store.close()


# --- encryption ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of the test's own, and a server's certificate by it."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-days", "7", "-subj", "/CN=authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
        "-subj", "/CN=server",
    )  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "7", "-extfile", "names",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def encrypted(certificates: Path) -> Iterator[Nats]:
    """A server that speaks to nobody in the clear."""
    files = f'cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key"'
    server = Nats(settings=f"tls {{ {files} }}")
    yield server
    server.close()


def test_an_encrypted_server(encrypted: Nats, certificates: Path) -> None:
    """A server is believed if it has a certificate of the authority that is named, and else nothing is said to it."""
    stream = new_stream()
    store = opened(encrypted.url(stream, ca=certificates / "ca.pem"))
    assert append(store, ONE, {"n": 1}).generation == 1
    store.close()
    for url in (
        encrypted.url(stream),
        encrypted.url(stream, tls="yes"),
        encrypted.url(stream, host="localhost", ca=certificates / "ca.pem"),
    ):
        with pytest.raises(StoreUnavailable, match="certificate is not trusted") as refused:
            opened(url)
        assert not refused.value.retryable


def test_encryption_that_nobody_offers(nats: Nats, certificates: Path) -> None:
    """Whoever asks for encryption is never served in the clear, and nothing secret is sent before it is there."""
    with pytest.raises(StoreUnavailable, match="the server offers no encryption") as refused:
        opened(nats.url(ca=certificates / "ca.pem"))
    assert not refused.value.retryable
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def overhear() -> None:
            wire, _ = listening.accept()
            with wire:
                wire.sendall(
                    b'INFO {"version":"2.12.0","headers":true,"auth_required":true,"max_payload":1048576}\r\n'
                )
                wire.settimeout(20)
                while more := wire.recv(4096):
                    said.append(more)

        listener = threading.Thread(target=overhear)
        listener.start()
        with pytest.raises(StoreUnavailable, match="the server offers no encryption"):
            opened(f"nats://ada:s3cret@127.0.0.1:{port}/stream?tls=yes")
        listener.join(20)
        assert not listener.is_alive()
    assert b"".join(said) == b""


def test_a_server_that_would_do_without_encryption(certificates: Path) -> None:
    """Where a server leaves it to its clients, whoever asks for encryption has it."""
    files = f'cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key"'
    server = Nats(settings=f"tls {{ {files} }}\nallow_non_tls: true", monitored=True)
    try:
        stream = new_stream()
        for options, is_encrypted in ((f"?ca={certificates}/ca.pem", True), ("", False)):
            store = opened(server.url(stream) + options)
            append(store, ONE, {"n": 1})
            assert [one.get("tls_version", "") != "" for one in server.connections()] == [
                is_encrypted
            ]
            store.close()
    finally:
        server.close()


# --- forks and threads ---------------------------------------------------------------------------------


def test_both_go_on_after_a_fork(nats: Nats) -> None:
    """A child of a fork has a connection of its own, and the parent's is left alone."""
    store = opened(nats.url())
    append(store, ONE, {"n": 1})
    signal = store.signal([ONE])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            made = append(store, ONE, {"n": 2}, write_id="the child's").generation
            os.write(writing, str(made).encode())
            store.close()
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    assert os.read(reading, 16) == b"2"
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0
    assert store.head(ONE).generation == 2
    assert append(store, ONE, {"n": 3}).generation == 3
    assert signal.wait(20)
    store.close()


def test_threads_share_a_handle(nats: Nats) -> None:
    """Sixteen threads write and read through one handle, each its own realm, and one common realm."""
    from realmconf.domain.names import RealmName

    store = opened(nats.url())
    guard = threading.Lock()
    common: list[int] = []

    def act(index: int) -> None:
        for number in range(1, 11):
            realm = RealmName(f"realm-{index}")
            assert append(store, realm, {"n": number}).generation == number
            made = append(store, ONE, {"n": number}).generation
            with guard:
                common.append(made)
            assert store.head(realm).generation == number

    in_threads(16, act)
    assert sorted(common) == list(range(1, 161))
    store.close()


# --- housekeeping ----------------------------------------------------------------------------------------


def test_what_is_compacted_is_gone(nats: Nats) -> None:
    """Compaction removes messages from the stream, and keeps what became of every write id."""
    stream = new_stream()
    store = opened(nats.url(stream))
    for number in range(1, 21):
        append(store, ONE, {"text": "x" * 10_000}, write_id=f"w-{number:032x}")

    def size() -> int:
        found: int = request(nats.port, f"$JS.API.STREAM.INFO.{stream}", b"")["state"]["bytes"]
        return found

    before = size()
    assert store.compact(ONE, floor=18, deadline=soon()).removed == 17
    assert size() < before / 3
    with store.view() as view:
        for number in (1, 17, 18, 20):
            receipt = view.receipt(ONE, f"w-{number:032x}")
            assert receipt is not None
            assert receipt.generation == number
    store.close()


def test_a_compaction_goes_in_steps(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history is compacted in steps; what ends one half way has done the steps before, and the next goes on."""
    monkeypatch.setattr(keeping, "GENERATIONS_AT_ONCE", 4)
    store = opened(nats.url())
    for number in range(1, 22):
        append(store, ONE, {"n": number}, write_id=f"w-{number:032x}")
    original = keeping.Keeping._raise_floor
    steps: list[int] = []

    async def counted(self: keeping.Keeping, realm: RealmName, floor: int, deadline: float) -> int:
        if len(steps) == 2:
            steps.append(0)
            raise StoreUnavailable("planted")
        steps.append(floor)
        return await original(self, realm, floor, deadline)

    monkeypatch.setattr(keeping.Keeping, "_raise_floor", counted)
    with pytest.raises(StoreUnavailable, match="planted"):
        store.compact(ONE, floor=19, deadline=soon())
    assert store.head(ONE).floor == 9
    done = store.compact(ONE, floor=19, deadline=soon())
    assert (done.floor, done.removed) == (19, 10)
    assert steps == [5, 9, 0, 13, 17, 19]
    with store.view() as view:
        assert [one.generation for one in view.revisions(ONE, after=18)] == [19, 20, 21]
        for number in (1, 9, 18, 21):
            receipt = view.receipt(ONE, f"w-{number:032x}")
            assert receipt is not None
            assert receipt.generation == number
    store.close()


def test_the_last_position_is_near(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the newest revision stands is found in few questions, whatever was put down behind it that is none."""
    store = opened(nats.url())
    append(store, ONE, {"n": 1})
    append(store, TWO, {"n": 1})
    with store.view() as view:
        there = view.last_position()
    for number in range(600):
        store.void(ONE, f"void-{number}", deadline=soon())
    asked: list[int] = []
    original = asking.stretch

    async def counted(*arguments: Any, **options: Any) -> list[Message]:
        asked.append(1)
        return await original(*arguments, **options)

    monkeypatch.setattr(asking, "stretch", counted)
    for questions in (7, 1, 1):
        # Looked back through once: each void is two messages, a receipt, and a row that says no more than before.
        with store.view() as view:
            assert view.last_position() == there
        assert len(asked) <= questions
        asked.clear()
    append(store, ONE, {"n": 2})
    with store.view() as view:
        assert view.last_position() > there
        assert view.as_of(ONE, view.last_position()) == view.head(ONE).revision
    store.close()


def test_a_secret_is_erased_from_the_disk(nats: Nats) -> None:
    """Once a revision is purged its text is in no file of the server's."""
    store = opened(nats.url())
    append(store, ONE, {"secret": "CANARY-5d41402abc4b2a76"})
    grow(store, ONE, 3)

    def is_on_disk() -> bool:
        files = [one for one in nats.folder.rglob("*") if one.is_file()]
        return any(b"CANARY-5d41402abc4b2a76" in one.read_bytes() for one in files)

    assert is_on_disk()
    store.purge(ONE, 1, document={"secret": None}, deadline=soon())
    deadline = soon()
    while is_on_disk():
        assert time.monotonic() < deadline, "the secret is still there"
        time.sleep(0.05)
    with store.view() as view:
        assert view.revision(ONE, 1).document == {"secret": None}
        assert [one.generation for one in view.revisions(ONE)] == [1, 2, 3, 4]
    store.close()


def test_histories_that_share_a_subject(nats: Nats) -> None:
    """Names that changed hands keep their histories apart: compacting one removes nothing of another's."""
    from realmconf.runtime.client import connect

    with connect(nats.url()) as client:
        for generation in range(1, 6):
            client.realm("first").set({"n": generation})
        client.rename("first", "second")
        for generation in range(5):
            client.realm("first").set({"again": generation})
        client.rename("first", "third")
        client.realm("first").set({"now": True})
        client.compact(realm="third", keep=1)
        assert [one.generation for one in client.realm("second").history()][-1] == 1
        assert client.realm("second").at(3).document == {"n": 3}
        client.compact(realm="second", keep=2)
        assert client.realm("third").get().document == {"again": 4}
        assert client.realm("second").get().document == {"n": 5}
        assert client.realm("first").get().document == {"now": True}
        for name in ("first", "second", "third"):
            client.realm(name).verify()
