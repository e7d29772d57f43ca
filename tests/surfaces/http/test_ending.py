"""What is asked of a server that has too much to do, that ends, or whose store is gone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from realmconf.errors import StoreUnavailable
from realmconf.surfaces.http import serving, work

CONFIG = "/v1/realms/team/config"
BODY = {"config": {"a": 1}}


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


@contextmanager
def turn_held(path):
    """Another process that is writing: nobody else can."""
    database = path / "store" / ".store" / "realmconf.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.stdin.close()


def put_each(server, count, *, role="writer"):
    """Writes that are under way at the same time, and their answers."""
    found = {}

    def put(number):
        with server.http(role) as http:
            found[number] = http.put(f"/v1/realms/r{number}/config", json=BODY)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(count)]
    for one in threads:
        one.start()
    return threads, found


def wait_for(server, count):
    pool = server.process.app.server._writing
    while pool._pending < count:
        time.sleep(0)


@pytest.mark.parametrize("many", [False, True], ids=["running", "queued"])
def test_a_write_that_is_under_way_when_the_server_ends(
    start_server, tmp_path, monkeypatch, caplog, many
):
    """
    Whoever waits for a write when the server's time is over is told 504 with its write id, and it is carried out; one
    that was not begun is 503, and is not done.
    """
    monkeypatch.setattr(serving, "GIVE_UP_SECONDS", 0.2)
    server = start_server()
    server.client.realm("team").set({"a": 1})
    count = 20 if many else 3
    with turn_held(tmp_path):
        threads, found = put_each(server, count)
        wait_for(server, count)
        server.process.should_exit = True
        for one in threads:
            one.join()
    statuses = sorted(one.status_code for one in found.values())
    assert statuses == [503] * (count - 16) + [504] * 16 if many else statuses == [504] * 3
    for one in found.values():
        problem = one.json()
        assert problem["code"] == (
            "outcome_unknown" if one.status_code == 504 else "store_unavailable"
        )
        assert one.status_code == 503 or problem["write_id"].startswith("w-")
    assert not [one for one in caplog.records if one.exc_info]


def test_reads_do_not_wait_for_writes(server, tmp_path, monkeypatch):
    """However many writes wait for their turn, reads are answered, and so is whether the server is well."""
    monkeypatch.setattr(work, "PENDING_MAX", 6)
    monkeypatch.setattr(work, "PENDING_OF_ONE_MAX", 4)
    server.client.realm("team").set({"a": 1})
    with server.http("writer") as writer, server.http("admin") as admin:
        assert writer.get(CONFIG).status_code == 200
        with turn_held(tmp_path):
            mine, _ = put_each(server, 4, role="writer")
            wait_for(server, 4)
            refused = writer.put("/v1/realms/other/config", json=BODY)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            others, _ = put_each(server, 2, role="admin")
            wait_for(server, 6)
            full = admin.put("/v1/realms/other/config", json=BODY)
            assert (full.status_code, full.json()["type"]) == (503, "/problems/too_busy")
            assert refused.headers["retry-after"] == full.headers["retry-after"] == "1"
            for http in (writer, admin):
                for path in (CONFIG, CONFIG + "?view=effective", "/readyz", "/healthz"):
                    assert http.get(path).status_code == 200
        for one in (*mine, *others):
            one.join()


def test_a_store_that_fails_is_told_by_the_hot_route_too(server, monkeypatch):
    """A read that fails is a problem in every way that it is asked for, and no traceback."""
    server.client.realm("team").set({"a": 1})
    with server.http("reader") as http:
        for _ in range(3):
            assert http.get(CONFIG).status_code == 200

        def fail(*arguments, **options):
            raise StoreUnavailable("the disk is gone")

        monkeypatch.setattr(server.client.store, "head", fail)
        monkeypatch.setattr(server.client.store, "peek", fail)
        for path in (CONFIG, "/v1/realms/other/config", "/readyz"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        monkeypatch.undo()
        assert http.get(CONFIG).status_code == 200


def test_a_store_that_was_taken_away(server, tmp_path):
    """A store whose folder is gone is 503, also where the tokens were: whoever asks has done nothing wrong."""
    server.client.realm("team").set({"a": 1})
    with server.http("reader") as http:
        for _ in range(3):
            assert http.get(CONFIG).status_code == 200
        shutil.move(tmp_path / "store", tmp_path / "elsewhere")
        # The store compares its files from time to time.
        while http.get("/readyz").status_code == 200:
            time.sleep(0)
        for path in (CONFIG, "/v1/realms/other/config", "/v1/realms", "/readyz"):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert http.put(CONFIG, json=BODY).status_code == 503
        assert http.get("/healthz").status_code == 200
        shutil.move(tmp_path / "elsewhere", tmp_path / "store")
        while http.get("/readyz").status_code == 503:
            time.sleep(0)
        assert http.get(CONFIG).status_code == 200


def test_what_is_answered_at_once_is_shared_and_bounded(server, monkeypatch):
    """Callers who are shown the same share one answer, and what is kept of them all has a size."""
    texts = [server.mint("read") for _ in range(4)]
    document = {"text": "x" * 100_000}
    shelf = server.process.app._hot.shelf
    for number in range(8):
        server.client.realm(f"r{number}").set(document)
    with server.http(None) as http:

        def ask(text, number):
            headers = {"Authorization": f"Bearer {text}"}
            return http.get(f"/v1/realms/r{number}/config", headers=headers)

        for text in (*texts, server.tokens["owner"]):
            for number in range(8):
                assert ask(text, number).json()["config"] == document
        # As readers of marks and as one of secrets.
        assert 16 * 100_000 < shelf.bytes_kept < 16 * 110_000
        monkeypatch.setattr(shelf, "_bytes_max", 400_000)
        server.client.realm("r0").set({**document, "more": 1})
        for text in texts:
            assert ask(text, 0).json()["config"]["more"] == 1
            for number in range(1, 8):
                assert ask(text, number).json()["config"] == document
                assert shelf.bytes_kept <= 400_000
        server.client.realm("r1").set({"b": 1})
        for text in texts:
            assert ask(text, 1).json()["config"] == {"b": 1}
        assert shelf.bytes_kept <= 400_000
