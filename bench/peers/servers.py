"""
The servers of peers, each started for one measurement and gone with it: Redis and PostgreSQL.

Decides what makes an acknowledged write of theirs durable, and that they are asked over a Unix socket, which is the
fastest way to either.  A server that is not installed is ``Missing``; nothing is installed from here.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic, sleep

from tools.servers import found

NEEDED = {
    "Redis": ("redis-server", "redis-server"),
    "PostgreSQL": ("initdb", "postgresql"),
    "etcd": ("etcd", "etcd-server"),
}
"""What is looked for, and the Debian package that brings it."""
START_SECONDS = 30.0

_libc = ctypes.CDLL(None)


class Missing(Exception):
    """A server is not installed; the text says what to install."""


def require(name: str) -> str:
    """The path of *name*'s program."""
    program, package = NEEDED[name]
    path = found(program)
    if path is None:
        raise Missing(
            f"{name} is not installed (Debian: {package}; or run tools/servers.py --bench)"
        )
    return path


class RedisServer:
    """Redis that syncs its log before it answers a write, in *folder*, on a Unix socket alone."""

    def __init__(self, folder: Path) -> None:
        program = require("Redis")
        self.socket = str(folder / "redis.sock")
        settings = {
            "port": "0",
            "unixsocket": self.socket,
            "dir": str(folder),
            "logfile": str(folder / "log"),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([program, *words], preexec_fn=end_with_parent)  # noqa: PLW1509 - it calls the kernel and nothing else
        self._wait_until_it_answers(folder / "log")

    def _wait_until_it_answers(self, log: Path) -> None:
        import redis

        deadline = monotonic() + START_SECONDS
        with closing(redis.Redis(unix_socket_path=self.socket)) as client:
            while self._process.poll() is None and monotonic() < deadline:
                with suppress(redis.ConnectionError):
                    client.ping()
                    return
                sleep(0.02)
        self.close()
        raise RuntimeError(f"Redis did not start: {log.read_text('utf-8', 'replace')}")

    def close(self) -> None:
        """End it at once: what it wrote goes with its folder."""
        self._process.kill()
        self._process.wait()


class PostgresServer:
    """PostgreSQL as it comes, which syncs its log before it acknowledges a commit."""

    def __init__(self) -> None:
        require("PostgreSQL")
        from tests.engines.servers.postgres import DATABASE, USER, Postgres

        self._server = Postgres()
        self.conninfo = (
            f"host={self._server.folder} port={self._server.port} user={USER} dbname={DATABASE}"
        )

    def close(self) -> None:
        self._server.close()


def end_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this signal to this process when the one that started it is gone."""
    _libc.prctl(1, number)
