"""What the OpenAPI document says of requests and problems is what the server does; and what its reader found."""

from __future__ import annotations

import re
from itertools import product

import jsonschema_rs
import pytest

from realmconf import errors
from realmconf.domain.names import RealmName
from realmconf.runtime.operations.kinds import KINDS
from realmconf.surfaces.envelope import ANSWERS
from realmconf.surfaces.http import openapi_examples, openapi_problems
from realmconf.surfaces.http.openapi import document
from realmconf.surfaces.http.problems import KINDS as PROBLEMS
from realmconf.surfaces.http.problems import Problem, problem_of

CONFIG = "/v1/realms/team/config"
OWN = "application/vnd.realmconf.document+json"
DOCUMENT = document(meerkat=True)
ERRORS = [
    errors.GenerationConflict(1, 2, realm="r"),
    errors.GenerationConflict(1, 2, [{"pointer": "/a", "generation": 2}], realm="r"),
    errors.TimelineChanged(realm="r", generation=3),
    errors.GenerationRequired(realm="r", current=1),
    errors.PatchTestFailed(pointer="/a", index=0),
    errors.SchemaViolation([{"pointer": "/a", "keyword": "type", "message": "no"}], realm="r"),
    errors.PatchInapplicable("there is nothing", pointer="/a", index=1),
    errors.LineageCycle(realm="r", chain=["r", "r"]),
    errors.LineageTooDeep(realm="r", chain=["r"], depth_max=16),
    errors.ParentNotFound(realm="r", parent="p"),
    errors.WriteIdReused(realm="r", write_id="w"),
    errors.WriteIdVoid(realm="r", write_id="w"),
    errors.PlanInvalid("p", reason="replayed", generation=3),
    errors.RateLimited("requests", retry_after_seconds=1.5),
    errors.Unsupported("no"),
    errors.LimitExceeded("depth", 65, maximum=64),
    errors.InvalidRealm("no"),
    errors.InvalidDocument("no"),
    errors.InvalidDocument("no", pointer="/a", line=1, column=2),
    errors.InvalidPatch("no"),
    errors.InvalidPointer("no"),
    errors.InvalidArgument("no"),
    errors.RealmNotFound(realm="r"),
    errors.RevisionNotFound(realm="r", generation=4, current=3),
    errors.ValueNotFound(realm="r", pointer="/a", generation=3),
    errors.TokenNotFound("t"),
    errors.HistoryCompacted(1, 2, realm="r"),
    errors.RealmMoved("http://elsewhere", realm="r"),
    errors.LockTimeout(waited_seconds=2.0),
    errors.StoreUnavailable("no"),
    errors.StoreFull("no"),
    errors.StoreReadOnly("no"),
    errors.StoreNotInstalled("etcd", extra="etcd"),
    errors.StoreCorrupt("no"),
    errors.StoreTooNew("no"),
    errors.HistoryMissing("no"),
    errors.RealmSplitBrain(realm="r", roots=["/a", "/b"]),
    errors.RealmBackendMismatch(realm="r", requested="jsonl", existing="redb"),
    errors.OutcomeUnknown("w", realm="r"),
    errors.WorkingCopyContested(realm="r", path="config.toml"),
    errors.WorkingCopyBroken(realm="r", path="config.toml", reason="no"),
    errors.WorkingCopyRefused(realm="r", path="config.toml", reason="no"),
    errors.ForkedInTransaction(),
    errors.UnsupportedFilesystem("no"),
    errors.Unauthenticated(),
    errors.NotPermitted("reading", realm="r"),
    errors.SecretMarkMisplaced(pointer="/a"),
    errors.SecretWithheld(pointer="/a", realm="r"),
]


@pytest.fixture
def http(server):
    server.client.realm("team").set({"agent": {"model": "m"}})
    with server.http() as client:
        yield client


def fits(schema, value) -> bool:
    return jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]}).is_valid(
        value
    )


def body_of(method, path, media="application/json"):
    return DOCUMENT["paths"][path][method]["requestBody"]["content"][media]


def header_of(name, method="put", path="/v1/realms/{realm}/config"):
    parameters = DOCUMENT["paths"][path][method]["parameters"]
    return next(one["schema"] for one in parameters if one["name"] == name)


def operations():
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


# --- problems ------------------------------------------------------------------------------------


