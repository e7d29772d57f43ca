"""Servers as processes: how they begin and end, alone and with several workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime

import pytest

from realmconf.runtime.client import connect
from realmconf.runtime.held import hold, prolong
from realmconf.runtime.tokens import Tokens
from realmconf.runtime.world import World

from .serving import PATIENCE_SECONDS, served

CONFIG = "/v1/realms/team/config"


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("REALMCONF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def serve(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "realmconf", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_printed_link(tmp_path, number, code, workers):
    """A server prints a link with an admin token, which ends with it; a signal ends it in the way of shells."""
    with served(tmp_path / "store", "--workers", workers) as server:
        with server.http() as http:
            assert http.get("/v1/session").json()["roles"] == ["admin", "read", "write"]
            assert http.put(CONFIG, json={"config": {"a": 1}}).status_code == 201
            (token,) = http.get("/v1/tokens").json()
            assert token["created_by"] == "ada (realmconf serve)"
        assert server.end(number) == code
        assert "Traceback" not in server.process.stderr.read()
    with connect(str(tmp_path / "store")) as client:
        assert Tokens(client).all() == []
        assert [one.author for one in client.realm("team").history()] == ["ada"]


def test_what_a_killed_server_leaves(tmp_path):
    """The printed token of a killed server lasts two hours, and ends where the next one begins on its machine."""
    with served(tmp_path / "store") as dead:
        dead.end(signal.SIGKILL)
        with connect(str(tmp_path / "store")) as client:
            (left,) = Tokens(client).all()
            begun = datetime.fromisoformat(left.created_at)
            ends = datetime.fromisoformat(left.expires_at or "")
            assert (ends - begun).total_seconds() <= 7_201
    with served(tmp_path / "store") as first, served(tmp_path / "store") as second:
        for one, text in ((first, first.token), (first, second.token), (second, first.token)):
            with one.http(text) as http:
                assert http.get("/v1/session").status_code == 200
        with first.http(dead.token) as http:
            assert http.get("/v1/session").status_code == 401


def test_a_living_server_prolongs_its_token(tmp_path):
    """A held token lasts again from when its process prolongs it; one that was ended stays ended."""
    nanoseconds = [time.time_ns()]
    world = World(time_nanoseconds=lambda: nanoseconds[0])
    with connect(str(tmp_path / "store"), world=world) as client:
        tokens = Tokens(client)
        made = hold(tokens, author="ada", name="ada", surface="http")
        for _ in range(3):
            nanoseconds[0] += int(7_000e9)
            assert tokens.grant_of(made.text) is not None
            deadline = client.deadline(None)
            prolong(tokens, made.token.id, author="ada", surface="http", deadline=deadline)
        nanoseconds[0] += int(7_201e9)
        assert tokens.grant_of(made.text) is None
        tokens.revoke(made.token.id, author="ada", surface="http")
        prolong(tokens, made.token.id, author="ada", surface="http", deadline=client.deadline(None))
        assert tokens.all() == []


def test_json_link(tmp_path):
    """With ``-o json`` the link is a JSON object in one line."""
    import json

    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "realmconf",
            "--store",
            str(tmp_path / "store"),
            "-o",
            "json",
            "serve",
            "--port",
            "0",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = json.loads(process.stdout.readline())
        assert found["url"].startswith("http://127.0.0.1:")
        assert found["token"].startswith("rc_")
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


def test_what_cannot_be_served(tmp_path):
    """An address that cannot be had, options that make no sense, and a server that nobody could ask are refused."""
    store = ("--store", str(tmp_path / "store"))
    with served(tmp_path / "store") as server:
        taken = serve(*store, "serve", "--port", str(server.port))
        assert (taken.returncode, "in use" in taken.stderr) == (4, True)
    nobody = serve(*store, "serve", "--host", "0.0.0.0", "--port", "0")
    assert (nobody.returncode, "token create" in nobody.stderr) == (4, True)
    assert serve(*store, "serve", "--port", "0", "--allow-origin", "console").returncode == 4
    assert serve(*store, "serve", "--port", "0", "--allow-path", "/a").returncode == 4
    assert serve("--store", "memory://", "serve", "--port", "0", "--workers", "2").returncode == 4


def test_another_address(tmp_path):
    """At another address than loopback no token is printed: only stored ones are taken."""
    with connect(str(tmp_path / "store")) as client:
        text = Tokens(client).create(realms=["*"], roles=["read"], author="t", surface="sdk").text
    with served(tmp_path / "store", "--host", "0.0.0.0") as server:
        assert server.token is None
        with server.http(text) as http:
            assert http.get("/v1/realms").status_code == 200


def test_several_workers(tmp_path):
    """What one worker has written every other one reads, and a token that one has ended none takes."""
    with served(tmp_path / "store", "--workers", "3") as server:
        clients = [server.http() for _ in range(12)]
        try:
            for number, http in enumerate(clients):
                assert http.put(CONFIG, json={"config": {"n": number}}).status_code in (200, 201)
                found = {other.get(CONFIG).json()["config"]["n"] for other in clients}
                assert found == {number}
            body = {"realms": ["*"], "roles": ["read"], "expires": 600}
            made = clients[0].post("/v1/tokens", json=body).json()
            headers = {"Authorization": f"Bearer {made['token']}"}
            assert {http.get(CONFIG, headers=headers).status_code for http in clients} == {200}
            assert clients[1].delete(f"/v1/tokens/{made['id']}").status_code == 200
            assert {http.get(CONFIG, headers=headers).status_code for http in clients} == {401}
            text = clients[0].get("/metrics").text
            total = [
                float(line.rpartition(" ")[2])
                for line in text.splitlines()
                if line.startswith(
                    'realmconf_http_requests_total{method="GET",route="/v1/realms/{realm}/config"'
                )
            ]
            assert sum(total) == 12 * 12 + 2 * 12
        finally:
            for http in clients:
                http.close()
        assert server.end(signal.SIGTERM) == 143


def test_a_worker_that_dies_is_replaced(tmp_path):
    """A worker that is killed is replaced, and what it had acknowledged is there."""
    with served(tmp_path / "store", "--workers", "2") as server:
        with server.http() as http:
            assert http.put(CONFIG, json={"config": {"a": 1}}).status_code == 201
        for pid in children_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        with server.http() as http:
            # The listening socket is the parent's: who asks meanwhile waits.
            assert http.get(CONFIG).json()["config"] == {"a": 1}


def children_of(pid: int) -> list[int]:
    """The workers: processes of that parent that run our code."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    parent = int(stat.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{name}/cmdline") as cmdline:
                    command = cmdline.read()
            except OSError:
                continue
            if parent == pid and "spawn_main" in command:
                found.append(int(name))
    return found


