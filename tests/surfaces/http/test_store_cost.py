"""What one request to the store's routes may cost: time, looks and bytes; nobody works for whoever has left."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from realmconf.errors import StoreUnavailable
from realmconf.runtime.serving import reads
from realmconf.runtime.serving.patience import NobodyWaitsError, Patience

PATIENCE_SECONDS = 20.0


def test_patience_ends():
    """A request ends with its looks, with its time, and with whoever asked, whichever comes first."""
    few = Patience(looks=2)
    few.look(2)
    for ended in (few, Patience(seconds=-1.0)):
        with pytest.raises(StoreUnavailable) as refused:
            ended.look()
        assert not refused.value.retryable
    with pytest.raises(NobodyWaitsError):
        Patience(is_gone=lambda: True).look()


def test_every_realm_is_looked_at_once_for_a_point_in_the_past(server, monkeypatch):
    """However many questions there are about realms of then, each realm is looked at once for all of them."""
    for number in range(50):
        server.client.realm(f"r{number}").set({"n": 1})
    calls = [{"call": name, "realm": "r0", "after": None} for name in ("children", "realms")] * 100
    with server.http("reader") as http:
        position = http.post("/v1/store/read", json={"at": None, "calls": []}).json()["position"]
        server.client.realm("r0").set({"n": 2})
        looks = []
        look = Patience.look

        def counted(self, number=1):
            looks.append(number)
            self._looks = 1
            look(self, 0)

        monkeypatch.setattr(Patience, "look", counted)
        answers = http.post("/v1/store/read", json={"at": position, "calls": calls}).json()
    assert all("value" in one for one in answers["answers"])
    assert sum(looks) < 50 + 100 * 60


def test_what_takes_too_long_says_so(server, monkeypatch):
    """A request that is too much is answered with that for what is left of it, and is not to be asked again."""
    server.client.realm("r").set({"n": 1})
    monkeypatch.setattr(
        Patience.__init__,
        "__kwdefaults__",
        {**(Patience.__init__.__kwdefaults__ or {}), "looks": 20},
    )
    with server.http("reader") as http:
        body = {"at": None, "calls": [{"call": "children", "realm": "r"}] * 30}
        answers = http.post("/v1/store/read", json=body).json()["answers"]
    assert "value" in answers[0]
    assert answers[-1]["error"]["code"] == "store_unavailable"
    assert answers[-1]["error"]["retryable"] is False


def test_nobody_works_for_whoever_has_left(server, monkeypatch):
    """When a caller hangs up, what is done for it ends at the next look."""
    server.client.realm("r").set({"n": 1})
    begun, ended = threading.Event(), threading.Event()
    look = Patience.look

    def slowly(self, number=1):
        begun.set()
        try:
            for _ in range(2_000):
                look(self, 0)
                time.sleep(0.005)
        except NobodyWaitsError:
            ended.set()
            raise

    monkeypatch.setattr(Patience, "look", slowly)
    body = b'{"at":null,"calls":[{"call":"lineage","realm":"r"}]}'
    head = (
        f"POST /v1/store/read HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
        f"content-type: application/json\r\nauthorization: Bearer {server.tokens['reader']}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
        assert begun.wait(PATIENCE_SECONDS)
    assert ended.wait(PATIENCE_SECONDS)


def test_history_has_one_budget(server):
    """All history in one answer has so many bytes; a page that ends before says so, and nothing is cut in silence."""
    text = "x" * 900_000
    for number in range(12):
        server.client.realm("big").set({"n": number, "text": text})
    calls = [{"call": "revisions", "realm": "big", "after": 0}] * 20
    with server.http("owner") as http:
        answer = http.post("/v1/store/read", json={"at": None, "calls": calls})
        first, *others = answer.json()["answers"]
    assert first["value"]["more"] is True
    assert 1 <= len(first["value"]["revisions"]) < 12
    assert {one["error"]["code"] for one in others} == {"limit_exceeded"}
    assert len(answer.content) < reads.ANSWER_CHARS_MAX + 1_048_576