def test_every_class_of_errors_is_among_them():
    """Each error that HTTP can answer with is described."""
    described = {type(error) for error in ERRORS}
    assert described == {one for one, answer in ANSWERS.items() if answer.status is not None}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_problem_fits_the_schema_of_its_code(error):
    """A problem has the members that the document promises for its code, and its status names it."""
    for in_header in (False, True):
        reply = problem_of(error, in_header=in_header)
        said = jsonschema_json(reply.body)
        own = {"$ref": f"#/components/schemas/{openapi_problems.component_of(error.code)}"}
        assert fits(own, said)
        assert fits(openapi_problems.of_status(reply.status), said)


def jsonschema_json(body):
    import json

    return json.loads(body)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_what_only_http_gets_wrong_is_described(kind):
    """So are the problems that no other surface has."""
    reply = Problem(kind, "no").reply()
    assert fits(openapi_problems.of_status(reply.status), jsonschema_json(reply.body))


def test_a_realm_without_a_document_says_where_it_stands(http):
    """The 404 of an own view has what its envelope would say."""
    described = DOCUMENT["paths"]["/v1/realms/{realm}/config"]["get"]["responses"]["404"]
    schema = described["content"]["application/problem+json"]["schema"]
    http.delete(CONFIG)
    for realm, is_deleted in (("team", True), ("none", False)):
        said = http.get(f"/v1/realms/{realm}/config").json()
        assert fits({"$ref": "#/components/schemas/NoDocument"}, said)
        assert fits(schema, said)
        assert said["deleted"] is is_deleted


# --- what is sent --------------------------------------------------------------------------------


def test_examples_fit_and_succeed(http):
    """Each example is one that the server takes, in the order of the document."""
    http.put(CONFIG, json={"config": {}})
    for name, operation in operations():
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            if "example" in content:
                assert fits(content["schema"], content["example"]), (name, media)
        for parameter in operation["parameters"]:
            if "example" in parameter:
                assert fits(parameter["schema"], parameter["example"])
    for (path, method), media in product(
        (
            ("/v1/realms/{realm}/config", "put"),
            ("/v1/realms/{realm}/config", "patch"),
            ("/v1/realms/{realm}/schema", "put"),
            ("/v1/realms/{realm}/policy", "put"),
            ("/v1/realms/{realm}/validate", "post"),
            ("/v1/transactions", "post"),
            ("/v1/tokens", "post"),
        ),
        (None, "application/json"),
    ):
        contents = DOCUMENT["paths"][path][method]["requestBody"]["content"]
        for sent in contents if media is None else (media,):
            example = contents[sent].get("example")
            options = {"content": example} if isinstance(example, str) else {"json": example}
            answer = http.request(
                method,
                path.format(realm=openapi_examples.REALM),
                headers={"Content-Type": sent},
                **options,
            )
            assert answer.status_code < 300, (path, sent, answer.text)


@pytest.mark.parametrize(
    ("body", "is_good"),
    [
        ({"config": {}}, True),
        ({"config": {}, "expected_generation": None, "message": None}, True),
        ({"config": None}, False),
        ({"config": {"a": None}}, False),
        ({"config": {"a": [None]}}, False),
        ({"config": {}, "create": True, "must_exist": True}, False),
        ({"config": {}, "create": True, "must_exist": None}, True),
        ({"config": {}, "expected": "1"}, False),
        ({"config": {}, "write_id": " "}, False),
        ({"config": {}, "message": "a\x00"}, False),
        ({"config": {}, "message": "a\nb"}, True),
        ({"config": {}, "depends_on": ["/a~2"], "on_conflict": "rebase"}, False),
        ({"config": {}, "on_conflict": "force"}, False),
        ({"config": {}, "other": 1}, False),
    ],
)
def test_a_body_fits_if_the_server_takes_it(http, body, is_good):
    """What the document says of a wrapped body is what the server does with it."""
    assert fits(body_of("put", "/v1/realms/{realm}/config")["schema"], body) is is_good
    answer = http.put(CONFIG, json=body)
    assert answer.status_code in ((200, 412, 409) if is_good else (400,))


