"""When event streams end: with their token, their reader, their server; and how many there may be."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import ExitStack

import pytest
from tests.surfaces.http.streaming import Connection, eventually, staged

from realmconf.errors import RateLimited, StoreUnavailable
from realmconf.runtime.access import Grant
from realmconf.runtime.client import connect
from realmconf.runtime.operations import reading
from realmconf.runtime.operations.session import Session
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.http.stream_limits import StreamLimits
from realmconf.surfaces.http.streams import Streams


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(str(tmp_path_factory.mktemp("streams") / "store")) as found:
        yield found


@pytest.fixture
def scene(stage):
    return stage.fresh()


# --- tokens --------------------------------------------------------------------------------


def test_a_revoked_token_ends_its_streams_and_no_others(scene):
    """The streams of a token end when it is revoked, with a whole body and a last bookmark; others go on."""
    revoked, other = scene.token(), scene.token()
    etag = scene.realm.get().etag
    with (
        scene.open(token=revoked) as own,
        scene.open("?view=effective", token=revoked) as effective,
        scene.open("?after=0", token=other) as untouched,
    ):
        for one in (own, effective, untouched):
            one.event()
        scene.revoke(revoked)
        assert own.to_the_end()[-1].id == etag
        assert effective.to_the_end()[-1].event == "bookmark"
        scene.realm.patch({"value": 1})
        assert untouched.change().data["generation"] == 2
        assert scene.refused(token=revoked)[0] == 401


def test_an_expired_token_ends_its_streams(scene):
    """The streams of a token end when its time is over, though nothing is committed anywhere."""
    begun = time.monotonic()
    # Enough to open a stream on a machine that is busy.
    with scene.open(token=scene.token(expires_seconds=5.0)) as stream:
        stream.to_the_end()
        assert time.monotonic() - begun > 4.5


def test_streams_survive_what_concerns_other_tokens(scene):
    """Making and revoking other tokens ends no stream."""
    with scene.open() as stream:
        for _ in range(5):
            scene.revoke(scene.token())
        scene.realm.patch({"value": 1})
        assert stream.change().data["generation"] == 2


# --- readers ---------------------------------------------------------------------------------


def test_a_reader_that_leaves_leaves_nothing_behind(stage):
    """After thousands of readers have come and gone no task, wait, descriptor or memory is left of them."""
    scene = stage.fresh()
    tokens = [scene.token() for _ in range(4)]

    def come_and_go(times: int) -> None:
        for number in range(times):
            query = ("", "?after=0", "?view=effective", "?view=effective&after=1")[number % 4]
            streams = [scene.open(query, token=tokens[number % 4]) for _ in range(50)]
            for one in streams[:10]:
                one.event()
            scene.realm.patch({"value": number})
            for one in streams:
                one.close()
        eventually(lambda: scene.server.stats()["streams"] == 0)

    come_and_go(20)
    grown = []
    before = scene.server.stats()
    for _ in range(3):
        come_and_go(20)
        # A stream is counted no more a moment before its task has ended.
        eventually(lambda most=before["tasks"]: scene.server.stats()["tasks"] <= most)
        after = scene.server.stats()
        assert (after["views"], after["by_token"]) == (0, 0)
        assert after["hub"] <= before["hub"]
        grown.append({name: after[name] - before[name] for name in before})
        before = after
    # What a thousand readers leave behind is more each time; what is opened or loaded the first time that one of them
    # is late, or early, is not.
    for name, some in (("descriptors", 20), ("objects", 500), ("resident_kilobytes", 4_000)):
        assert min(one[name] for one in grown) < some, grown


def test_a_reader_that_does_not_read_is_cut_off_and_goes_on_later(tmp_path):
    """
    A stream whose reader does not read costs a bounded amount and is ended; its reader goes on from what it had, and
    nothing is missed.
    """
    # The other reader is not cut off while the machine lets it wait for a commit.
    with staged(str(tmp_path / "store"), slow_seconds=3.0) as scene:
        token = scene.token()
        before = scene.server.stats()["resident_kilobytes"]
        with (
            Connection(scene.server.port, receive_bytes=4096) as stuck,
            scene.open(token=token) as quick,
        ):
            stuck.ask(f"/v1/realms/{scene.name}/watch", authorization=f"Bearer {token.text}")
            stuck.head()
            last = stuck.event().id
            # Each event is of 200 KB, of which the kernel keeps a few.
            for number in range(100):
                scene.realm.set({"value": str(number) * 100_000})
                assert quick.change().data["generation"] == number + 2
            eventually(lambda: scene.server.stats()["streams"] == 1)
            grown = scene.server.stats()["resident_kilobytes"] - before
            assert grown < 40_000, grown
            had = 0
            try:
                while True:
                    last = stuck.event().id
                    had += 1
            except (EOFError, ConnectionError):
                pass
        assert had < 100
        with scene.open(token=token, last_event_id=last) as stream:
            for expected in range(had + 2, 102):
                assert stream.event().data["generation"] == expected
            assert stream.event().event == "bookmark"


def test_a_slow_reader_holds_nobody_up(scene):
    """While one reader takes nothing, the others are told everything at once."""
    token = scene.token()
    with (
        Connection(scene.server.port, receive_bytes=4096) as stuck,
        scene.open(token=token) as quick,
    ):
        stuck.ask(f"/v1/realms/{scene.name}/watch", authorization=f"Bearer {token.text}")
        for number in range(60):
            scene.realm.set({"value": str(number) * 100_000})
            assert quick.change().data["generation"] == number + 2


# --- how many -------------------------------------------------------------------------------


def test_a_token_has_so_many_streams(tmp_path):
    """Beyond its share a token is told 429, and when to ask again; other tokens are not concerned."""
    with staged(str(tmp_path / "store"), of_one_token=3, total=5) as scene:
        token = scene.token()
        streams = [scene.open(token=token) for _ in range(3)]
        status, problem = scene.refused(token=token)
        assert (status, problem["code"]) == (429, "rate_limited")
        assert problem["retry_after_seconds"] > 0
        streams += [scene.open() for _ in range(2)]
        # And a process altogether.
        assert scene.refused()[0] == 429
        streams.pop(0).close()
        eventually(lambda: scene.server.stats()["streams"] == 4)
        streams.append(scene.open(token=token))
        for one in streams:
            one.close()


# --- the server's end ------------------------------------------------------------------------


def test_a_server_that_ends_ends_its_streams(tmp_path):
    """
    A server that is told to end gives every stream a last bookmark and a whole body, and waits for no reader that
    does not read.
    """
    with (
        staged(str(tmp_path / "store"), slow_seconds=600) as scene,
        Connection(scene.server.port, receive_bytes=4096) as stuck,
        ExitStack() as streams,
    ):
        text = scene.token().text
        stuck.ask(f"/v1/realms/{scene.name}/watch", authorization=f"Bearer {text}")
        stuck.head()
        for number in range(40):
            head = scene.realm.set({"value": str(number) * 100_000})
        queries = ("", "?view=effective", f"?after={head.etag}") * 5
        opened = [streams.enter_context(scene.open(query)) for query in queries]
        for one in opened:
            one.event()
        scene.server.begin_stop()
        for one in opened:
            (last,) = one.to_the_end()
            assert last.event == "bookmark"
            assert last.id in {head.etag, head.cursor}
        scene.server.wait()


# --- in this process: what cannot be brought about from outside --------------------------------


class Peer:
    """The other side of ASGI: what was sent, and when it leaves."""

    def __init__(self, *, method: str = "GET") -> None:
        self.scope = {"type": "http", "method": method, "headers": []}
        self.sent: list[bytes] = []
        self.status: int | None = None
        self.is_over = False
        self._left = asyncio.Event()
        self.takes = asyncio.Event()
        """Whether its connection takes something; else who sends waits."""
        self.takes.set()

    async def send(self, message):
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.sent.append(message["body"])
        if not message["more_body"]:
            self.is_over = True
            self._left.set()

    async def receive(self):
        await self._left.wait()
        return {"type": "http.disconnect"}

    def leave(self):
        self._left.set()

    @property
    def generations(self):
        """Of the changes that it was sent."""
        return [int(one) for one in re.findall(rb'"generation":(\d+),"event":"change"', self.text)]

    @property
    def text(self):
        return b"".join(self.sent)


@pytest.fixture
def client(tmp_path):
    with connect(str(tmp_path / "store")) as found:
        found.realm("team").set({"value": 0})
        yield found


def asked(client, streams, peer, **arguments):
    """A stream's task."""
    session = Session(client, Grant(id="", name="", roles=frozenset(("read",))), surface="http")
    realm = client.realm("team").realm_id
    watching = reading.watch(session, realm=realm, **arguments)
    return asyncio.ensure_future(
        streams.watch(peer.scope, peer.receive, peer.send, session=session, watching=watching)
    )


