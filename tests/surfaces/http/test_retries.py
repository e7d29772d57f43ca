"""Answers that are lost: a retry under the same Idempotency-Key is the same write."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from .wire import connected

CONFIG = "/v1/realms/team/config"


class Swallowing:
    """A proxy that loses every answer but each third: the connection breaks after the server has answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.lost = 0
        self._count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client, connected(self._port) as server:
                self._carry(client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        request = b""
        while not _is_whole(request):
            chunk = client.recv(65_536)
            if not chunk:
                return
            request += chunk
        server.sendall(request)
        answer = b""
        while not _is_whole(answer):
            answer += server.recv(65_536)
        self._count += 1
        if self._count % 3:
            # The server has committed and answered; nobody hears of it.
            self.lost += 1
            return
        client.sendall(answer)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


def _is_whole(raw: bytes) -> bool:
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        return False
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return len(body) >= (lengths[0] if lengths else 0)


def retry(server, count):
    proxy = Swallowing(server.port)
    try:
        for number in range(count):
            headers = {
                **server.headers("writer"),
                "Idempotency-Key": f"write-{number}",
                "Connection": "close",
            }
            while True:
                try:
                    answer = httpx.patch(
                        f"http://127.0.0.1:{proxy.port}{CONFIG}",
                        json={"patch": {"n": number}},
                        headers=headers,
                    )
                except httpx.HTTPError:
                    continue
                break
            assert answer.status_code in (200, 201)
            assert answer.json()["generation"] == number + 1
    finally:
        proxy.close()
    assert proxy.lost == 2 * count
    revisions = server.client.realm("team").history(limit=count)
    assert [one.write_id for one in revisions] == [
        f"write-{number}" for number in reversed(range(count))
    ]


def test_lost_answers(server):
    """However many answers are lost, there are exactly as many generations as there were requests."""
    retry(server, 100)


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_many_lost_answers(server):
    """The same, a thousand times."""
    retry(server, 1_000)


def test_many_at_once_under_one_key(server):
    """Of many requests under one key that come at the same time one is written, and all are answered alike."""
    started = threading.Barrier(8)
    answers = []

    def write():
        with server.http("writer") as http:
            http.get("/healthz")
            started.wait()
            answers.append(
                http.patch(CONFIG, json={"patch": {"a": 1}}, headers={"Idempotency-Key": "once"})
            )

    threads = [threading.Thread(target=write) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {answer.json()["generation"] for answer in answers} == {1}
    assert sorted(answer.status_code for answer in answers)[:7] == [200] * 7
    assert server.client.realm("team").get().generation == 1
