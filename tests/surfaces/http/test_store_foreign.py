"""What the store's routes tell of realms that their caller may not read: what its own are composed of."""

from __future__ import annotations

import time

import pytest

from realmconf.domain.names import RealmName

HIDDEN = ("OLD-CANARY", "CANARY-OF-ITS-OWN", "private note", "somebody", "w-note")


def ask(http, *calls, at=None):
    """The answers to *calls*."""
    answer = http.post("/v1/store/read", json={"at": at, "calls": list(calls)})
    assert answer.status_code == 200, answer.text
    return answer.json()["answers"]


@pytest.fixture
def family(server):
    """A child that its reader may read, and a parent with a history and notes of its own, which that may not."""
    parent, child = server.client.realm("par"), server.client.realm("kid")
    parent.set({"code": "OLD-CANARY"}, message="private note", author="somebody", write_id="w-note")
    own = {"realm": {"par": {"credential": "CANARY-OF-ITS-OWN"}}}
    parent.set(
        {"code": "known", "limit": 5, **own},
        message="private note",
        author="somebody",
        write_id="w-note-2",
    )
    child.set({"realm": {"kid": {"parent": "par"}}, "n": 1})
    child.set_schema({"properties": {"code": {"type": "string", "writeOnly": True}}})
    return server


CALLS = (
    {"call": "lineage", "realm": "kid"},
    {"call": "lineage", "realm": "par"},
    {"call": "revision", "realm": "par", "generation": 1},
    {"call": "revision", "realm": "par", "generation": 2},
    {"call": "revisions", "realm": "par", "after": 0},
    {"call": "revisions", "realm": "par", "after": 0, "newest_first": True},
    {"call": "steps", "after": {"par": 0}, "limit": 9},
    {"call": "steps", "after": {"par": 0, "kid": 0}, "limit": 9},
    {"call": "as_of", "realm": "par", "position": 10_000},
)


@pytest.mark.parametrize("roles", [("read",), ("read", "secrets")])
def test_a_parent_is_shown_as_what_its_child_is_composed_of(family, roles):
    """G11: of a parent that may not be read: no note, no writer, nothing from before the child, nothing of its own."""
    family.tokens["kid"] = family.mint(*roles, realms="kid")
    with family.http("kid") as http:
        answers = ask(http, *CALLS)
        effective = http.get("/v1/realms/kid/config?view=effective").json()["config"]
    for call, answer in zip(CALLS, answers, strict=True):
        assert "error" not in answer, call
        for hidden in HIDDEN:
            assert hidden not in str(answer), call
    shown = answers[0]["value"]["heads"]["par"]["revision"]
    assert shown["document"]["code"] == effective["code"]
    assert shown["document"]["limit"] == effective["limit"] == 5
    assert (shown["salt"], shown["document_digest"]) == ("", "")
    assert ("known" in str(answers)) == ("secrets" in roles)


def test_a_parent_is_told_as_long_as_it_was_one(family):
    """What a child was composed of is shown after it has left its parent; what the parent states since is not."""
    child = family.client.realm("kid")
    child.set({"n": 2})
    family.client.realm("par").set({"code": "CANARY", "limit": 6})
    child.set({"realm": {"kid": {"parent": "par"}}, "n": 3})
    family.client.realm("par").set({"limit": 7})
    family.tokens["kid"] = family.mint("read", realms="kid")
    with family.http("kid") as http:
        (answer,) = ask(http, {"call": "revisions", "realm": "par", "after": 0})
    found = [one["document"].get("limit") for one in answer["value"]["revisions"]]
    assert found == [None, 5, 6, 7]
    child.set({"n": 4})
    with family.http("kid") as http:
        for call in CALLS[1:-1]:
            (answer,) = ask(http, call)
            assert answer["error"]["code"] == "not_permitted", call


def test_nothing_is_known_of_the_receipts_of_a_parent(family):
    """A write id of a realm that may not be read is nobody's to ask for."""
    family.tokens["kid"] = family.mint("read", realms="kid")
    with family.http("kid") as http:
        (answer,) = ask(http, {"call": "receipt", "realm": "par", "write_id": "w-note"})
    assert answer["error"]["code"] == "not_permitted"


