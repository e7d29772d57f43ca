"""Callers of the store's routes: whose name they write under, what they send, and how many listen."""

from __future__ import annotations

from contextlib import ExitStack

from realmconf.surfaces.http.stream_limits import STREAM_LIMITS


def test_an_admin_of_some_realms_signs_what_it_writes(server):
    """Only an admin of every realm writes under any name; another one's own stands beside the name that it states."""
    server.tokens["local"] = server.mint("admin", realms="a*", name="mallory")
    write = {
        "writes": [{"realm": "a", "command": {"do": "set", "document": {"n": 1}}}],
        "write_id": "one",
        "author": "ceo",
        "timeout": 5,
    }
    with server.http("local") as http:
        assert http.post("/v1/store/write", json=write).status_code == 200
    assert server.client.realm("a").get().record.author == "ceo (mallory)"


def test_what_is_no_backup(server):
    """What is sent as a backup and is none is the sender's mistake; where the server put it is not told."""
    with server.http("owner") as http:
        for content in (b"", b"garbage", b"SQLite format 3\x00" + b"\xff" * 5_000):
            refused = http.post("/v1/store/contents", content=content)
            assert refused.json()["code"] == "invalid_argument"
            assert "/" not in refused.json()["message"]
            assert "realmconf-restore" not in refused.text


def test_how_much_a_request_may_have_is_told(server):
    """A client is told how large a transaction may be, as it is sent."""
    with server.http("reader") as http:
        found = http.get("/v1/store/info").json()
        assert found["request_bytes_max"] == 16 * found["info"]["document_bytes_max"]


def test_listeners_are_counted(server):
    """So many streams of hints may one token have as of any other, and others have theirs."""
    with ExitStack() as stack:
        http = stack.enter_context(server.http("reader"))
        for _ in range(STREAM_LIMITS.of_one_token):
            opened = stack.enter_context(http.stream("GET", "/v1/store/signals"))
            assert opened.status_code == 200
        assert http.get("/v1/store/signals").json()["code"] == "rate_limited"
        other = stack.enter_context(server.http("writer"))
        assert stack.enter_context(other.stream("GET", "/v1/store/signals")).status_code == 200


def test_nobody_hears_the_commits_of_others(server):
    """To a listener that may not see them the commits of other realms are silent: its next event is of its own."""
    server.tokens["kid"] = server.mint("read", realms="kid")
    with server.http("kid") as http, http.stream("GET", "/v1/store/signals") as opened:
        lines = (line for line in opened.iter_lines() if line.startswith("event:"))
        assert next(lines) == "event: beat"
        for number in range(5):
            server.client.realm("other").set({"n": number})
        server.client.realm("kid").set({"n": 1})
        assert next(lines) == "event: hint"
