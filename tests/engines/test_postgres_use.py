"""PostgreSQL as a user has it: by the command line, behind a server, and as a place to move to and away from."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
from tests.engines.servers.postgres import GUARDED, PASSWORD

from realmconf.domain.names import RealmName
from realmconf.errors import RealmMoved
from realmconf.runtime.client import connect
from realmconf.runtime.migrating import migrate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.engines.servers.postgres import Postgres

pytestmark = pytest.mark.engines

REALM = "team"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A store that a password is needed for."""
    postgres.run(f"GRANT CREATE ON DATABASE realms TO {GUARDED}")
    return postgres.url(user=GUARDED, password=PASSWORD)


def command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "realmconf", *arguments],
        env={**os.environ, "REALMCONF_STORE": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line(url: str, tmp_path: Path) -> None:
    """Every verb works as on a folder, with the URL in the environment, and none shows the password."""
    new = str(tmp_path / "copy")
    done = [
        command(url, "set", "--realm", REALM, "agent.model", "small"),
        command(url, "set", "--realm", REALM, "agent.model", "large", "-m", "because"),
        command(url, "get", "--realm", REALM, "agent.model"),
        command(url, "log", "--realm", REALM),
        command(url, "realms"),
        command(url, "verify"),
        command(url, "doctor"),
        command(url, "backup", new),
    ]
    assert [one.returncode for one in done] == [0] * len(done), [one.stderr for one in done]
    assert "large" in done[2].stdout
    assert "because" in done[3].stdout
    assert os.path.getsize(new) > 0
    stale = command(url, "set", "--realm", REALM, "--expected-generation", "1", "agent.model", "x")
    assert stale.returncode == 3
    assert "generation conflict: expected 1, current 2" in stale.stderr
    wrong = command(url.replace("p%40ss", "wr0ng"), "get", "--realm", REALM)
    assert wrong.returncode == 6
    for one in (*done, stale, wrong):
        for secret in (PASSWORD, "p%40ss", "wr0ng", "Traceback"):
            assert secret not in one.stdout + one.stderr


def test_a_watch_by_the_command_line(url: str) -> None:
    """A process that watches prints what another one writes, as it comes."""
    command(url, "set", "--realm", REALM, "n", "0")
    with subprocess.Popen(
        [sys.executable, "-m", "realmconf", "watch", "--realm", REALM, "-o", "json"],
        env={**os.environ, "REALMCONF_STORE": url},
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        try:
            assert watching.stdout is not None
            with connect(url) as client:
                heard: list[int] = []

                def read() -> None:
                    assert watching.stdout is not None
                    heard.extend(json.loads(line)["generation"] for line in watching.stdout)

                reader = threading.Thread(target=read, daemon=True)
                reader.start()
                deadline = time.monotonic() + 60
                while len(heard) < 20:
                    # Its beginning is wherever it comes in.
                    client.realm(REALM).patch({"n": len(heard) + time.monotonic()})
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
        finally:
            watching.terminate()
    assert all(after == before + 1 for before, after in pairwise(heard))


def test_a_server_in_front_of_it(url: str) -> None:
    """``realmconf serve`` offers it over HTTP, and what it says of its store has no password in it."""
    token = command(url, "token", "create", "--realms", "*", "--role", "admin", "-o", "json")
    assert token.returncode == 0, token.stderr
    text = re.search(r"rc_[A-Za-z0-9_\-]+", token.stdout)
    assert text is not None, token.stdout
    import httpx

    with subprocess.Popen(
        [sys.executable, "-m", "realmconf", "serve", "--port", "0"],
        env={**os.environ, "REALMCONF_STORE": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as serving:
        said = ""
        try:
            assert serving.stdout is not None
            while (found := re.search(r"http://127\.0\.0\.1:(\d+)", said)) is None:
                line = serving.stdout.readline()
                assert line, said
                said += line
            with httpx.Client(
                base_url=found[0], headers={"Authorization": f"Bearer {text[0]}"}, timeout=30
            ) as http:
                assert http.get("/healthz").status_code == 200
                with connect(url) as client:
                    client.realm(REALM).set({"n": 1})
                answer = http.get(f"/v1/realms/{REALM}/config")
                assert answer.status_code == 200, answer.text
                assert answer.json()["config"] == {"n": 1}
        finally:
            serving.terminate()
            said += serving.communicate(timeout=30)[0]
    assert "p%40ss" not in said
    assert PASSWORD not in said
    assert "p%40ss" not in answer.text


class Roaming(threading.Thread):
    """Writes to a realm wherever it lives, and keeps what was acknowledged."""

    def __init__(self, clients: list[Any], number: int) -> None:
        super().__init__(daemon=True)
        self._clients = clients
        self._number = number
        self._ended = threading.Event()
        self.reached = 0
        """The last place that the realm may have come to: it would begin anew in one where it has not been."""
        self.acknowledged: list[tuple[int, str]] = []
        self.moves = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        at = count = 0
        try:
            while not self._ended.is_set():
                count += 1
                mark = f"{self._number}-{count}"
                while True:
                    try:
                        made = self._clients[at].realm(REALM).patch({f"w{self._number}": mark})
                    except RealmMoved:
                        at = (at + 1) % (self.reached + 1)
                        self.moves += 1
                        time.sleep(0.005)
                        continue
                    break
                self.acknowledged.append((made.generation, mark))
                time.sleep(0.01)
        except BaseException as failure:  # noqa: BLE001 - raised again by ``end``
            self.failure = failure

    def end(self) -> None:
        self._ended.set()
        self.join(60)
        if self.failure is not None:
            raise self.failure


def test_a_live_move_there_and_away(url: str, tmp_path: Path) -> None:
    """
    From a folder into PostgreSQL and into another folder, while writers write: numbers have no gap, every acknowledged
    write is there, digests are the same, and whoever writes to the old place is told where to go.
    """
    places = [str(tmp_path / "one"), url, str(tmp_path / "two")]
    clients = [connect(place) for place in places]
    clients[0].realm(REALM).set({"n": 0}, write_id="first")
    writers = [Roaming(clients, number) for number in range(3)]
    for writer in writers:
        writer.start()
    digests: list[list[str]] = []
    for source, target in pairwise(clients):
        known = [len(writer.acknowledged) for writer in writers]
        deadline = time.monotonic() + 60
        while any(len(one.acknowledged) < n + 5 for one, n in zip(writers, known, strict=True)):
            assert time.monotonic() < deadline, [writer.failure for writer in writers]
            time.sleep(0.01)
        for writer in writers:
            writer.reached += 1
        migrate(source, target, live=True)
        with source.store.view() as view:
            digests.append([one.digest for one in view.revisions(RealmName(REALM))])
        with pytest.raises(RealmMoved):
            source.realm(REALM).patch({"n": -1})
    for writer in writers:
        writer.end()
    last = clients[-1].realm(REALM)
    with clients[-1].store.view() as view:
        kept = list(view.revisions(RealmName(REALM)))
    assert [one.generation for one in kept] == list(range(1, len(kept) + 1))
    for before in digests:
        assert [one.digest for one in kept][: len(before)] == before
    documents = {one.generation: one.document or {} for one in kept}
    for writer in writers:
        assert writer.moves >= 2
        for generation, mark in writer.acknowledged:
            assert documents[generation][f"w{writer._number}"] == mark
    last.verify()
    assert last.set({"n": 0}, write_id="first").generation == 1
    assert "p%40ss" not in str(clients[1].store.head(RealmName(REALM)).moved_to)
    for client in clients:
        client.close()
