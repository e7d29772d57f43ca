"""Parts of the NATS engine that need no server."""

from __future__ import annotations

import asyncio
import base64
import binascii
import threading
import time
from unittest import mock

import pytest
from nacl.signing import SigningKey

from realmconf.domain.names import RealmName
from realmconf.errors import StoreUnavailable
from realmconf.stores.nats import asking, credentials
from realmconf.stores.nats.client import STATUS, DirectClient, Heard, _parsed
from realmconf.stores.nats.failures import LostError
from realmconf.stores.nats.layout import Entry, Subjects
from realmconf.stores.nats.link import Choice, Link
from realmconf.stores.nats.listening import AT_ONCE_BYTES, Ear
from realmconf.stores.nats.reading import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import Any

    from realmconf.stores.engine.ledger import News

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
NAME = b"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
"""A user's key and its public name, as the documentation of NATS shows them."""


def written(folder: Path, seed: str) -> str:
    path = folder / "user.creds"
    path.write_text(
        "-----BEGIN NATS USER JWT-----\ntoken\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
    return str(path)


def test_what_signs_is_the_key_in_the_file(tmp_path: Path) -> None:
    """A signature by the key in a file is good for the public name that NATS gives to this key."""
    found = credentials.read(written(tmp_path, SEED))
    raw = base64.b32decode(NAME)
    assert binascii.crc_hqx(raw[:-2], 0) == int.from_bytes(raw[-2:], "little")
    key = SigningKey(found._key).verify_key
    assert bytes(key) == raw[1:-2]
    key.verify(b"challenge", base64.b64decode(found.signature("challenge")))
    assert found.token() == b"token"


@pytest.mark.parametrize(
    "seed",
    [
        SEED[:30] + "AAAA" + SEED[34:],
        SEED[:-2],
        SEED.replace("SU", "SA", 1),
        "not base 32!",
        "A" * 58,
    ],
)
def test_a_key_that_is_none(tmp_path: Path, seed: str) -> None:
    """A key with a letter wrong, of another kind, or none at all is refused, and not shown."""
    with pytest.raises(StoreUnavailable, match="no user's token and key") as refused:
        credentials.read(written(tmp_path, seed))
    assert seed not in str(refused.value)


def test_which_server_is_next() -> None:
    """Servers that failed come after those that answered, each gets its turn again, and one that answers is kept."""
    choice = Choice(["a", "b", "c"])
    first = choice.next()
    assert choice.next() == first
    choice.failed(first)
    second = choice.next()
    assert second != first
    choice.failed(second)
    third = choice.next()
    assert {first, second, third} == {"a", "b", "c"}
    choice.answered(third)
    choice.failed(first)
    assert choice.next() == third
    for _ in range(10):
        for server in "abc":
            choice.failed(server)
    # As bad as each other: all are tried.
    tried = set()
    for _ in range(3):
        tried.add(choice.next())
        choice.failed(choice.next())
    assert tried == {"a", "b", "c"}


def test_clients_spread_over_servers() -> None:
    """Many clients of one store do not all begin with the same server."""
    assert {Choice(["a", "b", "c"]).next() for _ in range(200)} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"NATS/1.0\r\n\r\n", {}),
        (b"NATS/1.0 503\r\n\r\n", {STATUS: "503"}),
        (
            b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-UpTo-Sequence:7\r\n\r\n",
            {
                STATUS: "204",
                "Description": "EOB",
                "Nats-Num-Pending": "0",
                "Nats-UpTo-Sequence": "7",
            },
        ),
        (
            b"NATS/1.0\r\nNats-Subject: a.b\r\nOdd: x: y\r\n\r\n",
            {"Nats-Subject": "a.b", "Odd": "x: y"},
        ),
    ],
)
def test_headers(raw: bytes, found: dict[str, str]) -> None:
    """The server's word and its headers are read as they stand."""
    assert _parsed(raw) == found


CAME = (
    b"MSG inbox.1 1 5\r\nfirst\r\n"
    b"HMSG inbox.2 1 there.7 16 22\r\nNATS/1.0 204\r\n\r\nsecond\r\n"
    b"MSG inbox.3 1 7\r\n\r\nthird\r\n"
    b"PONG\r\n"
    b"MSG elsewhere 2 6\r\nothers\r\n"
    b"MSG inbox.4 1 there.8 0\r\n\r\n"
)
"""What a server may send in one piece, or in any."""