@pytest.mark.parametrize(
    ("part", "is_good"),
    [
        ({"set": {}}, True),
        ({"set": {}, "patch": None}, True),
        ({"set": {}, "patch": {}}, False),
        ({}, False),
        ({"patch": None}, False),
        ({"set_value": {}}, False),
        ({"set_value": {"a.b": 1}}, True),
        ({"set_value": {"": 1}}, False),
        ({"unset": "/a"}, True),
        ({"unset": ["/a", "b"]}, True),
        ({"unset": [""]}, False),
        ({"delete": False}, False),
        ({"delete": True}, True),
        ({"rollback": 0}, False),
        ({"rollback": 1}, True),
        ({"json_patch": [{"op": "add", "path": "/a", "value": 1}]}, True),
        ({"json_patch": [{"op": "add", "path": "/a"}]}, False),
        ({"json_patch": [{"op": "move", "path": "/a"}]}, False),
        ({"json_patch": [{"op": "remove", "path": "a"}]}, False),
        ({"set": {}, "on_conflict": "rebase"}, False),
        ({"set": {}, "on_conflict": "rebase", "expected_generation": None}, False),
        ({"set": {}, "on_conflict": "rebase", "expected_generation": 1}, True),
        ({"set": {}, "depends_on": ["/a"]}, False),
        ({"set": {}, "depends_on": []}, True),
        ({"set": {}, "create": True, "must_exist": True}, False),
        ({"set": {}, "message": "of the transaction"}, False),
    ],
)
def test_a_part_fits_if_the_server_takes_it(http, part, is_good):
    """A part of a transaction has exactly one verb, with what that takes, and preconditions that go together."""
    body = {"parts": [{"realm": "team", **part}], "dry_run": True}
    assert fits(body_of("post", "/v1/transactions")["schema"], body) is is_good
    answer = http.post("/v1/transactions", json=body)
    assert (answer.status_code != 400) is is_good, answer.text


@pytest.mark.parametrize(
    ("body", "is_good"),
    [
        ({"realms": ["*"], "roles": ["read"]}, True),
        ({"realms": ["team-*"], "roles": ["read", "write"], "expires": 1.5, "name": "x"}, True),
        ({"realms": [], "roles": ["read"]}, False),
        ({"realms": ["a b"], "roles": ["read"]}, False),
        ({"realms": ["*"], "roles": []}, False),
        ({"realms": ["*"], "roles": ["owner"]}, False),
        ({"realms": ["*"], "roles": ["read"], "expires": 0}, False),
        ({"realms": ["*"], "roles": ["read"], "name": " "}, False),
        ({"realms": ["*"], "roles": ["read"], "paths": ["/a", "b.c"]}, True),
        ({"realms": ["*"], "roles": ["read"], "paths": ["/~"]}, False),
    ],
)
def test_a_token_fits_if_the_server_makes_it(http, body, is_good):
    """So with what a token is made of."""
    assert fits(body_of("post", "/v1/tokens")["schema"], body) is is_good
    assert http.post("/v1/tokens", json=body).status_code == (201 if is_good else 400)


@pytest.mark.parametrize(
    ("policy", "is_good"),
    [
        ({"require_generation": False}, True),
        ({"history_keep": None}, True),
        ({"history_keep": 3, "require_generation": False}, True),
        ({}, False),
        ({"history_keep": 0}, False),
        ({"history_keep": True}, False),
        ({"require_generation": None}, False),
        ({"require_generation": 1}, False),
        ({"other": 1}, False),
    ],
)
def test_a_policy_fits_if_the_server_takes_it(http, policy, is_good):
    """What can be no policy is refused as that, before what is expected is compared."""
    body = {"policy": policy}
    assert fits(body_of("put", "/v1/realms/{realm}/policy")["schema"], body) is is_good
    answer = http.put("/v1/realms/team/policy", json={**body, "expected_generation": 9})
    assert answer.status_code == (409 if is_good else 400)


def test_what_is_given_out_fits_what_is_taken(http):
    """Entity-tags, cursors, ids and names that the server gives are of the patterns that it asks for."""
    for path in (
        CONFIG,
        "/v1/realms/team/schema",
        "/v1/realms/team/policy",
        "/v1/realms/none/config",
    ):
        tag = http.get(path).headers["etag"]
        assert fits(header_of("If-Match"), tag)
        assert fits(header_of("If-None-Match", "get"), tag)
    toml = http.get(CONFIG, headers={"Accept": "application/toml"}).headers["etag"]
    assert fits(header_of("If-Match"), toml)
    effective = http.get(CONFIG, params={"view": "effective"}).headers["etag"]
    assert not fits(header_of("If-Match"), effective)
    assert fits(header_of("If-None-Match", "get"), effective)
    revision = http.get("/v1/realms/team/revisions").json()["revisions"][0]
    assert fits(KINDS["etag"].schema, revision["etag"])
    assert fits(KINDS["write_id"].schema, revision["write_id"])
    assert fits(header_of("Idempotency-Key"), revision["write_id"])
    made = http.post("/v1/tokens", json={"realms": ["*"], "roles": ["read"]}).json()
    assert fits(KINDS["token_id"].schema, made["id"])


