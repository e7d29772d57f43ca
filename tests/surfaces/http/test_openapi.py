"""The OpenAPI document, and problems, which it promises."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.surfaces.envelope import ANSWERS, answer_to
from realmconf.surfaces.http import schemas
from realmconf.surfaces.http.problems import KINDS, problem_of

CONFIG = "/v1/realms/team/config"


@pytest.fixture
def http(server):
    server.client.realm("team").set({"a": 1, "agent": {"model": "m"}}, message="m")
    with server.http() as client:
        yield client


@pytest.fixture
def document(http):
    return http.get("/openapi.json").json()


def validator(document, schema):
    return jsonschema_rs.validator_for({**schema, "components": document["components"]})


def test_every_route_is_described(document):
    """The document has every route of the table, and nothing that is not there."""
    routed = {
        (one.route.path, one.route.method.lower()) for one in OPERATIONS if one.route is not None
    }
    described = {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }
    assert routed <= described
    assert document["openapi"] == "3.1.0"


def test_parameters_of_every_route(document):
    """Whatever a route takes in its path or query is described, and everything in the path is required."""
    for operation in OPERATIONS:
        if operation.route is None:
            continue
        described = document["paths"][operation.route.path][operation.route.method.lower()]
        named = {(one["in"], one["name"]) for one in described["parameters"]}
        for name in operation.takes & set(operation.route.query):
            assert ("query", name) in named
        for one in described["parameters"]:
            assert one["required"] == (one["in"] == "path") or one["required"] is True


def test_media_types(document):
    """The bodies that a route takes are described by media type, the wrapped one by its members."""
    body = document["paths"]["/v1/realms/{realm}/config"]["patch"]["requestBody"]["content"]
    assert list(body) == [
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/json",
    ]
    put = document["paths"]["/v1/realms/{realm}/config"]["put"]["requestBody"]["content"]
    assert put["application/json"]["schema"]["required"] == ["config"]
    assert put["application/json"]["schema"]["additionalProperties"] is False


def test_schemas_are_schemas(document):
    """Every schema in the document is one, and leads to what is there."""

    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                kind, name = value["$ref"].removeprefix("#/components/").split("/")
                assert name in document["components"][kind]
            if "schema" in value and isinstance(value["schema"], dict):
                validator(document, value["schema"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(document)


def test_answers_are_what_is_described(http, document):
    """What every route answers fits the schema that the document has for it."""
    asked = [
        ("get", "/v1/realms", {}, None),
        ("get", "/v1/realms/{realm}/config", {}, None),
        ("get", "/v1/realms/{realm}/revisions", {}, None),
        ("get", "/v1/realms/{realm}/revisions/{generation}", {"generation": "1"}, None),
        ("get", "/v1/realms/{realm}/diff", {}, None),
        ("get", "/v1/realms/{realm}/explain", {}, None),
        ("get", "/v1/realms/{realm}/blame", {}, None),
        ("get", "/v1/realms/{realm}/schema", {}, None),
        ("get", "/v1/realms/{realm}/policy", {}, None),
        ("get", "/v1/realms/{realm}/commits/{write_id}", {"write_id": "w"}, None),
        ("get", "/v1/tokens", {}, None),
        ("get", "/v1/store", {}, None),
        ("post", "/v1/tokens", {}, {"realms": ["*"], "roles": ["read"]}),
        ("post", "/v1/transactions", {}, {"parts": [{"realm": "team", "patch": {"b": 1}}]}),
        ("post", "/v1/realms/{realm}/validate", {}, {}),
        ("put", "/v1/realms/{realm}/config", {}, {"config": {"a": 2}}),
        ("put", "/v1/realms/{realm}/config", {}, {"config": {"a": 3}, "dry_run": True}),
        ("patch", "/v1/realms/{realm}/config", {}, {"patch": {"a": 4}}),
        ("put", "/v1/realms/{realm}/schema", {}, {"schema": {"type": "object"}}),
        ("put", "/v1/realms/{realm}/policy", {}, {"policy": {"history_keep": 9}}),
        ("post", "/v1/realms/{realm}/rollback", {}, {"to": 1}),
        ("delete", "/v1/realms/{realm}/config", {}, None),
    ]
    for method, path, values, body in asked:
        answer = http.request(method, path.format(realm="team", **values), json=body)
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"]
        validator(document, schema).validate(answer.json())
        for name in described.get("headers", {}):
            if name != "Link" and "dry_run" not in answer.text:
                assert name in answer.headers, (method, path)


def test_every_shape_has_a_schema():
    """Each shape of an answer that HTTP gives has a schema."""
    assert {one.answer for one in OPERATIONS if one.route is not None} <= schemas.ANSWERS.keys()


def test_problems(document, http):
    """Every failure is a problem (RFC 9457) that fits the schema, and whose type can be read about."""
    for answer in (
        http.get("/v1/realms/none/config"),
        http.get("/nothing"),
        http.put(CONFIG, json={}),
        http.put(CONFIG, json={"config": {}, "expected_generation": 9}),
        http.get(CONFIG + "?at=x"),
        http.get(CONFIG, headers={"Authorization": "Bearer x"}),
        http.get(CONFIG, headers={"Host": "evil.test"}),
    ):
        problem = answer.json()
        schema = {"$ref": "#/components/schemas/Problem"}
        validator(document, schema).validate(problem)
        assert problem["status"] == answer.status_code
        assert problem["detail"] == problem["message"]
        meaning = http.get(problem["type"])
        assert meaning.status_code == 200
        assert meaning.json()["meaning"]
    assert http.get("/problems/none").status_code == 404


def test_every_error_has_its_status():
    """The status of an error is that of the one table, and 429, 503 and 504 say when to try again."""
    from realmconf import errors

    made: list[errors.RealmconfError] = [
        errors.GenerationConflict(1, 2, realm="r"),
        errors.RateLimited("requests", retry_after_seconds=2.5),
        errors.StoreUnavailable("gone"),
        errors.OutcomeUnknown("w"),
        errors.Unauthenticated(),
        errors.RealmMoved("http://x", realm="r"),
    ]
    for error in made:
        reply = problem_of(error)
        assert reply.status == answer_to(error).status
        retry = [value for name, value in reply.headers if name == b"retry-after"]
        assert len(retry) == (reply.status in (429, 503, 504))
        assert json.loads(reply.body)["code"] == error.code
    assert dict(problem_of(made[1]).headers)[b"retry-after"] == b"3"
    assert problem_of(made[0], in_header=True).status == 412


def test_codes_are_those_of_the_table():
    """What only HTTP can get wrong has one of the codes that all surfaces have; a defect is none of them."""
    codes = {error.code for error in ANSWERS}
    assert {kind.code for kind in KINDS.values()} - codes == {"defect"}


def test_a_defect_tells_nothing(server, monkeypatch, caplog):
    """A defect of ours is 500 without its text, which could be somebody's configuration; the log has its place."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("CANARY")

    monkeypatch.setattr("realmconf.surfaces.http.manners.answers.render", broken)
    with server.http() as http:
        answer = http.get("/v1/realms")
    assert (answer.status_code, answer.json()["code"]) == (500, "defect")
    assert "CANARY" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert "CANARY" not in caplog.text
