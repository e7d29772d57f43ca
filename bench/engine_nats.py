"""
M27: a store in NATS JetStream, beside the same work written by hand with nats-py.

By hand there is one subject of one stream.  A write is what somebody writes who wants a compare-and-swap with history,
a write id that is good once, and watchers who hear of it: one message that waits for the subject's last sequence and
has an id of its own.  A read is the subject's last message, and a watcher is given the document with the message.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from threading import Thread
from time import sleep
from typing import Any

import realmconf
from bench import documents
from bench.engine_postgres import delivered
from bench.harness import Spread, compete, each
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most
from bench.watching import Deliveries

REALM = "measured"
STREAM = "by_hand"
SUBJECT = f"{STREAM}.{REALM}"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"


class ByHand:
    """One subject of one stream, through one connection."""

    def __init__(self, url: str) -> None:
        import nats

        self._loop = asyncio.new_event_loop()
        self._run = self._loop.run_until_complete
        self._client: Any = self._run(nats.connect(url))
        self._stream: Any = self._client.jetstream()
        self.generation = 0
        self._sequence = 0

    def make(self) -> None:
        self._run(self._stream.add_stream(name=STREAM, subjects=[f"{STREAM}.>"], allow_direct=True))
        self.write()

    def read(self) -> Any:
        found = self._run(self._stream.get_last_msg(STREAM, SUBJECT, direct=True))
        return found.seq, json.loads(found.data)

    def write(self) -> None:
        generation = self.generation + 1
        body = {"generation": generation, "document": documents.agent(counter=self.generation)}
        done = self._run(
            self._stream.publish(
                SUBJECT,
                json.dumps(body).encode(),
                headers={EXPECTED: str(self._sequence), "Nats-Msg-Id": f"write-{generation}"},
            )
        )
        self._sequence, self.generation = done.seq, generation

    def listen(self, heard: Any) -> None:
        """Call *heard* with each generation that comes, for ever."""

        from nats.js.api import DeliverPolicy

        async def call(message: Any) -> None:
            heard(json.loads(message.data)["generation"])

        self._run(
            self._stream.subscribe(
                SUBJECT, cb=call, ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
            )
        )
        self._loop.run_forever()

    def close(self) -> None:
        self._run(self._client.close())
        self._loop.close()


class HandWatcher:
    """An actor that listens by hand."""

    def __init__(self, url: str) -> None:
        self._deliveries = Deliveries()
        ours = ByHand(url)
        Thread(target=ours.listen, args=[self._deliveries.note], daemon=True).start()

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        """It ends with its process."""


def measure(place: Workplace) -> list[Figure]:
    """M27: a write, a read and a watch."""
    from tests.engines.servers.nats import Nats

    with ExitStack() as stack:
        server = Nats()
        stack.callback(server.close)
        plain, url = f"nats://127.0.0.1:{server.port}", server.url()
        hand = ByHand(plain)
        stack.callback(hand.close)
        hand.make()
        client = stack.enter_context(realmconf.connect(url))
        realm = client.realm(REALM)
        generation = realm.set(documents.agent(counter=0)).generation

        def write() -> None:
            nonlocal generation
            document = documents.agent(counter=generation)
            generation = realm.set(document, expected_generation=generation).generation

        count = place.effort.count(400)
        rounds = compete(
            {
                "ours": lambda: each(write, count),
                "by hand": lambda: each(hand.write, count),
                "ours, read": lambda: each(realm.get, count),
                "by hand, read": lambda: each(hand.read, count),
            },
            rounds=place.effort.rounds,
            slices=4,
        )
        mine = stack.enter_context(Actor("bench.engine_postgres:Watcher", url=url))
        theirs = stack.enter_context(Actor("bench.engine_nats:HandWatcher", url=plain))
        sleep(1.0)
        deliveries = compete(
            {
                "ours": lambda: delivered(mine, write, lambda: generation, count // 4),
                "by hand": lambda: delivered(
                    theirs, hand.write, lambda: hand.generation, count // 4
                ),
            },
            rounds=place.effort.rounds,
            slices=4,
        )
        return [
            figure(
                "compare-and-swap of 2 KB / one message that waits for the last sequence",
                rounds.ratio("ours", "by hand"),
                1.3,
                f"{rounds.cost('ours'):.0f} µs, {rounds.cost('by hand'):.0f} µs",
            ),
            figure(
                "get / the last message, json.loads",
                rounds.ratio("ours, read", "by hand, read"),
                1.2,
                f"{rounds.cost('ours, read'):.0f} µs, {rounds.cost('by hand, read'):.0f} µs",
            ),
            figure(
                "commit acknowledged to callback elsewhere / a subscription, json.loads",
                deliveries.ratio("ours", "by hand"),
                1.3,
                f"{deliveries.cost('ours'):.0f} µs, {deliveries.cost('by hand'):.0f} µs",
            ),
        ]


def figure(claim: str, spread: Spread, limit: float, detail: str) -> Figure:
    return Figure("M27", f"NATS: {claim}", spread, "x", at_most(limit), detail)
