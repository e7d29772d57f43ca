"""
The server's hints, heard by one thread of a store: something was committed, or nothing has been for a while.

Decides that no wake-up is lost: after every connection, the first too, everybody is rung, since what came before it
was told to nobody.  Between connections it waits longer and longer, up to some seconds, and not all clients at once.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import ExitStack

import httpx

from realmconf.errors import RealmconfError
from realmconf.stores.remote.connection import CONNECT_SECONDS
from realmconf.stores.remote.patience import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.stores.remote.connection import Connection

PATH = "/v1/store/signals"
SILENCE_SECONDS = 25.0
"""After which a connection is taken for dead: the server says something more often."""
PAUSE_SECONDS = 0.05
PAUSE_SECONDS_MAX = 4.0


class Stream:
    """The thread of one store; it runs from ``start`` to ``stop``."""

    def __init__(
        self,
        connection: Connection,
        *,
        on_hint: Callable[[], None],
        on_beat: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._on_hint = on_hint
        self._on_beat = on_beat
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen from now on. Idempotent."""
        with self._guard:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="realmconf-signals", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        with self._guard:
            self._stopped.set()
            thread = self._thread
            self._hang_up()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=2 * CONNECT_SECONDS)

    def _hang_up(self) -> None:
        if self._socket is not None:
            try:
                # Closing alone would not wake whoever reads from it.
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self._listen()
            except (httpx.HTTPError, httpx.StreamError, RealmconfError, ValueError):
                pass
            if self._stopped.is_set():
                return
            if time.monotonic() - began > PAUSE_SECONDS_MAX:
                pause = PAUSE_SECONDS
            self._stopped.wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _listen(self) -> None:
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        with ExitStack() as stack:
            client = stack.enter_context(self._connection.new_client())
            with until(time.monotonic() + SILENCE_SECONDS):
                response = stack.enter_context(
                    client.stream(
                        "GET", PATH, timeout=timeout, headers={"accept": "text/event-stream"}
                    )
                )
            with self._guard:
                stream = response.extensions.get("network_stream")
                self._socket = None if stream is None else stream.get_extra_info("socket")
                if self._stopped.is_set():
                    return
            try:
                # Refused too: whoever waits is to see for itself.
                self._on_hint()
                if response.status_code == 200:
                    self._hear(response)
            finally:
                with self._guard:
                    self._socket = None

    def _hear(self, response: httpx.Response) -> None:
        event = ""
        for line in response.iter_lines():
            if self._stopped.is_set():
                return
            if line.startswith("event: "):
                event = line[len("event: ") :]
            elif line.startswith("data: ") and event == "beat":
                self._on_beat()
            elif line.startswith("data: ") and event == "hint":
                self._on_hint()
