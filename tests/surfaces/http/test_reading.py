"""What a GET answers: views, entity-tags, forms, pages, and waiting for a change."""

from __future__ import annotations

import threading

import pytest

from realmconf.surfaces.http.stream_limits import STREAM_LIMITS

CONFIG = "/v1/realms/team/config"
DOCUMENT = {"agent": {"model": "m", "max_tokens": 100}, "ratio": 1.0, "list": [1, 2]}


@pytest.fixture
def http(server):
    with server.http() as client:
        yield client


@pytest.fixture
def team(server):
    """The test's own handle on the realm, which has a document."""
    handle = server.client.realm("team")
    handle.set(DOCUMENT)
    return handle


def test_own_view(http, team):
    """A realm's configuration is the envelope of its own view, under ``"<generation>-<digest12>"``."""
    answer = http.get(CONFIG)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["etag"] == f'"{team.get().etag}"'
    assert answer.json() == {
        "config": DOCUMENT,
        "generation": 1,
        "realm_id": "team",
        "instance_id": None,
        "backend": team.get().metadata.backend,
        "view": "own",
    }
    assert '"ratio":1.0' in answer.text


def test_headers_of_every_answer(http, team):
    """Whatever is answered is private, to be asked for again, and of the type that it says."""
    for path in (CONFIG, "/v1/realms", "/v1/realms/team/nothing", "/v1/tokens", "/healthz"):
        headers = http.get(path).headers
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"] == "Accept, Authorization, Cookie"
        assert headers["x-content-type-options"] == "nosniff"


def test_no_document(http, team):
    """A realm without a live document is 404, which still tells the generation to write on."""
    answer = http.get("/v1/realms/empty/config")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["etag"] == '"0-000000000000"'
    assert (
        answer.json().items()
        >= {
            "code": "realm_not_found",
            "status": 404,
            "config": None,
            "generation": 0,
            "realm_id": "empty",
            "view": "own",
            "deleted": False,
        }.items()
    )
    team.delete()
    answer = http.get(CONFIG)
    assert answer.status_code == 404
    assert answer.json()["generation"] == 2
    assert answer.json()["deleted"] is True
    assert answer.headers["etag"] == f'"{team.get().etag}"'


def test_effective_view(server, http, team):
    """The effective view is what applies, under an entity-tag that changes with any realm that it depends on."""
    server.client.realm("base").set({"colour": "red"})
    team.set_parent("base")
    answer = http.get(CONFIG, params={"view": "effective"})
    assert answer.status_code == 200
    assert answer.json()["view"] == "effective"
    assert answer.json()["config"] == {**DOCUMENT, "colour": "red"}
    own = http.get(CONFIG).headers["etag"]
    assert answer.headers["etag"] != own
    server.client.realm("base").set({"colour": "blue"})
    again = http.get(CONFIG, params={"view": "effective"})
    assert again.headers["etag"] != answer.headers["etag"]
    assert http.get(CONFIG).headers["etag"] == own


def test_effective_of_nothing(http):
    """A realm without a document has an effective configuration all the same: what it inherits."""
    answer = http.get("/v1/realms/empty/config?view=effective")
    assert (answer.status_code, answer.json()["config"]) == (200, {})


def test_other_views_have_other_etags(http, team):
    """Own, effective, at a generation, and a value: each representation has a name of its own."""
    team.set_value("ratio", 2.0)
    found = [
        http.get(CONFIG, params=params, headers=headers).headers["etag"]
        for params in (
            {},
            {"view": "effective"},
            {"at": 2},
            {"at": 1},
            {"path": "/agent"},
            {"path": "/ratio"},
        )
        for headers in ({}, {"Accept": "application/toml"})
        if not ("path" in params and headers)
    ]
    assert len(set(found)) == len(found)


def test_at_a_generation(http, team):
    """``at`` shows the realm as it was, and one that never was is 404."""
    team.set({"a": 2})
    assert http.get(CONFIG, params={"at": 1}).json()["config"] == DOCUMENT
    answer = http.get(CONFIG, params={"at": 9})
    assert (answer.status_code, answer.json()["code"]) == (404, "revision_not_found")


def test_a_value(http, team):
    """``path`` answers with the bare value."""
    assert http.get(CONFIG, params={"path": "/agent/model"}).json() == "m"
    assert http.get(CONFIG, params={"path": "agent"}).json() == DOCUMENT["agent"]
    answer = http.get(CONFIG, params={"path": "/agent/none"})
    assert (answer.status_code, answer.json()["code"]) == (404, "value_not_found")