async def until(holds):
    """Let the loop go on until something is so."""
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("view", ["own", "effective"])
@pytest.mark.parametrize("missed", [1, 10, 400])
def test_a_reader_that_pauses_is_brought_up_to_date(client, monkeypatch, view, missed):
    """
    A connection that takes nothing for a moment costs its reader nothing: what came meanwhile comes afterwards, each
    generation once, from the newest events or from history.
    """
    # However long this takes here, it is for a moment.
    monkeypatch.setattr("realmconf.surfaces.http.streams.TICK_SECONDS", 3_600.0)

    async def run():
        streams = Streams(client, Tokens(client))
        peer, other = Peer(), Peer()
        tasks = [asked(client, streams, one, view=view) for one in (peer, other)]
        await until(lambda: peer.sent and other.sent)
        realm = client.realm("team")
        peer.takes.clear()
        for number in range(missed):
            realm.patch({"value": number + 1})
        await until(lambda: len(other.generations) == missed)
        assert peer.generations == []
        peer.takes.set()
        await until(lambda: len(peer.generations) == missed)
        realm.patch({"value": -1})
        await until(lambda: len(peer.generations) == missed + 1)
        assert peer.generations == other.generations == list(range(2, missed + 3))
        # It is where the others are, and no task of its own is left.
        await until(lambda: len(asyncio.all_tasks()) == len(tasks) + 2)
        for one in (peer, other):
            one.leave()
        await asyncio.gather(*tasks)
        await streams.close()

    asyncio.run(run())


