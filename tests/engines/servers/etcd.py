"""
An etcd server of a test's own, or a cluster of three: on free ports of loopback, in a folder that goes with it.

Decides how it is started, stopped, killed and held still; what is asked of it is the tests'.  Whatever becomes of the
tests, it ends with them.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from contextlib import suppress
from ipaddress import IPv4Address
from itertools import count
from pathlib import Path
from urllib.parse import quote

from tests.engines import network
from tests.engines.servers.ports import free_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

START_SECONDS = 60.0
LEADER_SECONDS = 60.0
CACHED = Path(__file__).parents[3] / ".cache" / "etcd-server" / "usr" / "bin" / "etcd"
"""Where ``tools/servers.py`` unpacks it for whoever may install nothing."""

_numbers = count(1)
_libc = ctypes.CDLL(None)


def program() -> str:
    """The server's program."""
    found = shutil.which("etcd") or (str(CACHED) if CACHED.exists() else None)
    assert found, (
        "these tests start etcd themselves: install it (Debian: etcd-server), or run tools/servers.py"
    )
    return found


class Etcd:
    """One server, running from its making until ``close``."""

    def __init__(
        self,
        *flags: str,
        is_encrypted: bool = False,
        peers: Mapping[str, str] | None = None,
        name: str = "one",
        host: str = "127.0.0.1",
        within: str | None = None,
        waits: bool = True,
    ) -> None:
        """
        *flags* are of its command line; *peers* are the members of its cluster, by name, with where each listens to
        the others; *host* is where it listens to clients, *within* the network of that name.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="realmconf-etcd-"))
        self.name = name
        self.host = host
        self.port = free_port()
        self._before = ["ip", "netns", "exec", within] if within else []
        self._process: subprocess.Popen[bytes] | None = None
        peers = peers or {name: f"127.0.0.1:{free_port()}"}
        scheme = "https" if is_encrypted else "http"
        self.flags = [
            f"--name={name}",
            f"--data-dir={self.folder}/data",
            f"--listen-client-urls={scheme}://{host}:{self.port}",
            f"--advertise-client-urls={scheme}://{host}:{self.port}",
            f"--listen-peer-urls=http://{peers[name]}",
            f"--initial-advertise-peer-urls=http://{peers[name]}",
            "--initial-cluster=" + ",".join(f"{one}=http://{at}" for one, at in peers.items()),
            f"--initial-cluster-token={peers[name]}" if len(peers) == 1 else "",
            "--heartbeat-interval=100",
            "--election-timeout=1000",
            "--logger=zap",
            *flags,
        ]
        try:
            self.start(waits=waits)
        except BaseException:
            self.close()
            raise

    # --- its life ------------------------------------------------------------------------------

    def start(self, *, waits: bool = True) -> None:
        """Start it, and wait until it lets somebody in."""
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._before, program(), *filter(None, self.flags)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it calls the kernel and nothing else
            )
        deadline = time.monotonic() + START_SECONDS
        while waits and not self.answers():
            self.check()
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def check(self) -> None:
        """Fail, with what it has said, if it has ended by itself."""
        assert self._process is None or self._process.poll() is None, self.log

    def answers(self) -> bool:
        """Whether it is there, and in a cluster that has a leader."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((self.host, self.port)) != 0:
                return False
        if "https" in self.flags[2]:
            # Who asks needs certificates: that it listens must be enough.
            return "serving client traffic securely" in self.log
        with suppress(OSError, ValueError, http.client.HTTPException):
            return get(self.place, "/health").get("health") == "true"
        return False

    @property
    def place(self) -> str:
        """Where it listens to clients."""
        return f"{self.host}:{self.port}"

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
        prefix: str | None = None,
        *,
        user: str | None = None,
        password: str = "",
        port: int | None = None,
        host: str | None = None,
        **options: object,
    ) -> str:
        """The URL of a store; under a new prefix unless one is named."""
        secret = "" if user is None else f"{user}:{quote(password, safe='')}@"
        query = "&".join(f"{option}={value}" for option, value in options.items())
        return (
            f"etcd://{secret}{host or self.host}:{port or self.port}/{prefix or new_prefix()}"
            + ("?" if query else "")
            + query
        )


