"""What writes take and answer: bodies, preconditions, idempotency, refusals."""

from __future__ import annotations

import pytest

CONFIG = "/v1/realms/team/config"
OWN = "application/vnd.realmconf.document+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


@pytest.fixture
def http(server):
    with server.http("admin") as client:
        yield client


@pytest.fixture
def team(server):
    handle = server.client.realm("team")
    handle.set({"a": 1, "b": {"c": 2}})
    return handle


def code_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"].startswith("/problems/")
    return answer.status_code, problem["code"]


# --- bodies ------------------------------------------------------------------------------------


def test_what_a_write_answers(http):
    """A write answers with the own envelope, its entity-tag and what became of it; 201 where nothing was."""
    answer = http.put(CONFIG, json={"config": {"a": 1}, "message": "first"})
    assert answer.status_code == 201
    receipt = answer.json()
    assert answer.headers["etag"] == http.get(CONFIG).headers["etag"]
    assert (
        receipt.items()
        >= {
            "config": {"a": 1},
            "generation": 1,
            "view": "own",
            "changed": True,
            "rebased_from": None,
            "warnings": [],
        }.items()
    )
    again = http.put(CONFIG, json={"config": {"a": 1}})
    assert (again.status_code, again.json()["changed"], again.json()["generation"]) == (
        200,
        False,
        1,
    )
    assert http.get("/v1/realms/team/revisions").json()["revisions"][0]["message"] == "first"
    assert http.get("/v1/realms/team/revisions").json()["revisions"][0]["surface"] == "http"


def test_bare_documents(http):
    """A bare document has a media type of its own, or is TOML."""
    answer = http.put(CONFIG, content='{"config": {"x": 1}}', headers={"Content-Type": OWN})
    assert answer.json()["config"] == {"config": {"x": 1}}
    answer = http.put(
        CONFIG, content="a = 1\n[b]\nc = 1.0\n", headers={"Content-Type": "application/toml"}
    )
    assert answer.json()["config"] == {"a": 1, "b": {"c": 1.0}}


def test_toml_round_trip(http, team):
    """What was had as TOML is put back as TOML, under the entity-tag of that form."""
    got = http.get(CONFIG, headers={"Accept": "application/toml"})
    answer = http.put(
        CONFIG,
        content=got.text.replace("a = 1", "a = 2"),
        headers={"Content-Type": "application/toml", "If-Match": got.headers["etag"]},
    )
    assert answer.json()["config"] == {"a": 2, "b": {"c": 2}}


def test_effective_views_are_refused(http, team):
    """An effective view is never taken back: stored, it would copy what is inherited."""
    text = http.get(CONFIG + "?view=effective", headers={"Accept": "application/toml"}).text
    answer = http.put(CONFIG, content=text, headers={"Content-Type": "application/toml"})
    assert code_of(answer) == (400, "invalid_argument")
    envelope = http.get(CONFIG + "?view=effective").json()
    assert code_of(http.put(CONFIG, json=envelope)) == (400, "invalid_argument")


def test_patches(http, team):
    """Merge patches and JSON patches are told apart by media type, or by the member that wraps them."""
    answer = http.patch(CONFIG, content='{"a": null}', headers={"Content-Type": MERGE})
    assert answer.json()["config"] == {"b": {"c": 2}}
    operations = [{"op": "add", "path": "/a", "value": 3}]
    answer = http.patch(
        CONFIG, content='[{"op":"add","path":"/a","value":3}]', headers={"Content-Type": JSON_PATCH}
    )
    assert answer.json()["config"]["a"] == 3
    assert http.patch(CONFIG, json={"patch": {"a": 4}}).json()["config"]["a"] == 4
    assert http.patch(CONFIG, json={"operations": operations}).json()["config"]["a"] == 3
    assert code_of(http.patch(CONFIG, json={"patch": {}, "operations": []})) == (
        400,
        "invalid_argument",
    )
    assert code_of(http.patch(CONFIG, json={"a": 1})) == (400, "invalid_argument")