def test_a_reader_that_leaves_while_it_is_behind_is_forgotten(client):
    """Who leaves while its connection takes nothing leaves nothing behind either."""

    async def run():
        streams = Streams(client, Tokens(client))
        peer = Peer()
        task = asked(client, streams, peer)
        await until(lambda: peer.sent)
        peer.takes.clear()
        for number in range(3):
            client.realm("team").patch({"value": number + 1})
        await until(lambda: len(asyncio.all_tasks()) == 4)
        peer.leave()
        await task
        await until(lambda: len(asyncio.all_tasks()) == 2)
        assert len(streams) == 0
        await streams.close()

    asyncio.run(run())


def test_a_store_that_fails_ends_the_streams_without_a_word(client, monkeypatch, caplog):
    """
    When the store cannot be read the streams end, and their readers ask again from where they are; the log has why,
    the stream nothing.
    """

    async def run():
        streams = Streams(client, Tokens(client))
        peer = Peer()
        stream = asked(client, streams, peer)
        await until(lambda: len(peer.sent) == 1)
        working = type(client.store).head

        def failing(store, realm, **options):
            if realm == "team":
                raise StoreUnavailable("the disk is gone")
            return working(store, realm, **options)

        monkeypatch.setattr(type(client.store), "head", failing)
        client.realm("other").set({"a": 1})
        await stream
        monkeypatch.undo()
        assert peer.is_over
        assert b"disk" not in b"".join(peer.sent)
        again = Peer()
        stream = asked(client, streams, again)
        client.realm("team").set({"value": 1})
        await until(lambda: b"event: change" in b"".join(again.sent))
        again.leave()
        await stream
        await streams.close()

    asyncio.run(run())
    assert "the disk is gone" in caplog.text


def test_a_store_that_fails_first_is_an_answer_of_its_own(client, monkeypatch):
    """When the store cannot be read before the stream begins, that is what the request is answered."""

    async def run():
        streams = Streams(client, Tokens(client))
        peer = Peer()
        session = Session(client, Grant(id="", name="", roles=frozenset(("read",))), surface="http")
        watching = reading.watch(session, realm=client.realm("team").realm_id, after=0)

        def failing(store, **options):
            raise StoreUnavailable("the disk is gone")

        monkeypatch.setattr(type(client.store), "view", failing)
        with pytest.raises(StoreUnavailable):
            await streams.watch(
                peer.scope, peer.receive, peer.send, session=session, watching=watching
            )
        assert peer.status is None
        assert len(streams) == 0
        await streams.close()

    asyncio.run(run())


def test_streams_that_were_closed_take_no_more(client):
    """After ``close`` every stream has ended, and who asks for one is told that the server ends."""

    async def run():
        streams = Streams(client, Tokens(client))
        peers = [Peer() for _ in range(3)]
        tasks = [asked(client, streams, one) for one in peers]
        await until(lambda: all(one.sent for one in peers))
        await streams.close()
        await streams.close()
        await asyncio.gather(*tasks)
        assert all(one.is_over for one in peers)
        with pytest.raises(StoreUnavailable):
            await asked(client, streams, Peer())
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_whoever_is_refused_takes_no_place(client):
    """A refusal does not count against the caps."""

    async def run():
        streams = Streams(client, Tokens(client), limits=StreamLimits(total=1))
        peer = Peer()
        stream = asked(client, streams, peer)
        await until(lambda: peer.sent)
        for _ in range(3):
            with pytest.raises(RateLimited):
                await asked(client, streams, Peer())
        assert len(streams) == 1
        peer.leave()
        await stream
        assert len(streams) == 0
        await streams.close()

    asyncio.run(run())


def test_a_reader_far_behind_whose_connection_takes_nothing_is_ended(client):
    """A reader that takes nothing and is further behind than what is at hand is ended, and asks again by its cursor."""

    async def run():
        streams = Streams(client, Tokens(client))
        peer = Peer()
        task = asked(client, streams, peer)
        await until(lambda: peer.sent)
        peer.takes.clear()
        for number in range(300):
            client.realm("team").patch({"value": number + 1})
        await task
        assert peer.generations == []
        await streams.close()

    asyncio.run(run())