def test_what_a_write_rests_on_may_be_looked_at(family):
    """The heads that a write is made for are of realms that its writer is told of; of others nothing is told by it."""
    family.tokens["kid"] = family.mint("write", realms="kid")
    family.client.realm("hidden").set({"n": 1})
    digest = family.client.store.head(RealmName("hidden")).revision.digest
    parent = family.client.store.head(RealmName("par")).revision.digest
    write = {
        "writes": [{"realm": "kid", "command": {"do": "patch", "patch": {"m": 1}}}],
        "write_id": "one",
        "dry_run": True,
        "timeout": 5,
    }
    with family.http("kid") as http:
        refused = [
            http.post("/v1/store/write", json={**write, "standing": standing})
            for standing in ({"hidden": digest}, {"hidden": ""}, {"nobody": ""}, {"nobody": "x"})
        ]
        taken = http.post("/v1/store/write", json={**write, "standing": {"par": parent}})
    texts = {one.text.replace("nobody", "hidden") for one in refused}
    assert len(texts) == 1
    assert refused[0].json()["code"] == "not_permitted"
    assert "decided" in taken.json()


def test_a_list_of_realms_ends_at_no_realm_of_others(server):
    """A page is filled with what its reader may read, and says where to go on by such a name; nothing else is named."""
    for number in range(1_010):
        server.client.realm(f"m{number:04d}").set({})
    for name in ("a", "z"):
        server.client.realm(name).set({})
    server.tokens["few"] = server.mint("read", realms="z")
    with server.http("few") as http:
        for after in (None, "a", "m0004", "m0009"):
            (answer,) = ask(http, {"call": "realms", "after": after})
            assert answer["value"] == {"realms": [["z", 1, True, None]], "after": None}
    with server.http("reader") as http:
        (first,) = ask(http, {"call": "realms", "after": None})
        assert (len(first["value"]["realms"]), first["value"]["after"]) == (1_000, "m0998")
        (rest,) = ask(http, {"call": "realms", "after": "m0998"})
        assert [one[0] for one in rest["value"]["realms"]][-2:] == ["m1009", "z"]
        assert rest["value"]["after"] is None


def test_a_point_is_not_lost_to_realms_that_go_on(server):
    """A list of a point in the past is told whatever was renamed or compacted since, and names nobody else."""
    for name in ("kept", "moved", "short"):
        for number in range(4):
            server.client.realm(name).set({"n": number})
    server.client.realm("child").set({"realm": {"child": {"parent": "kept"}}})
    with server.http("reader") as http:
        position = http.post("/v1/store/read", json={"at": None, "calls": []}).json()["position"]
        server.client.rename("moved", "new")
        for number in range(4):
            server.client.realm("short").set({"m": number})
        soon = time.monotonic() + 30
        server.client.store.compact(RealmName("short"), floor=8, deadline=soon)
        server.client.realm("child").set({"n": 1})
        calls = (
            {"call": "realms", "after": None},
            {"call": "children", "realm": "kept"},
            {"call": "lineage", "realm": "child"},
        )
        realms, children, lineage = ask(http, *calls, at=position)
        listed = [(name, exists) for name, _, exists, _ in realms["value"]["realms"]]
        assert listed == [("child", True), ("kept", True), ("moved", True), ("short", True)]
        assert children["value"] == {"kept": ["child"], "child": []}
        assert set(lineage["value"]["heads"]) == {"child", "kept", "global"}
    server.tokens["few"] = server.mint("read", realms="kept")
    with server.http("few") as http:
        (realms,) = ask(http, {"call": "realms", "after": None}, at=position)
        assert realms["value"] == {"realms": [["kept", 4, True, None]], "after": None}


def test_a_schema_is_its_readers(family):
    """A schema is given to whoever may look at a realm that has it; to others it is as one that nobody has."""
    family.client.realm("hidden").set_schema({"title": "CANARY"})
    hidden = family.client.store.head(RealmName("hidden")).revision.schema_digest
    own = family.client.store.head(RealmName("kid")).revision.schema_digest
    family.tokens["kid"] = family.mint("read", realms="kid")
    with family.http("kid") as http:
        answers = ask(http, *({"call": "schema", "digest": one} for one in (hidden, "0" * 64, own)))
    assert answers[0] == answers[1]
    assert answers[0]["error"]["code"] == "realm_not_found"
    assert answers[2]["value"]["properties"]