def test_toml(http, team):
    """Who accepts TOML gets TOML, of which an effective one says so in its first line."""
    answer = http.get(CONFIG, headers={"Accept": "application/toml"})
    assert answer.headers["content-type"] == "application/toml"
    assert answer.headers["etag"] == f'"{team.get().etag}.toml"'
    assert "ratio = 1.0" in answer.text
    assert not answer.text.startswith("#")
    effective = http.get(CONFIG + "?view=effective", headers={"Accept": "application/toml"})
    assert effective.text.splitlines()[0].endswith("effective view")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/toml;q=0.5, application/json;q=0.4", "application/toml"),
        ("text/html, application/json;q=0.1", "application/json"),
        ("application/json;q=0, */*", "application/toml"),
    ],
)
def test_forms(http, team, accept, expected):
    """``Accept`` is negotiated by quality, and then by the server's own order."""
    assert http.get(CONFIG, headers={"Accept": accept}).headers["content-type"] == expected


def test_impossible_form(http, team):
    """A form that is not had is 406, on reads, writes and streams alike, and nothing is written."""
    for method, path in (
        ("GET", CONFIG),
        ("GET", "/v1/realms"),
        ("GET", "/v1/realms/team/watch"),
        ("PUT", CONFIG),
    ):
        answer = http.request(
            method,
            path,
            headers={"Accept": "image/png"},
            json=None if method == "GET" else {"config": {}},
        )
        assert answer.status_code == 406
        assert answer.headers["content-type"] == "application/problem+json"
    assert team.get().generation == 1


def test_not_modified(http, team):
    """Who names what they have gets 304 without a body, whatever way they compare."""
    etag = http.get(CONFIG).headers["etag"]
    for stated in (etag, f"W/{etag}", "*", f'"1-aaaaaaaaaaaa", {etag}'):
        answer = http.get(CONFIG, headers={"If-None-Match": stated})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["vary"] == "Accept, Authorization, Cookie"
    team.set({"a": 1})
    assert http.get(CONFIG, headers={"If-None-Match": etag}).status_code == 200


def test_if_match_of_a_read(http, team):
    """A read that states ``If-Match`` is refused with 412 unless that is what there is."""
    etag = http.get(CONFIG).headers["etag"]
    assert http.get(CONFIG, headers={"If-Match": etag}).status_code == 200
    assert http.get(CONFIG, headers={"If-Match": "*"}).status_code == 200
    assert http.get(CONFIG, headers={"If-Match": f"W/{etag}"}).status_code == 412
    assert http.get("/v1/realms/empty/config", headers={"If-Match": "*"}).status_code == 412


def test_a_malformed_condition(http, team):
    """A precondition that cannot be read is 400, never ignored."""
    for name in ("If-None-Match", "If-Match"):
        for text in ("1-abc", '"open', "", '"a" "b"', ",,"):
            assert http.get(CONFIG, headers={name: text}).status_code == 400


def test_conditions_where_nothing_can_be_compared(http, team):
    """
    A route without entity-tags refuses what must hold, and leaves out what would only have spared an answer.

    A date is compared with nothing, of any read.
    """
    for path in ("/v1/realms", "/v1/realms/team/revisions"):
        assert http.get(path, headers={"If-Match": '"x"'}).status_code == 400
        assert http.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    for path in (CONFIG, CONFIG + "?view=effective", "/v1/realms"):
        for name in ("If-Modified-Since", "If-Unmodified-Since", "If-Range"):
            answer = http.get(path, headers={name: "Sat, 28 Nov 2026 12:46:47 GMT"})
            assert answer.status_code == 200
    assert http.get("/v1/realms/team/watch", headers={"If-Match": '"x"'}).status_code == 400


def test_head_changes_nothing(http, team):
    """What becomes of a write is asked with GET, which may end it; HEAD, which may change nothing, is refused."""
    place = "/v1/realms/team/commits/later"
    refused = http.head(place)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, OPTIONS")
    put = http.put(CONFIG, json={"config": {"a": 5}}, headers={"Idempotency-Key": "later"})
    assert put.status_code == 200
    assert http.get(place).json()["outcome"] == "committed"