def test_workers_end_with_the_process_that_began_them(tmp_path):
    """Workers do not outlive a server that was killed."""
    import select

    with served(tmp_path / "store", "--workers", "2") as server:
        with server.http() as http:
            assert http.get("/healthz").status_code == 200
        workers = [os.pidfd_open(pid) for pid in children_of(server.process.pid)]
        assert len(workers) == 2
        server.end(signal.SIGKILL)
        for worker in workers:
            ready, _, _ = select.select([worker], [], [], PATIENCE_SECONDS)
            assert ready
            os.close(worker)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ending_ends_streams(tmp_path, workers):
    """A server that is to end does not wait for its streams: they come to their end, then it does."""
    with served(tmp_path / "store", "--workers", workers) as server:
        with server.http() as http:
            http.put(CONFIG, json={"config": {"a": 1}})
        started = threading.Barrier(4, timeout=PATIENCE_SECONDS)
        ended = []

        def stream():
            with (
                server.http() as http,
                http.stream("GET", "/v1/realms/team/watch?after=0") as answer,
            ):
                chunks = answer.iter_bytes()
                next(chunks)
                started.wait()
                for _ in chunks:
                    pass
                ended.append(answer.status_code)

        threads = [threading.Thread(target=stream) for _ in range(3)]
        for one in threads:
            one.start()
        started.wait()
        assert server.end(signal.SIGTERM) == 143
        for one in threads:
            one.join(PATIENCE_SECONDS)
        assert ended == [200, 200, 200]


def test_what_was_begun_is_answered(tmp_path):
    """A write that has begun when the server is told to end is done and answered, or was never done."""
    with served(tmp_path / "store") as server:
        with server.http() as http:
            http.put(CONFIG, json={"config": {"n": 0}})
        acknowledged = []
        started = threading.Barrier(5, timeout=PATIENCE_SECONDS)

        def write(number):
            import httpx

            with server.http() as http:
                started.wait()
                for attempt in range(1_000):
                    patch = {"patch": {f"w{number}": attempt}}
                    try:
                        answer = http.patch(CONFIG, json=patch)
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 200:
                        acknowledged.append((f"w{number}", attempt))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for one in threads:
            one.start()
        started.wait()
        assert server.end(signal.SIGTERM) == 143
        for one in threads:
            one.join(PATIENCE_SECONDS)
    with connect(str(tmp_path / "store")) as client:
        stated = client.realm("team").get().config
        for key, value in acknowledged:
            assert stated[key] >= value
