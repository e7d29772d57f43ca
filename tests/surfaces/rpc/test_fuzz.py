"""Whatever comes in: nothing ends the process, and whoever has an id is answered."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import pytest

from realmconf.surfaces.rpc.methods import METHODS

FRAMES = 100_000
SEED = 20_260_807

READS = ["config/get", "config/history", "config/explain", "store/info", "realm/list", "nope"]
ODD: list[Any] = [
    None, True, -1, 0, 1.5, 2**53, 2**63 - 1, "", "a", "\x00", "\x7f\x85\u2028", "../../etc", "~1~0", "/a/-",
    [], [[]], {}, {"": ""}, {"a": None}, {"config": {}}, "9" * 500, [0] * 100, {"realm": {}},
]  # fmt: skip


class Fuzz:
    """A reproducible stream of lines, and the ids for which it has a right to an answer."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0
        self.owed: list[int] = []

    def _id(self) -> int:
        self._count += 1
        self.owed.append(self._count)
        return self._count

    def line(self) -> bytes:
        kind = self._random.choice(
            [self.asked, self.asked, self.mistaken, self.odd_json, self.raw, self.noise, self.batch]
        )
        return kind()

    def asked(self) -> bytes:
        """A request with parameters of every sort."""
        return json.dumps(self._request()).encode() + self._random.choice(
            [b"\n", b"\r\n", b" \n\n"]
        )

    def _request(self) -> dict:
        method = self._random.choice(READS)
        # One in some thousands writes, so that there is something to read.
        if self._random.random() < 0.001:
            method = self._random.choice(list(METHODS))
        request = {"jsonrpc": "2.0", "id": self._id(), "method": method}
        if self._random.random() < 0.8:
            names = ["view", "path", "at", "limit", "realm", "config", "patch", "x"]
            request["params"] = {
                self._random.choice(names): self._random.choice(ODD)
                for _ in range(self._random.randrange(3))
            }
        return request

    def mistaken(self) -> bytes:
        """A request in which one member is something else."""
        request = self._request()
        name = self._random.choice(["jsonrpc", "method", "params", "more"])
        request[name] = self._random.choice(ODD)
        members = list(request.items())
        self._random.shuffle(members)
        return json.dumps(dict(members)).encode() + b"\n"

    def odd_json(self) -> bytes:
        """A request with JSON that is not taken."""
        value = self._random.choice(
            ["1e999", "9" * 400, "-" + "9" * 30, '"\\ud800"', '"\\udc00\\ud800"', '{"a":1,"a":1}',
             "[" * 200 + "]" * 200, '{"a":' * 90 + "1" + "}" * 90, "1." + "0" * 2_000]
        )  # fmt: skip
        text = f'{{"jsonrpc":"2.0","params":{{"config":{value}}},"method":"config/set","id":{self._id()}}}'
        return text.encode() + b"\n"

    def raw(self) -> bytes:
        """JSON, or nearly, that is no request: nobody knows whom to answer."""
        text = self._random.choice(
            ["", "[]", "{}", "null", "1", '"', "{", "[" * 5_000, '{"id":{}}', '{"jsonrpc":"2.0"', "[[]]",
             "{" * 300 + "}" * 300, '{"id":[1]}', "\ufeff{}", "NaN", "-", "1e", "tru", '"\\u12"', "[1,]"]
        )  # fmt: skip
        return text.encode() + b"\n"

    def noise(self) -> bytes:
        """Bytes."""
        return self._random.randbytes(self._random.randrange(60)) + b"\n"

    def batch(self) -> bytes:
        """Several of them at once."""
        return (
            json.dumps([self._request() for _ in range(self._random.randrange(1, 4))]).encode()
            + b"\n"
        )


@pytest.mark.timeout(600)
def test_fuzz(start):
    """100,000 lines of every sort: every request with an id is answered once, and the process ends well."""
    rpc = start()
    fuzz = Fuzz(SEED)

    def write() -> None:
        for _ in range(FRAMES):
            rpc.process.stdin.write(fuzz.line())
        rpc.end()

    saying: list[bytes] = []
    writing = threading.Thread(target=write)
    listening = threading.Thread(target=lambda: saying.append(rpc.process.stderr.read()))
    writing.start()
    listening.start()
    answers = rpc.rest()
    writing.join()
    listening.join()
    assert rpc.process.wait(timeout=60) == 0
    assert saying == [b""]
    flat = [
        one for message in answers for one in (message if isinstance(message, list) else [message])
    ]
    identities = [one["id"] for one in flat if one.get("id") is not None]
    assert sorted(identities) == fuzz.owed
    for one in flat:
        assert one.get("error", {}).get("code") != -32603, one


@pytest.mark.parametrize("seed", range(3))
def test_fuzz_in_pieces(start, seed):
    """Where the pieces are cut in which the bytes come makes no difference."""
    fuzz = Fuzz(seed)
    everything = b"".join(fuzz.line() for _ in range(200))
    cuts = random.Random(seed)
    rpc = start()

    def write() -> None:
        rest = everything
        while rest:
            size = cuts.choice([1, 2, 7, 100, 5_000])
            rpc.process.stdin.write(rest[:size])
            rpc.process.stdin.flush()
            rest = rest[size:]
        rpc.end()

    writing = threading.Thread(target=write)
    writing.start()
    answers = rpc.rest()
    writing.join()
    flat = [
        one for message in answers for one in (message if isinstance(message, list) else [message])
    ]
    assert sorted(one["id"] for one in flat if one.get("id") is not None) == fuzz.owed
    assert rpc.process.wait(timeout=60) == 0
