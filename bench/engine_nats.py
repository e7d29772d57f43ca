"""
M27: a store in NATS JetStream, beside the same work written by hand with nats-py.

By hand there is one subject of one stream.  A write is what somebody writes who wants a compare-and-swap with history,
a write id that is good once, and watchers who hear of it: one message that waits for the subject's last sequence and
has an id of its own.  A read is the subject's last message, and a watcher is given the document with the message.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, closing
from typing import Any

from bench import documents
from bench.engines import (
    CAS_MAX,
    READ_MAX,
    REALM,
    WATCH_MAX,
    Claims,
    Ours,
    delivered,
    raced,
    watched_by,
)
from bench.results import Figure, Workplace

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


def measure(place: Workplace) -> list[Figure]:
    """M27: a write, a read and a watch."""
    from tests.engines.servers.nats import Nats

    with ExitStack() as stack:
        server = Nats()
        stack.callback(server.close)
        plain = f"nats://127.0.0.1:{server.port}"
        hand = stack.enter_context(closing(ByHand(plain)))
        hand.make()
        url = server.url()
        ours = stack.enter_context(closing(Ours(url)))
        rounds = raced(
            place,
            {
                "ours": ours.write,
                "by hand": hand.write,
                "ours, read": ours.read,
                "by hand, read": hand.read,
            },
        )
        mine, theirs = watched_by(stack, url, "bench.engine_nats:ByHand", plain)
        deliveries = delivered(place, {"ours": (ours, mine), "by hand": (hand, theirs)})
    figure = Claims("M27", "NATS").figure
    return [
        figure(
            "compare-and-swap of 2 KB / one message that waits for the last sequence",
            rounds,
            "ours",
            "by hand",
            limit=CAS_MAX,
        ),
        figure(
            "get / the last message, json.loads",
            rounds,
            "ours, read",
            "by hand, read",
            limit=READ_MAX,
        ),
        figure(
            "commit acknowledged to callback elsewhere / a subscription, json.loads",
            deliveries,
            "ours",
            "by hand",
            limit=WATCH_MAX,
        ),
    ]
