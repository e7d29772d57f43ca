"""Event streams under load: many readers, many writers, connections that break at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import ExitStack

import pytest
from tests.surfaces.http.streaming import Connection, staged

STREAMS = 1_000
WRITER = """
import sys, realmconf
with realmconf.connect(sys.argv[1]) as client:
    realm = client.realm(sys.argv[2])
    for number in range(int(sys.argv[3])):
        realm.patch({"value": number + 1})
"""


@pytest.fixture
def scene(tmp_path):
    with staged(str(tmp_path / "store"), of_one_token=STREAMS) as found:
        yield found


@pytest.fixture
def writer(scene):
    """Starts a process that commits so many times."""
    running = []

    def start(realm: str, count: int) -> None:
        words = [sys.executable, "-c", WRITER, scene.client.url, realm, str(count)]
        running.append(subprocess.Popen(words))

    yield start
    for one in running:
        assert one.wait(60) == 0


@pytest.mark.parametrize("view", ["own", "effective"])
def test_a_reader_whose_connection_breaks_misses_and_doubles_nothing(scene, writer, view):
    """
    A reader whose connection breaks at any moment, again and again, and who goes on with the last id it had, has each
    of 500 generations once and in order.
    """
    chance = random.Random(17)
    token = scene.token()
    had: list[int] = []
    cursor = scene.realm.get().etag
    writer(scene.name, 500)
    connections = 0
    while len(had) < 500:
        connections += 1
        with scene.open(f"?view={view}", token=token, last_event_id=cursor) as stream:
            for _ in range(chance.randrange(1, 40)):
                event = stream.event()
                cursor = event.id
                if event.event != "bookmark":
                    assert event.event == "change"
                    had.append(event.data["generation"])
                if len(had) == 500:
                    break
    assert had == list(range(2, 502))
    assert connections > 10


def test_readers_who_come_while_others_write_join_without_a_gap(scene, writer):
    """Streams that begin at any place while generations are made by two processes end up with the same events."""
    token = scene.token()
    writer(scene.name, 300)
    writer(scene.name, 300)
    streams: list[tuple[int, Connection]] = []
    with ExitStack() as stack:
        while (generation := scene.realm.get().generation) < 400:
            after = max(generation - 150, 0) if len(streams) % 3 else generation
            stream = stack.enter_context(scene.open(f"?after={after}", token=token))
            streams.append((after, stream))
        assert len(streams) > 5
        for after, stream in streams:
            expected = after + 1
            while expected <= 400:
                event = stream.change()
                assert (event.event, event.data["generation"]) == ("change", expected)
                expected += 1


def test_a_thousand_readers_all_have_every_event(scene):
    """A thousand streams of one process all have every event, each once and in order."""
    token = scene.token()
    with ExitStack() as stack:
        streams = [stack.enter_context(scene.open(token=token)) for _ in range(STREAMS)]
        for one in streams:
            assert one.event().event == "bookmark"
        etags = [scene.realm.patch({"value": number}).etag for number in range(1, 21)]
        for one in streams:
            assert [one.event().id for _ in etags] == etags
        assert scene.server.stats()["streams"] == STREAMS
        # Each costs the task that its request has, and no other.
        assert scene.server.stats()["tasks"] < STREAMS + 10


def test_hundreds_of_realms_are_watched_by_one_subscription(scene):
    """A stream is told of its own realm, also where there are hundreds of realms with streams."""
    token = scene.token()
    realms = [scene.other(str(number)) for number in range(200)]
    scene.client.transaction([(one.realm_id, {"set": {"value": 0}}) for one in realms[:60]])
    streams = []
    with ExitStack() as stack:
        for one in realms:
            stream = stack.enter_context(Connection(scene.server.port))
            streams.append(stream)
            stream.ask(f"/v1/realms/{one.realm_id}/watch", authorization=f"Bearer {token.text}")
            stream.head()
            stream.event()
        for one, stream in zip(realms, streams, strict=True):
            done = one.patch({"value": 1})
            assert stream.event().id == done.etag
        assert scene.server.stats()["views"] == 200
