"""What callers without the role ``secrets`` cannot find out: secrets, and who writes in realms they may not read."""

from __future__ import annotations

import json
import re

import pytest

SECRET = "hunter2"
WRONG = "hunter3"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CONFIG = "/v1/realms/team/config"


@pytest.fixture
def team(server):
    """The realm with a secret; the one before had none."""
    handle = server.client.realm("team")
    handle.set({"a": 1})
    handle.set({"a": 1, "api_key": SECRET, "keys": {"api_keys": [SECRET]}})
    return handle


def said(answer):
    """An answer without what every write has of its own."""
    text = re.sub(r"«secret:[0-9a-f]+»", "«secret»", answer.text)
    text = re.sub(r'"(write_id|generation|current)":("[^"]*"|\d+)', r'"\1":0', text)
    return answer.status_code, re.sub(r"current \d+|expected \d+", "", text)


def asks(http, guess):
    """Every way to state a secret without writing it."""
    merge, operations = {"Content-Type": MERGE}, {"Content-Type": JSON_PATCH}
    dry = {"dry_run": "true"}
    carried = [
        {"op": "add", "path": "/open", "value": guess},
        {"op": "move", "from": "/open", "path": "/api_key"},
    ]
    yield http.patch(CONFIG, params=dry, json={"api_key": guess}, headers=merge)
    yield http.patch(CONFIG, params=dry, json={"keys": {"api_keys": [guess]}}, headers=merge)
    yield http.patch(CONFIG, params=dry, json=carried, headers=operations)
    yield http.put(CONFIG, params=dry, json={"config": {"a": 1, "api_key": guess}})
    yield http.put(
        "/v1/realms/team/schema", params=dry, json={"schema": {}, "patch": {"api_key": guess}}
    )
    parts = [{"realm": "team", "patch": {"api_key": guess}}]
    yield http.post("/v1/transactions", json={"parts": parts, "dry_run": True})
    # Before the secret was there: a rebase, which is refused.
    yield http.patch(
        CONFIG,
        json={"patch": {"api_key": guess}, "expected_generation": 1, "on_conflict": "rebase"},
    )
    yield http.put(
        CONFIG,
        json={
            "config": {"a": 1, "api_key": guess},
            "expected_generation": 1,
            "on_conflict": "rebase",
        },
    )


def test_no_guess_is_confirmed(server, team):
    """G11: no dry run and no refusal tells a right guess from a wrong one, and a write is a change in any case."""
    whole = {"a": 2, "keys": {"api_keys": [SECRET]}}
    before = team.get()
    with server.http("admin") as http:
        right, wrong = ([said(one) for one in asks(http, guess)] for guess in (SECRET, WRONG))
        assert right == wrong
        assert all(status in (403, 409) for status, _ in right)
        narrow = {"Authorization": f"Bearer {server.mint('write', paths=['/a'])}"}
        for guess in (SECRET, WRONG):
            answer = http.put(CONFIG, json={"config": {**whole, "api_key": guess}}, headers=narrow)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
        assert team.get() == before
        for guess in (SECRET, WRONG):
            answer = http.patch(CONFIG, json={"api_key": guess}, headers={"Content-Type": MERGE})
            assert answer.json()["changed"] is True
            team.set_value("api_key", SECRET)


def test_a_schema_extracts_nothing(server):
    """G11: of a parent that it may not read, an admin of the child finds out no letter of a secret."""
    server.client.realm("global").set({"openai": {"api_key": "sk-Zx9"}})
    server.client.realm("sandbox").set({})
    token = server.mint("admin", realms="sandbox")
    with server.http(headers={"Authorization": f"Bearer {token}"}) as http:
        for keyword in (
            {"pattern": "^s"},
            {"pattern": "^x"},
            {"const": "sk-Zx9"},
            {"minLength": 9},
        ):
            schema = {"properties": {"openai": {"properties": {"api_key": keyword}}}}
            answer = http.put(
                "/v1/realms/sandbox/schema", params={"dry_run": "true"}, json={"schema": schema}
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "secret_withheld")
            assert answer.json()["pointer"] == "/openai/api_key"
        plain = {"properties": {"openai": {"properties": {"api_key": {"type": "string"}}}}}
        assert http.put("/v1/realms/sandbox/schema", json={"schema": plain}).status_code == 200
    strict = {"properties": {"openai": {"properties": {"api_key": {"pattern": "^sk-"}}}}}
    with server.http("owner") as http:
        assert http.put("/v1/realms/sandbox/schema", json={"schema": strict}).status_code == 200


def test_another_writers_request_is_not_told_again(server, team):
    """G11: a retry under the id of another's write does not confirm the secret in it; its own writer's is told."""
    first = server.headers("owner") | {"Idempotency-Key": "deploy-1"}
    with server.http(None) as http:
        made = http.patch(CONFIG, json={"patch": {"api_key": WRONG}}, headers=first)
        again = http.patch(CONFIG, json={"patch": {"api_key": WRONG}}, headers=first)
        assert made.json()["generation"] == again.json()["generation"]
        guesses = [
            said(
                http.patch(
                    CONFIG,
                    json={"patch": {"api_key": guess}},
                    headers=server.headers("writer") | {"Idempotency-Key": "deploy-1"},
                )
            )
            for guess in (WRONG, SECRET)
        ]
        assert guesses[0] == guesses[1]
        assert guesses[0][0] == 422
        own = server.headers("writer") | {"Idempotency-Key": "deploy-2"}
        made, again = (
            http.patch(CONFIG, json={"patch": {"api_key": "new"}}, headers=own) for _ in range(2)
        )
        assert made.json()["generation"] == again.json()["generation"]


def first_change(stream):
    """The data of the first event that is a step."""
    for line in stream.iter_lines():
        if line.startswith("data:") and '"step"' in line:
            return json.loads(line.removeprefix("data:"))
    raise AssertionError("the stream ended")


def test_who_wrote_in_a_realm_is_for_those_who_may_read_it(server):
    """Who inherits a value is told where it comes from, and not who wrote it there, when and why."""
    org, team = server.client.realm("org"), server.client.realm("team")
    org.set({"a": 1}, message="because of the merger")
    team.set({"realm": {"team": {"parent": "org"}}, "b": 1}, message="for us")
    cursor = team.get().cursor
    org.set({"a": 2}, message="because of the audit")
    alone = {"Authorization": f"Bearer {server.mint('read', realms='team')}"}
    watch = f"/v1/realms/team/watch?view=effective&after={cursor}"
    # Of two streams side by side each shows what its own reader may be told.
    with server.http("reader") as http, http.stream("GET", watch) as beside:
        assert first_change(beside)["message"] == "because of the audit"
        for headers, told in (({}, "because of the audit"), (alone, None)):
            found = http.get("/v1/realms/team/explain?path=a", headers=headers).json()
            assert (found["realm"], found["generation"], found["value"]) == ("org", 2, 2)
            assert found["message"] == told
            assert (found["author"] is None) is (found["created_at"] is None) is (told is None)
            with http.stream("GET", watch, headers=headers) as stream:
                step = first_change(stream)
            assert step["step"] == {"realm": "org", "generation": 2}
            assert (step["message"], step["surface"] is None) == (told, told is None)
            own = http.get("/v1/realms/team/explain?path=b", headers=headers).json()
            assert own["message"] == "for us"
