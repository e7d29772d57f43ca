"""
A PostgreSQL server of a test's own: on a free port of loopback, in a folder that goes with it.

Decides how it is started, stopped, killed and held still; what is asked of it is the tests'.  Whatever becomes of the
tests, it ends with them.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
from tests.engines.servers.ports import free_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

USER = "realmconf"
GUARDED = "guarded"
"""A role that is let in with its password alone."""
PASSWORD = "p@ss/w:rd? #1"
DATABASE = "realms"
START_SECONDS = 60.0
GONE = frozenset("ZX")
STILL = GONE | {"T"}
"""States of a process that does nothing."""

HBA = f"""
local all all trust
host all {GUARDED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""

_numbers = count(1)
_libc = ctypes.CDLL(None)


def programs() -> Path:
    """The folder of PostgreSQL's programs, the newest if there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    assert program, "these tests start PostgreSQL themselves: install it (Debian: postgresql)"
    return Path(program).resolve().parent


def _version(program: Path) -> float:
    with suppress(ValueError):
        return float(program.parent.parent.name)
    return 0.0


class Postgres:
    """One server, running from its making until ``close``."""

    def __init__(self, *, standby_of: Postgres | None = None, **settings: object) -> None:
        self._programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="realmconf-postgres-"))
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            # The server refuses to run as root.
            os.chown(self.folder, 65534, 65534)
            self._who = {"user": 65534, "group": 65534, "extra_groups": []}
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if standby_of is not None:
                self._follow(standby_of)
                self.start()
                return
            self._make(settings)
            self.start()
            with self.connect(dbname="postgres") as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")
                literal = psycopg.sql.Literal(PASSWORD).as_string(None)
                connection.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD {literal}")
        except BaseException:
            self.close()
            raise

    def _make(self, settings: Mapping[str, object]) -> None:
        self._run(
            "initdb", "--pgdata", self.data, "--username", USER, "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C", "--no-sync",
        )  # fmt: skip
        (Path(self.data) / "pg_hba.conf").write_text(HBA)
        lines = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "64MB",
            "max_connections": 100,
            "log_min_messages": "fatal",
            **settings,
        }
        with open(Path(self.data) / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())

    def _follow(self, primary: Postgres) -> None:
        self._run(
            "pg_basebackup", "--pgdata", self.data, "--write-recovery-conf", "--wal-method", "stream",
            "--checkpoint", "fast", "--host", "127.0.0.1", "--port", primary.port, "--username", USER, "--no-sync",
        )  # fmt: skip
        with open(Path(self.data) / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            capture_output=True,
            cwd=self.folder,
            check=False,
            **self._who,
        )
        assert done.returncode == 0, done.stderr.decode()

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    # --- its life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it calls the kernel and nothing else
                **self._who,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect(dbname="postgres").close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Shut it down: SIGINT ends sessions, SIGTERM waits for them, SIGQUIT leaves at once."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End every process of it at once, as a power cut does to programs."""
        assert self._process is not None
        # Held still first: it would answer the end of one process by beginning others.
        self._hold()
        children = self._children()
        _signal([self._process.pid, *children], signal.SIGKILL)
        self._process.wait(START_SECONDS)
        self._process = None
        # As long as one of them is there the next server refuses to use their memory.
        deadline = time.monotonic() + START_SECONDS
        while any(_is_running(process) for process in children):
            assert time.monotonic() < deadline, "a process of the server outlives its own end"
            time.sleep(0.005)

    def pause(self) -> None:
        """Hold it still: connections are there, and nothing answers."""
        # The first one makes no new children any more.
        self._hold()
        children = self._children()
        _signal(children, signal.SIGSTOP)
        # They are its children, and not ours to be waited for.
        deadline = time.monotonic() + START_SECONDS
        while any(_state(process) not in STILL for process in children):
            assert time.monotonic() < deadline, "a process of the server cannot be held still"
            time.sleep(0.001)

    def _hold(self) -> None:
        """Hold its first process still."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # On a busy machine it goes on for a while.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        _signal([self._process.pid, *self._children()], signal.SIGCONT)

    def _children(self) -> list[int]:
        assert self._process is not None
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(process) for process in listed.split()]

    def close(self) -> None:
        """End it, and remove its folder. Idempotent."""
        if self._process is not None:
            with suppress(ProcessLookupError, FileNotFoundError):
                # It may have ended by itself.
                self.resume()
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- reaching it -----------------------------------------------------------------------------

    def connect(
        self, *, dbname: str = DATABASE, user: str = USER, **more: Any
    ) -> psycopg.Connection[Any]:
        """A connection of an administrator's; each statement is a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=dbname, user=user, autocommit=True,
            connect_timeout=5, **more,
        )  # fmt: skip

    def run(self, statement: str, *parameters: object) -> list[Any]:
        """The rows that *statement* gives, of an administrator."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def url(
        self,
        *,
        schema: str | None = None,
        user: str = USER,
        password: str | None = None,
        port: int | None = None,
        **options: object,
    ) -> str:
        """The URL of a store; of a new schema unless one is named."""
        name = schema or self.new_schema()
        secret = "" if password is None else f":{quote(password, safe='')}"
        query = "".join(f"&{option}={value}" for option, value in options.items())
        return (
            f"postgresql://{user}{secret}@127.0.0.1:{port or self.port}/{DATABASE}"
            f"?schema={quote(name, safe='')}{query}"
        )

    def new_schema(self) -> str:
        """A name that no store of this server has."""
        return f"store_{os.getpid()}_{next(_numbers)}"

    def drop_schemas(self) -> None:
        """Remove the stores that were made."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'store\\_%'"
            )
            for (name,) in found.fetchall():
                connection.execute(f'DROP SCHEMA "{name}" CASCADE')

    def end_connections(self, *, application: str = "realmconf") -> int:
        """End the sessions of all stores; how many there were."""
        (found,) = self.run(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s",
            application,
        )
        return int(found[0])


def _is_running(process: int) -> bool:
    """Whether it still holds anything; one that is dead and not yet waited for does not."""
    return _state(process) not in GONE


def _state(process: int) -> str:
    """As the kernel tells it; that of a dead one if there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _end_with_parent() -> None:
    _libc.prctl(1, signal.SIGQUIT)
