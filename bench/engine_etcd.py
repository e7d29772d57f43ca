"""
M28: a store in etcd, beside the same work written by hand with aetcd's stubs over grpcio.

By hand there is one channel and one key.  A write is what somebody writes who wants no less than a compare-and-swap
with history and a write id that is good once: one transaction of two comparisons and three puts.  The same by hand
through the JSON gateway, with the HTTP client of the standard library, is shown as well: that is what we speak.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import queue
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

from bench import documents
from bench.engines import (
    CAS_MAX,
    READ_MAX,
    WATCH_MAX,
    Claims,
    Ours,
    delivered,
    raced,
    watched_by,
)
from bench.results import Figure, Workplace

KEY = "by-hand/config"
SECONDS = 10.0


class ByHand:
    """One key, through one channel."""

    def __init__(self, place: str) -> None:
        import grpc
        from aetcd.rpc import rpc_pb2

        self._messages: Any = rpc_pb2
        channel = grpc.insecure_channel(place)

        def call(path: str, request: Any, answer: Any) -> Any:
            return channel.unary_unary(
                f"/etcdserverpb.KV/{path}",
                request_serializer=request.SerializeToString,
                response_deserializer=answer.FromString,
            )

        self._range = call("Range", rpc_pb2.RangeRequest, rpc_pb2.RangeResponse)
        self._transaction = call("Txn", rpc_pb2.TxnRequest, rpc_pb2.TxnResponse)
        self._watch = channel.stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=rpc_pb2.WatchRequest.SerializeToString,
            response_deserializer=rpc_pb2.WatchResponse.FromString,
        )
        self._version = 0
        self.generation = 0

    def read(self) -> Any:
        request = self._messages.RangeRequest(key=KEY.encode())
        (found,) = self._range(request, timeout=SECONDS).kvs
        return found.mod_revision, json.loads(found.value)

    def write(self) -> None:
        """As one writes it."""
        messages = self._messages
        value = _value(self.generation)

        def is_at(key: str, version: int) -> Any:
            return messages.Compare(
                key=key.encode(),
                target=messages.Compare.MOD,
                result=messages.Compare.EQUAL,
                mod_revision=version,
            )

        def put(key: str, value: bytes) -> Any:
            return messages.RequestOp(
                request_put=messages.PutRequest(key=key.encode(), value=value)
            )

        answer = self._transaction(
            messages.TxnRequest(
                compare=[is_at(KEY, self._version), is_at(_write_key(self.generation), 0)],
                success=[put(key, value) for key, value in _puts(self.generation, value)],
            ),
            timeout=SECONDS,
        )
        assert answer.succeeded
        self._version = answer.header.revision
        self.generation += 1

    def listen(self, heard: Callable[[int], None]) -> None:
        """Call *heard* with the generation of each document that a watch brings, for ever."""
        messages = self._messages
        asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        asked.put(
            messages.WatchRequest(create_request=messages.WatchCreateRequest(key=KEY.encode()))
        )
        for answer in self._watch(iter(asked.get, None)):
            for event in answer.events:
                document = json.loads(event.kv.value)
                heard(document["generation"])


class ThroughGateway:
    """The same through the JSON gateway, with the HTTP client of the standard library."""

    def __init__(self, place: str) -> None:
        self._wire = http.client.HTTPConnection(place)
        self._version = 0
        self.generation = 0

    def _ask(self, path: str, fields: dict[str, Any]) -> Any:
        self._wire.request("POST", path, json.dumps(fields).encode())
        return json.loads(self._wire.getresponse().read())

    def read(self) -> Any:
        (found,) = self._ask("/v3/kv/range", {"key": _coded(f"{KEY}-gateway")})["kvs"]
        return int(found["mod_revision"]), json.loads(b64decode(found["value"]))

    def write(self) -> None:
        key = _write_key(self.generation)
        puts = _puts(self.generation, _value(self.generation))
        answer = self._ask(
            "/v3/kv/txn",
            {
                "compare": [
                    {
                        "key": _coded(f"{name}-gateway"),
                        "target": "MOD",
                        "mod_revision": str(version),
                    }
                    for name, version in ((KEY, self._version), (key, 0))
                ],
                "success": [
                    {
                        "request_put": {
                            "key": _coded(f"{name}-gateway"),
                            "value": b64encode(value).decode(),
                        }
                    }
                    for name, value in puts
                ],
            },
        )
        assert answer["succeeded"]
        self._version = int(answer["header"]["revision"])
        self.generation += 1


def _value(generation: int) -> bytes:
    document = documents.agent(counter=generation)
    return json.dumps({"generation": generation + 1, "document": document}).encode()


def _write_key(generation: int) -> str:
    return f"{KEY}-writes/write-{generation}"


def _puts(generation: int, value: bytes) -> list[tuple[str, bytes]]:
    told = json.dumps({"generation": generation + 1, "digest": hashlib.sha256(value).hexdigest()})
    return [
        (KEY, value),
        (f"{KEY}-history/{generation + 1:016x}", value),
        (_write_key(generation), told.encode()),
    ]


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def measure(place: Workplace) -> list[Figure]:
    """M28: a write, a read and a watch."""
    from tests.engines.servers.etcd import Etcd

    with ExitStack() as stack:
        server = Etcd()
        stack.callback(server.close)
        hand, gateway = ByHand(server.place), ThroughGateway(server.place)
        url = server.url()
        ours = stack.enter_context(closing(Ours(url)))
        for warm in (hand.write, gateway.write):
            warm()
        rounds = raced(
            place,
            {
                "ours": ours.write,
                "by hand": hand.write,
                "gateway": gateway.write,
                "ours, read": ours.read,
                "by hand, read": hand.read,
                "gateway, read": gateway.read,
            },
        )
        mine, theirs = watched_by(stack, url, "bench.engine_etcd:ByHand", server.place)
        deliveries = delivered(place, {"ours": (ours, mine), "by hand": (hand, theirs)})
    figure = Claims("M28", "etcd").figure
    return [
        figure(
            "compare-and-swap of 2 KB / a transaction of two comparisons and three puts over gRPC",
            rounds,
            "ours",
            "by hand",
            limit=CAS_MAX,
        ),
        figure(
            "compare-and-swap of 2 KB / that transaction through the JSON gateway",
            rounds,
            "ours",
            "gateway",
            limit=CAS_MAX,
        ),
        figure(
            "get / Range over gRPC, json.loads",
            rounds,
            "ours, read",
            "by hand, read",
            limit=READ_MAX,
        ),
        figure(
            "get / a range through the JSON gateway, json.loads",
            rounds,
            "ours, read",
            "gateway, read",
            limit=READ_MAX,
        ),
        figure(
            "commit acknowledged to callback elsewhere / a watch over gRPC that brings the document",
            deliveries,
            "ours",
            "by hand",
            limit=WATCH_MAX,
        ),
    ]