def test_schema_and_policy_have_etags(server, http, team):
    """The schema and the policy of a realm belong to its generation, which writes take."""
    for what, value in (
        ("schema", None),
        ("policy", {"require_generation": False, "history_keep": None}),
    ):
        answer = http.get(f"/v1/realms/team/{what}")
        assert answer.json() == value
        assert answer.headers["etag"] == f'"{team.get().etag}.{what}"'
        again = http.get(
            f"/v1/realms/team/{what}", headers={"If-None-Match": answer.headers["etag"]}
        )
        assert again.status_code == 304
    written = http.put(
        "/v1/realms/team/policy",
        json={"policy": {"history_keep": 5}},
        headers={"If-Match": answer.headers["etag"]},
    )
    assert written.status_code == 200
    assert http.get("/v1/realms/team/policy").json()["history_keep"] == 5


def test_head_on_every_get(server, http, team):
    """HEAD answers as GET does, with the length of its body and without the body."""
    for path in (
        CONFIG,
        CONFIG + "?view=effective",
        "/v1/realms",
        "/v1/realms/team/revisions",
        "/v1/realms/team/revisions/1",
        "/v1/realms/team/diff",
        "/v1/realms/team/explain",
        "/v1/realms/team/blame",
        "/v1/realms/team/schema",
        "/v1/realms/team/policy",
        "/v1/tokens",
        "/v1/store",
        "/v1/session",
        "/healthz",
        "/readyz",
        "/",
        "/openapi.json",
        "/v1/realms/empty/config",
        "/v1/realms/team/nothing",
    ):
        got, head = http.get(path), http.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == str(len(got.content))
        assert head.headers.get("etag") == got.headers.get("etag")


def test_head_of_a_stream(http, team):
    """HEAD of a stream says what it would be, and ends."""
    answer = http.head("/v1/realms/team/watch")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_unknown_parameters(http, team):
    """A parameter that nobody knows, or that is stated twice, is 400."""
    for query in (
        "?viwe=own",
        "?view=own&view=own",
        "?at=1&at=1",
        "?view",
        "?at=",
        "?at=-1",
        "?at=1.5",
        "?view=both",
        "?realm=team",
        "?path=%ff",
        "?wait=5s",
        "?after=x",
        "?at=1&after=0",
        "?&",
        "?after=0&wait=forever",
    ):
        answer = http.get(CONFIG + query)
        assert answer.status_code == 400, query
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_a_read(http, team):
    """GET takes no body."""
    assert http.request("GET", CONFIG, content=b"{}").status_code == 400


def test_pages(server, http):
    """Lists come in pages, and each page but the last links to the next."""
    for number in range(5):
        server.client.realm(f"realm{number}").set({"n": number})
    names, path = [], "/v1/realms?limit=2"
    while path:
        answer = http.get(path)
        names += [one["realm"] for one in answer.json()["realms"]]
        path = answer.links.get("next", {}).get("url")
    assert names == [f"realm{number}" for number in range(5)]
    handle = server.client.realm("realm0")
    for number in range(6):
        handle.set({"n": number + 1})
    generations, path = [], "/v1/realms/realm0/revisions?limit=3"
    while path:
        answer = http.get(path)
        generations += [one["generation"] for one in answer.json()["revisions"]]
        path = answer.links.get("next", {}).get("url")
    assert generations == [7, 6, 5, 4, 3, 2, 1]


def test_history(http, team):
    """Revisions, differences, provenance and blame have routes of their own."""
    team.set_value("agent.model", "n", message="better")
    assert http.get("/v1/realms/team/revisions/2").json()["message"] == "better"
    changes = http.get("/v1/realms/team/diff?from=1&to=2").json()["changes"]
    assert changes == [{"pointer": "/agent/model", "before": "m", "after": "n"}]
    assert http.get("/v1/realms/team/explain?path=/agent/model").json()["message"] == "better"
    blamed = http.get("/v1/realms/team/blame?path=/agent/model").json()
    assert [one["generation"] for one in blamed] == [2]
    assert http.get("/v1/realms/team/revisions/x").status_code == 400


def test_compacted_history(server, http, team):
    """What compaction has removed is 410, which names the oldest generation kept."""
    for number in range(5):
        team.set({"n": number})
    server.client.compact(keep=2)
    answer = http.get("/v1/realms/team/revisions/1")
    assert (answer.status_code, answer.json()["code"]) == (410, "history_compacted")
    assert answer.json()["floor"] == 5