def test_patches_that_do_not_fit(http, team):
    """A test that fails is 409, a place that is not there 422, what is no patch 400."""
    for patch, expected in (
        ('[{"op":"test","path":"/a","value":2}]', (409, "test_failed")),
        ('[{"op":"remove","path":"/z"}]', (422, "patch_inapplicable")),
        ('[{"op":"remove"}]', (400, "invalid_patch")),
        ("{}", (400, "invalid_argument")),
        ("[", (400, "invalid_document")),
    ):
        answer = http.patch(CONFIG, content=patch, headers={"Content-Type": JSON_PATCH})
        assert code_of(answer) == expected
    assert team.get().generation == 1


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        None,
        "application/json; charset=utf-16",
        "text/json",
        "application/xml",
    ],
)
def test_other_media_types(http, team, media):
    """A body of another media type, or of none, is 415, which says what is taken."""
    headers = {} if media is None else {"Content-Type": media}
    answer = http.patch(CONFIG, content=b'{"a": 2}', headers=headers)
    assert code_of(answer) == (415, "invalid_argument")
    if "charset" not in (media or ""):
        assert answer.headers["accept-patch"] == f"{MERGE}, {JSON_PATCH}, application/json"
    answer = http.put(CONFIG, content=b'{"a": 2}', headers=headers)
    assert code_of(answer) == (415, "invalid_argument")
    assert team.get().generation == 1


def test_what_should_have_been_wrapped(http, team):
    """A document or patch that is sent bare as ``application/json`` is told how to be sent."""
    for method, member, media in (
        ("PUT", "config", OWN),
        ("PATCH", "patch", MERGE),
    ):
        answer = http.request(method, CONFIG, json={"agent": {"retries": 4}})
        assert code_of(answer) == (400, "invalid_argument")
        told = answer.json()["detail"]
        assert f'{{"{member}": ' in told
        assert media in told
    assert team.get().generation == 1