class Cluster:
    """Three members of one cluster; ``apart`` can be cut off from the others if that is said at first."""

    def __init__(self, *, can_be_parted: bool = False) -> None:
        self.servers: list[Etcd] = []
        self.cable = network.Network() if can_be_parted else None
        here = "127.0.0.1" if self.cable is None else self.cable.host
        there = here if self.cable is None else str(IPv4Address(here) + 1)
        hosts = {"n0": there, "n1": here, "n2": here}
        peers = {name: f"{host}:{free_port()}" for name, host in hosts.items()}
        try:
            for name, host in hosts.items():
                self.servers.append(
                    Etcd(
                        peers=peers,
                        name=name,
                        host=host,
                        within=self.cable.name if self.cable and name == "n0" else None,
                        waits=False,
                    )
                )
            self.wait()
        except BaseException:
            self.close()
            raise

    @property
    def apart(self) -> Etcd:
        """The member at the other end of the cable."""
        return self.servers[0]

    def url(self, prefix: str | None = None, *, servers: Sequence[Etcd] = ()) -> str:
        """The URL of a store in it, or in some of its members; under a new prefix unless one is named."""
        places = ",".join(one.place for one in servers or self.servers)
        return f"etcd://{places}/{prefix or new_prefix()}"

    def wait(self) -> None:
        """Wait until all that run take writes."""
        deadline = time.monotonic() + LEADER_SECONDS
        while silent := [one for one in self.servers if one.is_running and not one.answers()]:
            for one in silent:
                one.check()
            assert time.monotonic() < deadline, silent[0].log
            time.sleep(0.05)

    def leader(self, *, but: Etcd | None = None) -> Etcd:
        """The member that leads the others, as one of them says that is not *but*."""
        deadline = time.monotonic() + LEADER_SECONDS
        while True:
            for one in self.servers:
                if one.is_running and one is not but:
                    with suppress(OSError, ValueError, http.client.HTTPException):
                        if _leads(one):
                            return one
            assert time.monotonic() < deadline, "the cluster has no leader"
            time.sleep(0.05)

    def let_lead(self, server: Etcd) -> None:
        """Make *server* the leader."""
        member = _status(server)["header"]["member_id"]
        deadline = time.monotonic() + LEADER_SECONDS
        while (leader := self.leader()) is not server:
            ask(leader.place, "/v3/maintenance/transfer-leadership", {"targetID": member})
            assert time.monotonic() < deadline, server.log
            time.sleep(0.1)

    def close(self) -> None:
        """End all of them."""
        for one in self.servers:
            one.close()
        if self.cable is not None:
            self.cable.close()


def _status(server: Etcd) -> dict[str, Any]:
    return ask(server.place, "/v3/maintenance/status", {}, seconds=2.0)


def _leads(server: Etcd) -> bool:
    status = _status(server)
    return bool(status.get("leader", "0") == status["header"]["member_id"])


def ask(
    place: str, path: str, fields: Mapping[str, Any], *, seconds: float = 10.0, token: str = ""
) -> dict[str, Any]:
    """What an administrator is answered by the JSON gateway."""
    return _said(place, "POST", path, json.dumps(fields), seconds, token)


def get(place: str, path: str, *, seconds: float = 3.0) -> dict[str, Any]:
    """What stands at *path*."""
    return _said(place, "GET", path, None, seconds, "")


def _said(
    place: str, method: str, path: str, body: str | None, seconds: float, token: str
) -> dict[str, Any]:
    wire = http.client.HTTPConnection(place, timeout=seconds)
    try:
        wire.request(method, path, body, {"Authorization": token} if token else {})
        found: dict[str, Any] = json.loads(wire.getresponse().read())
        return found
    finally:
        wire.close()


def value(place: str, key: str) -> bytes | None:
    """What etcd has under *key*."""
    found = ask(place, "/v3/kv/range", {"key": coded(key)}).get("kvs", ())
    return b64decode(found[0].get("value", "")) if found else None


def put(place: str, key: str, text: str) -> None:
    """Let etcd have something else under *key*."""
    ask(place, "/v3/kv/put", {"key": coded(key), "value": coded(text)})


def keys_under(place: str, prefix: str) -> list[str]:
    """Every key that begins with *prefix* and a slash."""
    fields = {"key": coded(f"{prefix}/"), "range_end": coded(f"{prefix}0"), "keys_only": True}
    found = ask(place, "/v3/kv/range", fields).get("kvs", ())
    return [b64decode(one["key"]).decode() for one in found]


def remove_under(place: str, prefix: str) -> None:
    """Remove all of them."""
    fields = {"key": coded(f"{prefix}/"), "range_end": coded(f"{prefix}0")}
    ask(place, "/v3/kv/deleterange", fields)


def compact(place: str) -> int:
    """Compact etcd up to now, as its own automatic compaction does; up to which revision."""
    revision = int(ask(place, "/v3/kv/range", {"key": coded("none")})["header"]["revision"])
    answer = ask(place, "/v3/kv/compaction", {"revision": str(revision), "physical": True})
    assert "header" in answer, answer
    return revision


def coded(text: str) -> str:
    """As the gateway takes keys and values."""
    return b64encode(text.encode()).decode()


def new_prefix() -> str:
    """A prefix under which there is nothing."""
    return f"store_{os.getpid()}_{next(_numbers)}"


def _end_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)