@pytest.mark.parametrize("is_read", [True, False], ids=["read in between", "in one round"])
def test_messages_come_in_order_however_they_are_cut(*, is_read: bool) -> None:
    """Each message is told once, as a whole and in order, wherever what comes is cut, and what is not ours is left."""

    async def told_of(*pieces: bytes) -> list[tuple[str, bytes, str]]:
        client = DirectClient()
        told: list[tuple[str, bytes, str]] = []
        client._hearing[1] = lambda one: told.append((one.subject, one.data, one.reply))
        client._pongs.append(asyncio.get_running_loop().create_future())
        reader = asyncio.StreamReader()
        client._transport = mock.Mock(_io_reader=reader)
        client.hear_at_once()

        async def read() -> None:
            while data := await reader.read(65_536):
                await client._ps.parse(data)

        library = asyncio.create_task(read())
        await asyncio.sleep(0)
        for piece in pieces:
            reader.feed_data(piece)
            for _ in range(3 if is_read else 0):
                await asyncio.sleep(0)
        reader.feed_eof()
        await library
        assert client._pongs_received == 1
        return told

    expected = [
        ("inbox.1", b"first", ""),
        ("inbox.2", b"second", "there.7"),
        ("inbox.3", b"\r\nthird", ""),
        ("inbox.4", b"", "there.8"),
    ]
    assert asyncio.run(told_of(CAME)) == expected
    for cut in range(1, len(CAME)):
        assert asyncio.run(told_of(CAME[:cut], CAME[cut:])) == expected
        assert asyncio.run(told_of(CAME[:cut], CAME[cut : cut + 3], CAME[cut + 3 :])) == expected


def test_messages_need_no_task_of_the_librarys() -> None:
    """A message that comes as a whole is told in the very call that brings it; one that is cut, once it is read."""

    async def told_of(piece: bytes) -> int:
        client = DirectClient()
        told: list[object] = []
        client._hearing[1] = told.append
        client._transport = mock.Mock(_io_reader=asyncio.StreamReader())
        client.hear_at_once()
        client._transport._io_reader.feed_data(piece)
        return len(told)

    assert asyncio.run(told_of(CAME)) == 3
    assert asyncio.run(told_of(CAME[:20])) == 0


def test_a_library_that_keeps_its_reader_elsewhere_reads_as_ever() -> None:
    """With a release of the library, or of Python, in which nothing is where it is looked for, nothing is changed."""
    client = DirectClient()
    client._transport = mock.Mock(spec=[])
    client.hear_at_once()
    reader = mock.Mock(spec=["feed_data"])
    read_on = reader.feed_data
    client._transport = mock.Mock(_io_reader=reader)
    client.hear_at_once()
    assert reader.feed_data is read_on
    for parser in (mock.Mock(spec=["buf"]), mock.Mock(spec=["state"]), None):
        client._ps = parser  # type: ignore[assignment]
        client._transport = mock.Mock(_io_reader=mock.Mock(feed_data=read_on, _buffer=bytearray()))
        client.hear_at_once()
        assert client._transport._io_reader.feed_data is read_on
    del client._ps
    client.hear_at_once()


def test_a_last_position_is_that_of_its_point() -> None:
    """Who asks at a point is not told of what came behind it, though somebody else is at the same moment."""
    link = mock.Mock(spec=Link, place="here")
    reading = Reading(link, "configs", Subjects("configs"), is_barred=False)

    async def act() -> list[int]:
        later_is_known = asyncio.Event()

        async def newest_row(point: int, _: float) -> int:
            if point == 3 and reading._looked.point:
                await later_is_known.wait()
            return point

        async def last_before(
            point: int, _: float, *, only_heads: bool, known: int
        ) -> Entry | None:
            if point <= known:
                return None
            entry = Entry("team", history="h")
            entry.sequence = point
            return entry

        with (
            mock.patch.object(reading, "newest_row", newest_row),
            mock.patch.object(reading, "last_before", last_before),
        ):
            first = await reading.last_position(3, 0.0)
            again = asyncio.ensure_future(reading.last_position(3, 0.0))
            await asyncio.sleep(0)
            later = await reading.last_position(5, 0.0)
            later_is_known.set()
            return [first, await again, later]

    assert asyncio.run(act()) == [3, 3, 5]


@pytest.mark.parametrize("is_stale_ok", [False, True])
def test_what_is_lost_on_the_way_is_asked_again(*, is_stale_ok: bool) -> None:
    """
    A question that goes to a replica which cannot be reached is asked again until one answers.  Whoever takes an old
    answer may speak to the only one that does, which one question of several gets to: with every silence it is asked
    twice as often.  So many that nobody answers are enough, and a late answer to any of them counts.
    """
    reading = read_at_once()
    rounds: list[int] = []
    late: list[asyncio.Future[None]] = []

    async def several(*_: object, **__: object) -> asking.Several:
        rounds[-1] += 1
        late.append(asyncio.get_running_loop().create_future())
        await late[-1]
        return asking.Several({}, 7)

    plain = asyncio.wait

    async def waited(asked: set[asyncio.Task[object]], **more: Any) -> Any:
        rounds.append(0)
        if len(rounds) == 8:
            late[0].set_result(None)
        return await plain(asked, **more)

    with (
        mock.patch.object(asking, "several", several),
        mock.patch.object(asyncio, "wait", waited),
        mock.patch("realmconf.stores.nats.reading.AGAIN_SECONDS", 0.01),
    ):
        found = asyncio.run(reading._several(["one"], 0, 0.0, is_stale_ok=is_stale_ok))
    assert found.up_to == 7
    assert rounds == ([1, 2, 4, 8, 1, 0, 0, 0] if is_stale_ok else [1] * 8)