def test_settling(http, team):
    """``commits/{write_id}`` tells what became of a write, and sees to it that nothing comes of an unknown one."""
    write_id = team.set({"a": 1}).write_id
    found = http.get(f"/v1/realms/team/commits/{write_id}").json()
    assert (found["outcome"], found["generation"]) == ("committed", 2)
    assert http.get("/v1/realms/team/commits/some%2Fid%20of%20mine").json() == {
        "write_id": "some/id of mine",
        "outcome": "void",
        "generation": None,
    }
    refused = http.put(CONFIG, json={"config": {}}, headers={"Idempotency-Key": "some/id of mine"})
    assert (refused.status_code, refused.json()["code"]) == (422, "write_id_void")


# --- waiting ---------------------------------------------------------------------------------


def test_long_poll_answers_older_cursors_at_once(http, team):
    """A long poll after any older place is answered at once, however long it may wait."""
    first = team.get().etag
    team.set({"a": 1})
    for after in (0, 1, first, "1-000000000000", "99"):
        answer = http.get(CONFIG, params={"after": after, "wait": "60s"})
        assert (answer.status_code, answer.json()["generation"]) == (200, 2)


def test_long_poll_ends_with_304(http, team):
    """A long poll in which nothing happens ends with 304; without a time to wait it ends at once."""
    for params in (
        {"after": 1},
        {"after": 1, "wait": "0.2"},
        {"after": team.get().etag, "wait": "0.2s"},
    ):
        answer = http.get(CONFIG, params=params)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{team.get().etag}"'
    assert http.get("/v1/realms/empty/config?after=0&wait=0.1s").status_code == 304


def test_long_poll_is_woken_by_a_commit(server, team):
    """A commit answers those who wait for it, in whichever view it is seen."""
    server.client.realm("base").set({"b": 1})
    team.set_parent("base")
    generation = team.get().generation
    cursor = team.get().cursor
    found = {}
    started = threading.Barrier(3)

    def poll(view, after):
        with server.http("reader") as http:
            http.get("/healthz")
            started.wait()
            params = {"after": after, "wait": "60s", "view": view}
            found[view] = http.get(CONFIG, params=params).json()

    threads = [
        threading.Thread(target=poll, args=("own", generation)),
        threading.Thread(target=poll, args=("effective", cursor)),
    ]
    for one in threads:
        one.start()
    started.wait()
    server.client.realm("base").set({"b": 2})
    threads[1].join()
    assert found["effective"]["config"]["b"] == 2
    team.set_value("a", 1)
    threads[0].join()
    assert found["own"]["generation"] == generation + 1


def test_waiting_has_bounds(http, team):
    """Who would wait for longer than a minute is refused, and so is a cursor of another realm."""
    answer = http.get(CONFIG, params={"after": 1, "wait": "61s"})
    assert (answer.status_code, answer.json()["code"]) == (413, "limit_exceeded")
    answer = http.get(CONFIG, params={"view": "effective", "after": "e:other@1-000000000000"})
    assert answer.status_code == 400


def test_revoked_while_waiting(server, team):
    """A token that ends while its caller waits is not answered any more."""
    text = server.mint("read", name="short")
    started = threading.Event()
    found = []

    def poll():
        with server.http() as http:
            headers = {"Authorization": f"Bearer {text}"}
            http.get(CONFIG, headers=headers)
            started.set()
            found.append(http.get(CONFIG + "?after=1&wait=60s", headers=headers).status_code)

    thread = threading.Thread(target=poll)
    thread.start()
    started.wait()
    with server.http() as http:
        (token,) = [one for one in http.get("/v1/tokens").json() if one["name"] == "short"]
        assert http.delete(f"/v1/tokens/{token['id']}").status_code == 200
    # The time is not waited for.
    thread.join(30.0)
    assert found == [401]


def test_those_who_wait_are_counted(server, team, monkeypatch):
    """Whoever waits for a step counts as a stream: of one token there are so many, and then 429."""
    with server.http() as http:
        # The streams of a process come to be with the first who waits.
        assert http.get(CONFIG, params={"after": 1, "wait": "0s"}).status_code == 304
    before = server.process.app.server.streams
    monkeypatch.setattr(before, "_limits", STREAM_LIMITS.replace(of_one_token=2))

    def poll():
        with server.http("reader") as http:
            http.get(CONFIG, params={"after": 1, "wait": "60s"})

    threads = [threading.Thread(target=poll) for _ in range(2)]
    for one in threads:
        one.start()
    with server.http("reader") as http:
        while len(before) < 2:
            assert http.get("/healthz").status_code == 200
        refused = http.get(CONFIG, params={"after": 1, "wait": "60s"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    server.client.realm("team").set({"a": 2})
    for one in threads:
        one.join()
