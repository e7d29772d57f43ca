"""Meerkat's own routes: its bodies, its envelope, our errors."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.names import RealmName

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "agent": {
            "type": "object",
            "properties": {
                "model": {"type": "string", "default": "opus"},
                "max_tokens": {"type": "integer", "default": 16384},
                "threshold": {"type": "number", "default": 0.5},
            },
        },
        "max_tokens": {"type": "integer", "default": 100},
        "servers": {"type": "array", "default": []},
        "nested": {"$ref": "#/$defs/node"},
    },
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "default": 1},
                "next": {"$ref": "#/$defs/node"},
            },
        }
    },
}
FILLED: dict[str, Any] = {
    "agent": {"model": "opus", "max_tokens": 16384, "threshold": 0.5},
    "max_tokens": 100,
    "servers": [],
    "nested": {"n": 1},
}


@pytest.fixture
def server(start_server):
    running = start_server(meerkat_realm=RealmName("team"))
    running.client.realm("team").set_schema(SCHEMA)
    return running


@pytest.fixture
def team(server):
    return server.client.realm("team")


@pytest.fixture
def http(server):
    with server.http("writer") as client:
        yield client


def test_not_without_being_asked(start_server):
    """Without ``--meerkat-realm`` there are no such routes."""
    with start_server().http() as http:
        assert http.get("/config").status_code == 404


def test_envelope(http, team):
    """``GET /config`` is the original's envelope, with every default filled in; what is filled in is not stored."""
    team.set_value("agent.model", "sonnet")
    answer = http.get("/config")
    assert answer.status_code == 200
    assert answer.json() == {
        "config": {**FILLED, "agent": {**FILLED["agent"], "model": "sonnet"}},
        "generation": team.get().generation,
        "realm_id": "team",
        "instance_id": None,
        "backend": team.get().metadata.backend,
    }
    assert team.get().document == {"agent": {"model": "sonnet"}}


def test_paths(start_server, tmp_path):
    """Where files are is told only with ``--expose-paths``."""
    server = start_server(meerkat_realm=RealmName("team"), exposes_paths=True)
    server.client.realm("team").set({"a": 1})
    with server.http("reader") as http:
        assert http.get("/config").json()["resolved_paths"]["root"].startswith(str(tmp_path))


def test_what_comes_back_unchanged_changes_nothing(http, team):
    """Who puts back what they have read writes no default out."""
    team.set({"agent": {"model": "sonnet"}, "extra": 1})
    generation = team.get().generation
    config = http.get("/config").json()["config"]
    for body in (config, {"config": config}, {"config": config, "expected_generation": generation}):
        answer = http.put("/config", json=body)
        assert (answer.status_code, answer.json()["generation"]) == (200, generation)
    config["agent"]["max_tokens"] = 1
    assert http.put("/config", json=config).json()["config"] == config
    assert team.get().document == {"agent": {"model": "sonnet", "max_tokens": 1}, "extra": 1}
    del config["extra"]
    http.put("/config", json={"config": config, "expected_generation": None})
    assert team.get().document == {"agent": {"model": "sonnet", "max_tokens": 1}}


def test_a_part_is_a_whole_configuration(http, team):
    """A configuration that states little is taken as one whose other members have their defaults."""
    team.set({"agent": {"model": "sonnet"}, "extra": 1})
    answer = http.put("/config", json={"max_tokens": 5})
    assert answer.json()["config"] == {**FILLED, "max_tokens": 5}
    assert team.get().document == {"max_tokens": 5}


def test_floats_keep_their_type(http, team):
    """A number that a JSON writer has shortened is still the stored one."""
    team.set({"agent": {"threshold": 2.0}})
    generation = team.get().generation
    body = '{"agent": {"threshold": 2}}'
    answer = http.put("/config", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["generation"] == generation


def test_patches(http, team):
    """A body with a member ``patch`` is wrapped; any other is the patch itself."""
    assert (
        http.patch("/config", json={"agent": {"model": "a"}}).json()["config"]["agent"]["model"]
        == "a"
    )
    generation = team.get().generation
    wrapped = {"patch": {"agent": {"model": "b"}}, "expected_generation": generation}
    assert http.patch("/config", json=wrapped).json()["generation"] == generation + 1
    answer = http.patch("/config", json=wrapped)
    assert (answer.status_code, answer.json()["code"]) == (409, "generation_conflict")
    assert http.patch("/config", json={"patch": {"agent": None}}).json()["config"] == FILLED


def test_conflicts(http, team):
    """A generation that is not the realm's is 409 with our error, not the original's 400 in words alone."""
    team.set({"max_tokens": 1})
    answer = http.put("/config", json={"config": {}, "expected_generation": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "generation_conflict")
    assert (answer.json()["expected"], answer.json()["current"]) == (1, 2)


def test_half_wrapped_bodies(http, team):
    """A malformed wrapped body is refused, never read as a configuration."""
    cases: dict[str, tuple[Any, ...]] = {
        "PUT": (
            {"expected_generation": 1},
            {"expected_generation": 1, "agent": {}},
            {"config": {}, "x": 1},
            {"config": 1},
            {"config": {}, "expected_generation": "1"},
            {"config": {}, "expected_generation": -1},
            {"config": None},
            [],
            1,
        ),
        "PATCH": (
            {"expected_generation": 1},
            {"patch": {}, "x": 1},
            {"patch": 1},
            {"patch": None},
            [],
            {"patch": {}, "expected_generation": 1.5},
        ),
    }
    for method, bodies in cases.items():
        for body in bodies:
            answer = http.request(method, "/config", json=body)
            assert (answer.status_code, answer.headers["content-type"]) == (
                400,
                "application/problem+json",
            ), (method, body)
    assert (
        http.put("/config", content="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    )
    assert http.patch("/config", content="{}").status_code == 415
    assert http.put("/config?x=1", json={}).status_code == 400
    assert http.put("/config", json={}, headers={"If-Match": '"1-abcdefabcdef"'}).status_code == 400
    assert http.post("/config", json={}).status_code == 405
    assert team.get().generation == 1


def test_secrets(server, http, team):
    """Secrets are marks here too, which keep what is stored when they come back."""
    team.set({"providers": {"api_keys": {"anthropic": "CANARY"}}})
    config = http.get("/config").json()["config"]
    assert "CANARY" not in str(config)
    config["max_tokens"] = 7
    answer = http.put("/config", json=config)
    assert answer.status_code == 200
    assert "CANARY" not in answer.text
    assert team.get().document == {
        "providers": {"api_keys": {"anthropic": "CANARY"}},
        "max_tokens": 7,
    }


def test_rights(server):
    """Reading needs read, writing write, and nothing is done without a token."""
    with server.http("reader") as http:
        assert http.get("/config").status_code == 200
        assert http.put("/config", json={}).status_code == 403
        assert http.patch("/config", json={}).status_code == 403
    with server.http(None) as http:
        assert http.get("/config").status_code == 401


def test_schema_violations(http, team):
    """What does not fit the schema is 422 with every violation."""
    answer = http.put("/config", json={"max_tokens": "many"})
    assert (answer.status_code, answer.json()["code"]) == (422, "schema_violation")