def test_an_answer_counts_beside_failures() -> None:
    """Where a question was asked of several replicas, and an answer comes along with failures, it is the answer."""
    reading = read_at_once()
    asked_for = 0
    plain = asyncio.wait

    async def several(*_: object, **__: object) -> asking.Several:
        nonlocal asked_for
        asked_for += 1
        if asked_for != 5:
            raise LostError("planted")
        return asking.Several({}, 7)

    async def waited(asked: set[asyncio.Task[object]], **more: Any) -> Any:
        if asked_for + len(asked) < 5:
            return set(), asked
        return await plain(asked)

    with mock.patch.object(asking, "several", several), mock.patch.object(asyncio, "wait", waited):
        found = asyncio.run(reading._several(["one"], 0, 0.0, is_stale_ok=True))
    assert found.up_to == 7


def read_at_once() -> Reading:
    """What reads a replicated stream, each question of which goes to the servers once."""
    link = mock.Mock(spec=Link, place="here")

    async def repeated(ask: Callable[..., Awaitable[object]], *, deadline: float) -> object:
        return await ask(None, deadline)

    link.repeated = repeated
    return Reading(link, "configs", Subjects("configs"), is_barred=True)


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ([], 0),
        (["configs.m.*", "configs.1.>"], 1),
        (["configs.m.*", "configs.12.>", "configs.2.>"], 12),
        (["others.3.>", "configs.3.r.>", "configs.x3.>", "configs.3", "c.configs.4.>"], 0),
        (["configs." + "9" * 5_000 + ".>"], 0),
    ],
)
def test_the_format_that_a_stream_takes(taken: list[str], found: int) -> None:
    """Which format's messages a stream takes is told by its subjects."""
    assert Subjects("configs").format_taken(taken) == found


def pushed(number: int, *, size: int = 0) -> Heard:
    """The consumer's message with that number, about a realm."""
    entry = Entry("team", history="h")
    entry.generation, entry.digest, entry.is_alone = number, "d" * 64, True
    entry.packed = b"x" * size
    reply = f"$JS.ACK.stream.consumer.1.{number + 100}.{number}.0.0"
    return Heard("stream.1.r.team", entry.body(), None, reply)


class Listening:
    """Somebody who waits at an ear, in a thread, while this one hears."""

    def __init__(self, tell: Callable[[News], bool] | None) -> None:
        self.told: list[News] = []
        self.ear = Ear("there", tell)

    def wait(self, seconds: float = 30.0) -> None:
        self.told += self.ear.wait(seconds)

    def waits(self) -> threading.Thread:
        thread = threading.Thread(target=self.wait, daemon=True)
        thread.start()
        while not self.ear._is_awaited:
            time.sleep(0.001)
        return thread


def test_what_is_told_at_once_wakes_nobody_else() -> None:
    """G7: of what is heard while somebody waits, each is told once, in order: at once, or by the one who waits."""
    at_once: list[News] = []

    def tell(news: News) -> bool:
        at_once.append(news)
        return news.version != 103

    listening = Listening(tell)
    waiting = listening.waits()
    for number in (1, 2):
        listening.ear._heard(pushed(number))
    assert waiting.is_alive()
    with listening.ear._changed:
        # It cannot go on before all of these are heard.
        for number in (3, 4, 5):
            listening.ear._heard(pushed(number))
    waiting.join()
    assert [news.version for news in at_once] == [101, 102, 103]
    assert [news.version for news in listening.told] == [103, 104, 105]
    assert listening.told[0] is at_once[-1]
    assert [news.before for news in listening.told] == [102, 103, 104]


def test_nothing_is_told_at_once_while_nobody_waits() -> None:
    """What comes while the one who listens looks at something is told behind that."""
    at_once: list[News] = []
    listening = Listening(lambda news: not at_once.append(news))  # type: ignore[func-returns-value]
    listening.ear._heard(pushed(1))
    listening.wait(0)
    assert [news.version for news in listening.told] == [101]
    assert not at_once


def test_what_is_large_or_fails_is_left_to_the_one_who_waits() -> None:
    """The thread that hears reads nothing that takes it long, and does not end with what telling raises."""

    sizes: list[int] = []

    def tell(news: News) -> bool:
        sizes.append(len(news.heads[RealmName("team")].packed))
        raise ValueError

    for size in (AT_ONCE_BYTES, 10):
        listening = Listening(tell)
        waiting = listening.waits()
        listening.ear._heard(pushed(1, size=size))
        waiting.join()
        assert [news.version for news in listening.told] == [101]
    assert sizes == [10]


def test_what_cannot_be_read_ends_the_listening_alone() -> None:
    """A pushed message whose place is none is told to be so to the one who waits, and the connection goes on."""
    at_once: list[News] = []
    listening = Listening(lambda news: not at_once.append(news))  # type: ignore[func-returns-value]
    failures: list[ValueError] = []

    def wait() -> None:
        try:
            listening.wait()
        except ValueError as failure:
            failures.append(failure)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    while not listening.ear._is_awaited:
        time.sleep(0.001)
    one = pushed(1)
    one.reply = one.reply.replace(".101.", ".nowhere.")
    listening.ear._heard(one)
    waiting.join()
    assert failures
    assert not at_once