def test_compressed_bodies(http, team):
    """A compressed body is 415: nothing is unpacked for a stranger."""
    answer = http.put(
        CONFIG,
        content=b"\x1f\x8b",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert code_of(answer) == (415, "invalid_argument")


def test_wrapped_bodies_are_exact(http, team):
    """``application/json`` is always an object of parameters: unknown members are refused, never stored."""
    body: object
    for body in (
        {"a": 1},
        {"config": {"a": 2}, "expected_generatoin": 1},
        {"config": {"a": 2}, "realm": "other"},
        {"config": 1},
        {"config": None},
        {"config": {"a": 2}, "expected_generation": "1"},
        {"config": {"a": 2}, "expected_generation": 1.0},
        {"config": {"a": 2}, "expected_generation": True},
        {"config": {"a": 2}, "expected_generation": -1},
        {"config": {"a": 2}, "expected": "yes"},
        {"config": {"a": 2}, "dry_run": "no"},
        [],
        "text",
        None,
    ):
        assert http.put(CONFIG, json=body).status_code == 400, body
    assert team.get().generation == 1


def test_documents_that_are_none(http, team):
    """What no document can be is 400, more than one may be 413, and nothing is stored."""
    for text, expected in (
        (b'{"config": {"a": null}}', (400, "invalid_document")),
        (b'{"config": {"a": 1, "a": 2}}', (400, "invalid_document")),
        (b'{"config": {"a": 1e999}}', (400, "invalid_document")),
        (b'{"config": {"a": 99999999999999999999}}', (400, "invalid_document")),
        (b'{"config": {"a": NaN}}', (400, "invalid_document")),
        (b'{"config": {"a": "\\ud800"}}', (400, "invalid_document")),
        (b'{"config": {"a": "\xff"}}', (400, "invalid_document")),
        (b'\xef\xbb\xbf{"config": {}}', (400, "invalid_document")),
        (b"", (400, "invalid_document")),
        (b'{"config": ' + b'{"a":' * 200 + b"1" + b"}" * 201, (413, "limit_exceeded")),
        (b'{"config": {"a": "' + b"x" * 1_100_000 + b'"}}', (413, "limit_exceeded")),
    ):
        answer = http.put(CONFIG, content=text, headers={"Content-Type": "application/json"})
        assert code_of(answer) == expected, text[:50]
    assert team.get().generation == 1


def test_a_schema_judges(server, http, team):
    """What does not fit the schema is 422 with every violation, and no value is quoted."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    answer = http.put("/v1/realms/team/schema", json={"schema": schema})
    assert answer.status_code == 200
    answer = http.put(
        "/v1/realms/team/schema", json=schema, headers={"Content-Type": "application/schema+json"}
    )
    assert answer.json()["changed"] is False
    assert http.get("/v1/realms/team/schema").json() == schema
    refused = http.put(CONFIG, json={"config": {"a": "CANARY"}})
    assert code_of(refused) == (422, "schema_violation")
    assert [one["pointer"] for one in refused.json()["violations"]] == ["/a"]
    assert "CANARY" not in refused.text
    judged = http.post("/v1/realms/team/validate", json={"config": {"a": "x"}})
    assert judged.json()["valid"] is False
    assert http.delete("/v1/realms/team/schema").status_code == 200
    assert http.get("/v1/realms/team/schema").json() is None


# --- preconditions ------------------------------------------------------------------------------


def test_if_match(http, team):
    """A write under the entity-tag that the realm has is done; under any older one it is 412."""
    etag = http.get(CONFIG).headers["etag"]
    assert (
        http.put(CONFIG, json={"config": {"a": 2}}, headers={"If-Match": etag}).status_code == 200
    )
    refused = http.put(CONFIG, json={"config": {"a": 3}}, headers={"If-Match": etag})
    assert code_of(refused) == (412, "generation_conflict")
    assert (refused.json()["expected"], refused.json()["current"]) == (1, 2)
    assert team.get().document == {"a": 2}


def test_conflicts_by_where_they_were_stated(http, team):
    """A generation in the body or the query that is not the realm's is 409; the same in a header 412."""
    assert code_of(http.put(CONFIG, json={"config": {}, "expected_generation": 5})) == (
        409,
        "generation_conflict",
    )
    assert code_of(http.put(CONFIG + "?expected_generation=5", json={"config": {}})) == (
        409,
        "generation_conflict",
    )
    assert code_of(http.put(CONFIG, json={"config": {}, "expected": "1-000000000000"})) == (
        409,
        "timeline_changed",
    )
    headers = {"If-Match": '"1-000000000000"'}
    assert code_of(http.put(CONFIG, json={"config": {}}, headers=headers)) == (
        412,
        "timeline_changed",
    )
    # Both state the same, and it fails: it came in a header.
    headers = {"If-Match": '"5-000000000000"'}
    body = {"config": {}, "expected_generation": 5}
    assert code_of(http.put(CONFIG, json=body, headers=headers)) == (412, "generation_conflict")
    # The header holds, the body does not.
    body = {"config": {}, "expected_generation": 5}
    assert code_of(http.put(CONFIG, json=body, headers={"If-Match": "*"})) == (
        409,
        "generation_conflict",
    )
    assert team.get().generation == 1


def test_entity_tags_that_no_write_takes(server, http, team):
    """Weak, foreign, and those of other views: 412 with the reason; what is no entity-tag at all: 400."""
    own = http.get(CONFIG).headers["etag"]
    others = [
        f"W/{own}",
        '"something"',
        '""',
        http.get(CONFIG + "?view=effective").headers["etag"],
        http.get(CONFIG + "?at=1").headers["etag"],
        http.get(CONFIG + "?path=/a").headers["etag"],
        http.get(CONFIG + "?view=effective", headers={"Accept": "application/toml"}).headers[
            "etag"
        ],
        own[:-1] + 'x"',
        own[:-1] + '.redacted-zz"',
    ]
    for etag in others:
        answer = http.put(CONFIG, json={"config": {"a": 9}}, headers={"If-Match": etag})
        assert code_of(answer) == (412, "generation_conflict"), etag
        assert answer.json()["reason"]
    for text in ("1", "1-abc", own.strip('"'), '"a', "a, b", ""):
        answer = http.put(CONFIG, json={"config": {"a": 9}}, headers={"If-Match": text})
        assert code_of(answer) == (400, "invalid_argument"), text
    assert team.get().generation == 1


def test_any_own_form_is_taken(server, http, team):
    """The entity-tag of any form of the own view guards a write: JSON, TOML, with marks, without."""
    team.set({"a": 1, "api_key": "hush"})
    for role, accept in (
        ("writer", "application/json"),
        ("writer", "application/toml"),
        ("owner", "application/json"),
        ("owner", "application/toml"),
    ):
        with server.http(role) as other:
            etag = other.get(CONFIG, headers={"Accept": accept}).headers["etag"]
            assert (".redacted-" in etag) == (role == "writer")
        answer = http.patch(
            CONFIG, json={"patch": {"a": team.get().generation}}, headers={"If-Match": etag}
        )
        assert answer.status_code == 200
        assert (
            http.patch(CONFIG, json={"patch": {"a": 0}}, headers={"If-Match": etag}).status_code
            == 412
        )


def test_several_entity_tags(http, team):
    """Of several entity-tags any that the realm has will do."""
    own = http.get(CONFIG).headers["etag"]
    stated = f'W/"x", "foreign", "7-000000000000", {own}'
    assert (
        http.put(CONFIG, json={"config": {"a": 2}}, headers={"If-Match": stated}).status_code == 200
    )
    assert code_of(http.put(CONFIG, json={"config": {"a": 3}}, headers={"If-Match": stated})) == (
        412,
        "generation_conflict",
    )


def test_several_entity_tags_of_a_retry(server, http, team):
    """A retry is the same request by its list of entity-tags, whichever of them was the realm's, in whatever order."""
    first = http.get(CONFIG).headers["etag"]
    headers = {"If-Match": f'"0-000000000000", {first}, "9-0123456789ab"', "Idempotency-Key": "k"}
    done = http.put(CONFIG, json={"config": {"a": 2}}, headers=headers)
    assert (done.status_code, done.json()["generation"]) == (200, 2)
    for again in (headers["If-Match"], f'{first}, "9-0123456789ab", "0-000000000000"'):
        told = http.put(
            CONFIG, json={"config": {"a": 2}}, headers={**headers, "If-Match": again}
        ).json()
        assert (told["generation"], told["warnings"][0]["code"]) == (2, "replayed")
    other = http.put(CONFIG, json={"config": {"a": 2}}, headers={**headers, "If-Match": first})
    assert code_of(other) == (422, "write_id_reused")
    assert server.client.realm("team").get().generation == 2


def test_several_entity_tags_are_judged_once(server, http, team, monkeypatch):
    """A write with as many entity-tags as may be is decided once, as one with a single one is."""
    decided = []
    apply = server.client.store.apply

    def counted(*arguments, **options):
        decided.append(1)
        return apply(*arguments, **options)

    monkeypatch.setattr(server.client.store, "apply", counted)
    stated = ", ".join(f'"{number}-0123456789ab"' for number in range(2, 66))
    refused = http.put(CONFIG, json={"config": {"a": 2}}, headers={"If-Match": stated})
    assert code_of(refused) == (412, "generation_conflict")
    assert len(decided) <= 1


def test_several_entity_tags_and_a_rebase(server, http, team):
    """With a rebase the newest of the entity-tags is what the write was made against."""
    tags = [http.get(CONFIG).headers["etag"]]
    team.patch({"b": 1})
    tags.append(http.get(CONFIG).headers["etag"])
    team.patch({"c": 1})
    done = http.patch(
        CONFIG,
        json={"patch": {"b": 2}, "on_conflict": "rebase"},
        headers={"If-Match": ", ".join(tags)},
    )
    assert (done.status_code, done.json()["rebased_from"]) == (200, 2)


def test_dates_of_a_write(http, team):
    """``If-Unmodified-Since`` of a write is refused, since nobody compares it; the dates of reads say nothing here."""
    when = "Sat, 28 Nov 2026 12:46:47 GMT"
    put = http.put(CONFIG, json={"config": {"a": 2}}, headers={"If-Unmodified-Since": when})
    assert put.status_code == 400
    for name in ("If-Modified-Since", "If-Range"):
        put = http.put(CONFIG, json={"config": {"a": name}}, headers={name: when})
        assert put.status_code == 200


def test_statements_must_agree(http, team):
    """What a header, the query and the body say of the same thing must be the same."""
    own = http.get(CONFIG).headers["etag"]
    for query, body, headers in (
        ("", {"expected_generation": 2}, {"If-Match": own}),
        ("", {"expected": "2-000000000000"}, {"If-Match": own}),
        ("?expected_generation=2", {"expected_generation": 1}, {}),
        ("?expected_generation=2", {}, {"If-Match": own}),
        ("?message=a", {"message": "b"}, {}),
        ("", {"write_id": "a"}, {"Idempotency-Key": "b"}),
        ("", {"create": False}, {"If-None-Match": "*"}),
        ("", {"must_exist": False}, {"If-Match": "*"}),
        ("", {"create": True}, {"If-Match": "*"}),
        ("", {}, {"If-Match": "*", "If-None-Match": "*"}),
        ("", {}, {"If-None-Match": own}),
        ("", {}, {"If-Unmodified-Since": "Sat, 28 Nov 2026 12:05:42 GMT"}),
        ("?on_conflict=rebase", {}, {}),
        ("?depends_on=/a", {}, {"If-Match": own}),
    ):
        answer = http.put(CONFIG + query, json={"config": {"a": 2}, **body}, headers=headers)
        assert answer.status_code == 400, (query, body, headers)
    assert team.get().generation == 1
    same = {"config": {"a": 2}, "expected_generation": 1, "expected": own.strip('"')}
    answer = http.put(CONFIG + "?expected_generation=1", json=same, headers={"If-Match": own})
    assert answer.status_code == 200


def test_create_and_must_exist(http, team):
    """``If-None-Match: *`` creates and nothing else; ``If-Match: *`` changes what is there, and is no force."""
    create, exists = {"If-None-Match": "*"}, {"If-Match": "*"}
    assert code_of(http.put(CONFIG, json={"config": {}}, headers=create)) == (
        412,
        "generation_conflict",
    )
    new = "/v1/realms/new/config"
    assert code_of(http.put(new, json={"config": {}}, headers=exists)) == (
        412,
        "generation_conflict",
    )
    assert http.put(new, json={"config": {"a": 1}}, headers=create).status_code == 201
    assert http.put(new, json={"config": {"a": 2}}, headers=exists).status_code == 200
    assert code_of(http.put(CONFIG, json={"config": {}, "create": True})) == (
        409,
        "generation_conflict",
    )
    assert code_of(
        http.put("/v1/realms/other/config", json={"config": {}, "must_exist": True})
    ) == (
        409,
        "generation_conflict",
    )


def test_required_preconditions(http, team):
    """Where the policy asks for it a write without a precondition is 428; ``If-Match: *`` is none, creating is."""
    assert (
        http.put(
            "/v1/realms/team/policy", json={"policy": {"require_generation": True}}
        ).status_code
        == 200
    )
    assert code_of(http.put(CONFIG, json={"config": {"a": 2}})) == (428, "generation_required")
    assert code_of(http.put(CONFIG, json={"config": {"a": 2}}, headers={"If-Match": "*"})) == (
        428,
        "generation_required",
    )
    etag = http.get(CONFIG).headers["etag"]
    assert http.delete(CONFIG, headers={"If-Match": etag}).status_code == 200
    assert (
        http.put(CONFIG, json={"config": {"a": 2}}, headers={"If-None-Match": "*"}).status_code
        == 201
    )


def test_rebase(http, team):
    """``on_conflict=rebase`` writes on the newest generation what nobody has touched since, and says from where."""
    team.set_value("b.c", 3)
    answer = http.patch(
        CONFIG + "?on_conflict=rebase&expected_generation=1", json={"patch": {"a": 2}}
    )
    assert (answer.json()["rebased_from"], answer.json()["config"]) == (1, {"a": 2, "b": {"c": 3}})
    refused = http.patch(
        CONFIG + "?on_conflict=rebase&expected_generation=1", json={"patch": {"b": {"c": 4}}}
    )
    assert code_of(refused) == (409, "generation_conflict")
    assert [one["pointer"] for one in refused.json()["contested"]] == ["/b/c"]
    refused = http.patch(
        CONFIG + "?on_conflict=rebase&expected_generation=1&depends_on=/b/c&depends_on=/x",
        json={"patch": {"z": 4}},
    )
    assert code_of(refused) == (409, "generation_conflict")


def test_dry_run(http, team):
    """A dry run answers with what would change, and changes nothing, whatever the method."""
    for method, path, body in (
        ("PUT", CONFIG, {"config": {"a": 2}}),
        ("PATCH", CONFIG, {"patch": {"a": 2}}),
        ("DELETE", CONFIG, None),
        ("POST", "/v1/realms/team/rollback", {"to": 1}),
    ):
        answer = (
            http.request(method, path + "?dry_run=true", json=body)
            if body
            else http.request(method, path + "?dry_run=true")
        )
        assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
        assert "etag" not in answer.headers
    answer = http.post(
        "/v1/transactions", json={"parts": [{"realm": "team", "set": {}}], "dry_run": True}
    )
    assert answer.json()["results"][0]["dry_run"] is True
    assert team.get().generation == 1


def test_rollback_and_delete(http, team):
    """Rollback and deletion are writes like any other, with the same preconditions and answers."""
    team.set({"a": 2})
    etag = http.get(CONFIG).headers["etag"]
    answer = http.post("/v1/realms/team/rollback", json={"to": 1}, headers={"If-Match": etag})
    assert (answer.status_code, answer.json()["generation"]) == (200, 3)
    assert answer.json()["config"] == {"a": 1, "b": {"c": 2}}
    assert (
        http.post(
            "/v1/realms/team/rollback", json={"to": 2}, headers={"If-Match": etag}
        ).status_code
        == 412
    )
    gone = http.delete(CONFIG, headers={"If-Match": answer.headers["etag"]})
    assert (gone.status_code, gone.json()["config"], gone.json()["generation"]) == (200, None, 4)
    assert http.get(CONFIG).headers["etag"] == gone.headers["etag"]
    for body in (None, {}, {"to": 0}, {"to": "1"}, {"to": 99}, {"to": 1, "create": True}):
        assert 400 <= http.post("/v1/realms/team/rollback", json=body).status_code < 500


def test_transactions(http, team):
    """A transaction writes several realms or none."""
    parts = [
        {"realm": "team", "patch": {"a": 5}, "expected_generation": 1},
        {"realm": "other", "set": {"x": 1}},
    ]
    answer = http.post("/v1/transactions", json={"parts": parts, "message": "both"})
    assert [one["realm_id"] for one in answer.json()["results"]] == ["team", "other"]
    refused = http.post("/v1/transactions", json={"parts": parts})
    assert code_of(refused) == (409, "generation_conflict")
    assert http.get("/v1/realms/other/config").json()["generation"] == 1
    refused = http.post(
        "/v1/transactions", json={"parts": parts}, headers={"If-Match": '"1-000000000000"'}
    )
    assert code_of(refused) == (400, "invalid_argument")


# --- idempotency ----------------------------------------------------------------------------------


def test_idempotency_key(http, team):
    """A key makes a retry safe: the same request gets the first answer, another one 422."""
    key = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
    first = http.patch(CONFIG, json={"patch": {"a": 7}}, headers=key)
    assert first.json()["write_id"] == "8e03978e-40d5-43dd-bc93-6894a57f9324"
    team.set_value("b.c", 9)
    again = http.patch(CONFIG, json={"patch": {"a": 7}}, headers=key)
    assert (again.status_code, again.json()["generation"]) == (200, 2)
    assert [one["code"] for one in again.json()["warnings"]] == ["replayed"]
    other = http.patch(CONFIG, json={"patch": {"a": 8}}, headers=key)
    assert code_of(other) == (422, "write_id_reused")
    assert team.get().generation == 3


def test_bad_idempotency_keys(http, team):
    """A key that is no write id is refused, and so is one where nothing would heed it."""
    for key in ("", '""', "a\tb", 'a"b', "x" * 129):
        answer = http.put(CONFIG, json={"config": {}}, headers={"Idempotency-Key": key})
        assert 400 <= answer.status_code < 500, key
    assert (
        http.post(
            "/v1/tokens",
            json={"realms": ["*"], "roles": ["read"]},
            headers={"Idempotency-Key": "k"},
        ).status_code
        == 400
    )
    assert team.get().generation == 1


# --- secrets -----------------------------------------------------------------------------------------


def test_secrets_and_marks(server, http, team):
    """Who may not see secrets gets marks under an entity-tag that says so, and marks sent back keep the secret."""
    team.set({"api_key": "CANARY", "a": 1})
    got = http.get(CONFIG)
    assert "CANARY" not in got.text
    assert ".redacted-" in got.headers["etag"]
    body = {"config": {**got.json()["config"], "a": 2}}
    answer = http.put(CONFIG, json=body, headers={"If-Match": got.headers["etag"]})
    assert answer.status_code == 200
    assert "CANARY" not in answer.text
    assert answer.headers["etag"] == http.get(CONFIG).headers["etag"]
    with server.http("owner") as owner:
        shown = owner.get(CONFIG)
        assert shown.json()["config"] == {"api_key": "CANARY", "a": 2}
        assert shown.headers["etag"] == f'"{team.get().etag}"'
    moved = {"config": {"other_key": got.json()["config"]["api_key"]}}
    assert code_of(http.put(CONFIG, json=moved)) == (400, "secret_mark_misplaced")


# --- methods and paths ---------------------------------------------------------------------------------


def test_methods(http, team):
    """Another method is 405 with ``Allow``, which OPTIONS tells too."""
    answer = http.post(CONFIG)
    assert code_of(answer) == (405, "invalid_argument")
    allowed = {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}
    assert set(answer.headers["allow"].split(", ")) == allowed
    options = http.options(CONFIG)
    assert (options.status_code, set(options.headers["allow"].split(", "))) == (204, allowed)
    assert code_of(http.request("PROPFIND", CONFIG)) == (405, "invalid_argument")
    assert code_of(http.request("TRACE", "/healthz")) == (405, "invalid_argument")


def test_unknown_paths(http):
    """What is not there is 404, also nearly right, quoted, or above the root."""
    for path in (
        "/v2",
        "/v1/realms/",
        "/v1/realms/team",
        "/v1//realms",
        "/v1/realms/team/config/",
        "/v1/realms/a/b/config",
        "/v1/realms/team%2Fconfig",
        "/../etc/passwd",
        "/%2e%2e/etc",
        "/V1/realms",
        "/index.html",
        "/docs",
    ):
        assert code_of(http.get(path)) == (404, "invalid_argument"), path


def test_impossible_realms(http):
    """A name that no realm can have is 400, whatever it is made of."""
    for name in (
        "-a",
        "a%2Fb",
        "..%2Fx",
        "%00",
        "%ff",
        "a" * 65,
        "%20",
        "_tokens",
        "_plans",
        "caf%C3%A9",
        "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
    ):
        for method in ("GET", "DELETE"):
            answer = http.request(method, f"/v1/realms/{name}/config")
            assert answer.status_code == 400, name
            assert answer.json()["code"] in ("invalid_realm", "invalid_argument")


def test_tokens(server, http):
    """Tokens are made, listed without their texts, and ended."""
    made = http.post(
        "/v1/tokens", json={"realms": ["team*"], "roles": ["write"], "paths": ["/a"], "expires": 60}
    )
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    text, token_id = made.json()["token"], made.json()["id"]
    listed = http.get("/v1/tokens")
    assert token_id in [one["id"] for one in listed.json()]
    assert text not in listed.text
    headers = {"Authorization": f"Bearer {text}"}
    assert http.put(CONFIG, json={"config": {"a": 1}}, headers=headers).status_code == 201
    refused = http.patch(CONFIG, json={"patch": {"b": 1}}, headers=headers)
    assert code_of(refused) == (403, "not_permitted")
    assert http.delete(f"/v1/tokens/{token_id}").status_code == 200
    assert code_of(http.get(CONFIG, headers=headers)) == (401, "unauthenticated")
    assert code_of(http.delete(f"/v1/tokens/{token_id}")) == (404, "token_not_found")
    for body in (
        {},
        {"realms": [], "roles": ["read"]},
        {"realms": ["*"], "roles": ["god"]},
        {"realms": "*", "roles": ["read"]},
    ):
        assert http.post("/v1/tokens", json=body).status_code == 400
