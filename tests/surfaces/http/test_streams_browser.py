"""A browser's own ``EventSource``, in Chromium as Debian packages it, without a window."""

from __future__ import annotations

import json
import queue
import socket
import struct
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.surfaces.http.streaming import staged

PATIENCE_SECONDS = 60.0
PAGE = """<!doctype html><title>stream</title><script>
let told = Promise.resolve();
function tell(what) {
  told = told.then(() => fetch("/told", {method: "POST", body: JSON.stringify(what)}));
}
const source = new EventSource("/v1/realms/REALM/watch");
for (const kind of ["message", "change", "delete", "reset", "bookmark"])
  source.addEventListener(kind, e => tell({kind, id: e.lastEventId, data: JSON.parse(e.data)}));
source.addEventListener("error", () => tell({kind: "error", state: source.readyState}));
</script>"""

CONNECTING, CLOSED = 0, 2


class Between(ThreadingHTTPServer):
    """
    Stands between the browser and the server: gives the page, hears what it tells, and passes streams on.

    ``cut`` breaks the stream as a network does; while the ``gate`` is shut no new one comes through.
    """

    daemon_threads = True

    def __init__(self, port: int, token: str, page: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = ("127.0.0.1", port)
        self.token = token
        self.page = page.encode()
        self.told: queue.Queue[dict[str, Any]] = queue.Queue()
        self.resumed: list[str | None] = []
        self.gate = threading.Event()
        self.gate.set()
        self.passing: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def cut(self) -> None:
        while self.passing:
            one = self.passing.pop()
            with suppress(OSError):
                # Reset, as when the network is gone, not ended.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)

    def hear(self) -> dict[str, Any]:
        """What the page tells next."""
        return self.told.get(timeout=PATIENCE_SECONDS)

    def hear_of(self, kind: str) -> dict[str, Any]:
        """The same, which must be of this kind; a heartbeat may come at any time."""
        found = self.hear()
        while found["kind"] == "bookmark" and kind != "bookmark":
            found = self.hear()
        assert found["kind"] == kind, found
        return found


class Handler(BaseHTTPRequestHandler):
    server: Between

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, self.server.page)
        elif self.path.startswith("/v1/"):
            self._pass_on()
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.told.put(json.loads(self.rfile.read(length)))
        self._answer(204, b"")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self) -> None:
        self.close_connection = True
        self.server.gate.wait(PATIENCE_SECONDS)
        resumed = self.headers["last-event-id"]
        self.server.resumed.append(resumed)
        lines = [f"GET {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        lines.append(f"Authorization: Bearer {self.server.token}")
        if resumed is not None:
            lines.append(f"Last-Event-ID: {resumed}")
        self.server.passing.append(self.connection)
        with socket.create_connection(self.server.upstream) as upstream:
            upstream.sendall("\r\n".join([*lines, "", ""]).encode())
            try:
                while part := upstream.recv(65_536):
                    self.connection.sendall(part)
            except OSError:
                return


@pytest.fixture
def scene(tmp_path):
    with staged(str(tmp_path / "store")) as found:
        yield found


@pytest.fixture
def token(scene):
    return scene.token()


@pytest.fixture
def between(scene, token):
    with Between(scene.server.port, token.text, PAGE.replace("REALM", scene.name)) as found:
        serving = threading.Thread(target=found.serve_forever)
        serving.start()
        try:
            yield found
        finally:
            found.cut()
            found.shutdown()
            serving.join()


@pytest.fixture
def browser(between, tmp_path):
    """A browser that has the page open."""
    words = [
        "chromium",
        "--headless=new",
        # It is given nothing but the page above, and its sandbox is not to be had as root.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'browser'}",
        between.url,
    ]
    with (tmp_path / "browser.log").open("wb") as log:
        running = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        yield running
        running.terminate()
        running.wait(PATIENCE_SECONDS)


@pytest.mark.machine
@pytest.mark.usefixtures("browser")
def test_a_browser_follows_a_realm_through_breaks_and_resets(scene, token, between):
    """
    A page with an ``EventSource`` and no code of ours has every change; goes on by itself, without a gap, when its
    connection breaks; has a reset when its place is gone; and gives up when its token is revoked.
    """
    head = scene.realm.get()
    assert between.hear_of("bookmark")["id"] == head.etag

    done = scene.realm.patch({"value": "first"})
    found = between.hear_of("change")
    assert found["id"] == done.etag
    assert found["data"]["changes"] == [{"pointer": "/value", "before": 0, "after": "first"}]

    # The connection breaks, and three commits are made before it is back.
    between.gate.clear()
    between.cut()
    assert between.hear_of("error")["state"] == CONNECTING
    missed = [scene.realm.patch({"value": number}).etag for number in range(3)]
    between.gate.set()
    assert [between.hear_of("change")["id"] for _ in missed] == missed
    assert between.resumed == [None, done.etag]

    # Meanwhile its place is compacted.
    between.gate.clear()
    between.cut()
    assert between.hear_of("error")["state"] == CONNECTING
    for number in range(10, 15):
        last = scene.realm.patch({"value": number})
    scene.client.compact(keep=1)
    between.gate.set()
    found = between.hear_of("reset")
    assert (found["id"], found["data"]["changes"]) == (last.etag, [])
    assert between.resumed[2:] == [missed[-1]]

    deleted = scene.realm.delete()
    assert between.hear_of("delete")["id"] == deleted.etag

    scene.revoke(token)
    assert between.hear_of("error")["state"] == CONNECTING
    assert between.hear_of("error")["state"] == CLOSED
    assert between.resumed[3:] == [deleted.etag]