def test_cursors_fit(server):
    """So are the cursors of both views."""
    server.client.realm("org").set({"a": 1})
    team = server.client.realm("team")
    team.set({"realm": {"team": {"parent": "org"}}})
    for cursor in (team.get().cursor, team.get().etag, 0, 3):
        assert fits(KINDS["cursor"].schema, cursor)
    for cursor in ("", "e:", "e:org", "x", -1, 1.5):
        assert not fits(KINDS["cursor"].schema, cursor)


def test_patterns_mean_the_same_everywhere():
    """No pattern needs more than what every dialect of regular expressions has."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if isinstance(value.get("pattern"), str):
                found.append(value["pattern"])
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(DOCUMENT)
    assert len(set(found)) > 10
    for pattern in set(found):
        re.compile(pattern)
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert not re.search(r"\(\?[^:]|\\[pPbBu]", pattern)


@pytest.mark.parametrize(
    "name", ["0" * 32, "0123abcd" * 4, "01234567-89ab-cdef-0123-456789abcdef", "_a", "a b", ""]
)
def test_names_that_no_realm_has(http, name):
    """A name that reads as a UUID is none either."""
    assert not fits({"$ref": "#/components/schemas/Realm"}, name)
    if name:
        assert http.get(f"/v1/realms/{name}/config").status_code == 400


# --- links ---------------------------------------------------------------------------------------


def test_links_lead_somewhere():
    """A link names an operation of the document and parameters that it has."""
    by_id = {one["operationId"]: one for _, one in operations() if "operationId" in one}
    count = 0
    for _, operation in operations():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                target = by_id[link["operationId"]]
                named = {one["name"] for one in target["parameters"]}
                assert {name.rpartition(".")[2] for name in link["parameters"]} <= named
                needed = {one["name"] for one in target["parameters"] if one["required"]}
                assert needed <= link["parameters"].keys()
                count += 1
    assert count > 50


def test_what_was_written_can_be_read_and_settled():
    """A write leads to reading it, to its revision, to its outcome and to the next write."""
    written = DOCUMENT["paths"]["/v1/realms/{realm}/config"]["put"]["responses"]["200"]["links"]
    assert {"config_get", "config_revision", "config_settle", "config_patch"} <= written.keys()
    assert written["config_patch"]["parameters"]["header.If-Match"] == "$response.header.ETag"


# --- what the check of the contract found ------------------------------------------------------------


def test_a_body_that_is_null_is_given(http):
    """A member that is null counts as not given; a whole body that is null is no document."""
    for path, media in (
        ("/v1/realms/team/validate", OWN),
        (CONFIG, "application/merge-patch+json"),
        (CONFIG, "application/json-patch+json"),
    ):
        method = "post" if path != CONFIG else "patch"
        answer = http.request(method, path, content=b"null", headers={"Content-Type": media})
        assert answer.status_code == 400
    assert http.get(CONFIG).json()["generation"] == 1


@pytest.mark.parametrize("stated", ["false", "0.0", '"0"'])
def test_what_must_agree_is_compared_strictly(http, stated):
    """In the body neither false nor 0.0 agrees with the 0 of the query."""
    answer = http.put(
        CONFIG,
        params={"expected_generation": "0"},
        content=f'{{"config": {{}}, "expected_generation": {stated}}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400


def test_what_can_be_no_configuration_is_refused_before_it_is_compared(start_server):
    """Also by Meerkat's routes, whatever generation is expected."""
    server = start_server(meerkat_realm=RealmName("team"))
    with server.http() as http:
        for config in ({"a": [None]}, {"k" * 513: 1}):
            answer = http.put("/config", json={"config": config, "expected_generation": 9})
            assert answer.status_code in (400, 413)
