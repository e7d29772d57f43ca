"""Event streams of the whole server: what is around them on the way to their reader."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
from tests.surfaces.http.streaming import opened

STREAMS_OF_ONE_TOKEN = 64


@pytest.fixture
def realm(server):
    found = server.client.realm("team")
    found.set({"value": 0})
    return found


def test_a_commit_by_http_reaches_the_streams(server, realm):
    """A write by HTTP is an event of every stream, with the etag of its answer as the id."""
    with opened(server.port, server.tokens["reader"], "team") as stream:
        assert stream.event().id == realm.get().etag
        with server.http("writer") as http:
            answer = http.patch(
                "/v1/realms/team/config",
                content=json.dumps({"value": 1}),
                headers={"Content-Type": "application/merge-patch+json"},
            )
        found = stream.event()
    assert answer.headers["etag"] == f'"{found.id}"'
    assert found.data["changes"] == [{"pointer": "/value", "before": 0, "after": 1}]


def test_a_reader_of_something_else_is_told_so(server, realm):
    """A stream is a stream: who accepts only something else is told 406, who has no token 401."""
    path = f"/v1/realms/{realm.realm_id}/watch"
    with server.http("reader") as http:
        assert http.get(path, headers={"Accept": "application/json"}).status_code == 406
        assert http.head(path).headers["content-type"] == "text/event-stream"
    with server.http(None) as http:
        assert http.get(path).status_code == 401


def test_too_many_streams_are_told_when_to_ask_again(server, realm):
    """The stream beyond a token's share is 429 with ``Retry-After``."""
    with ExitStack() as streams, server.http("reader") as http:
        for _ in range(STREAMS_OF_ONE_TOKEN):
            streams.enter_context(opened(server.port, server.tokens["reader"], realm.realm_id))
        answer = http.get(f"/v1/realms/{realm.realm_id}/watch")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_a_token_revoked_by_http_ends_its_streams(server, realm):
    """``DELETE /v1/tokens/{id}`` ends the streams of that token."""
    token = server.mint("read", name="short")
    with server.http("admin") as http, opened(server.port, token, realm.realm_id) as stream:
        (found,) = [one for one in http.get("/v1/tokens").json() if one["name"] == "short"]
        assert http.delete(f"/v1/tokens/{found['id']}").status_code < 300
        assert stream.to_the_end()[-1].event == "bookmark"


def test_a_server_that_stops_ends_its_streams(start_server):
    """Streams do not hold up the end of a server."""
    server = start_server()
    server.client.realm("team").set({"value": 0})
    streams = [opened(server.port, server.tokens["reader"], "team") for _ in range(20)]
    server.process.should_exit = True
    for one in streams:
        assert one.to_the_end()[-1].event == "bookmark"
        one.close()
