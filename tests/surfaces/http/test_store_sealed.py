"""Revisions that a client of the store's routes has decided itself: what they may state, and where they may stand."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.archive import revision_fields
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, Policy, seal

FAR = 2**53 - 1


def sealed(head, document, **fields):
    """What goes on from *head*, as it is sent."""
    realm = fields.pop("realm", head.realm)
    stated = {
        "generation": head.generation + 1,
        "kind": "set",
        "author": "me",
        "surface": "sdk",
        "write_id": "w-sealed",
        "created_at": "2024-02-29T12:00:00.000000Z",
        "salt": "s",
        "previous": GENESIS if head.revision is None else head.revision.digest,
        **fields,
    }
    revision = seal(realm=RealmName(realm), document=document, **stated)
    return {
        "judgements": [
            {
                "realm": realm,
                "write_id": revision.write_id,
                "write_id_given": False,
                "request": "",
                "revision": revision_fields(revision),
                "schemas": {},
            }
        ],
        "basis": {"heads": {}, "position": None},
        "rename": None,
        "timeout": 5.0,
    }


@pytest.fixture
def local(server):
    """A caller with every right in the realms of its own, and its look at realm ``a``."""
    server.client.realm("victim").set({"password": "CANARY", "n": 1})
    server.client.realm("a").set({"n": 1})
    server.tokens["local"] = server.mint("admin", "secrets", realms="a*")
    with server.http("local") as http:
        yield http


@pytest.mark.parametrize(
    "kind", ["set", "import", "restore", "migrate", "copy", "policy", "rename"]
)
def test_nobody_inherits_from_what_they_may_not_read(server, local, kind):
    """G11: a revision of any kind whose author may not read its parent is refused as if that were not there."""
    document = {"realm": {"a": {"parent": "victim"}}, "n": 2}
    head = server.client.store.head(RealmName("a"))
    refused = local.post("/v1/store/apply", json=sealed(head, document, kind=kind))
    assert (refused.status_code, refused.json()["parent"]) == (422, "victim")
    missing = {"realm": {"a": {"parent": "nobody"}}, "n": 2}
    same = local.post("/v1/store/apply", json=sealed(head, missing, kind=kind))
    assert same.text.replace("nobody", "victim") == refused.text
    calls = [{"call": "lineage", "realm": "victim"}]
    answer = local.post("/v1/store/read", json={"at": None, "calls": calls}).json()
    assert answer["answers"][0]["error"]["code"] == "not_permitted"
    assert server.client.realm("a").get().document == {"n": 1}


ODD: dict[str, dict[str, Any]] = {
    "an unknown schema": {"schema_digest": "f" * 64},
    "no digest": {"schema_digest": "junk"},
    "its own parent": {"document": {"realm": {"a": {"parent": "a"}}}},
    "a malformed section": {"document": {"realm": {"a": {"parent": 7}}}, "kind": "import"},
    "a scalar for a section": {"document": {"realm": 5}},
    "a mark": {"document": {"password": "«secret:0123456789abcdef»"}},
    "no time": {"created_at": "yesterday\n"},
    "a long surface": {"surface": "x" * 100_000},
    "no author": {"author": ""},
    "two lines of author": {"author": "eve\nroot"},
    "a control character": {"message": "\x1b[31m"},
    "no pointers": {"reverts": ("nowhere",)},
    "too many pointers": {"reverts": tuple(f"/{'x' * 100}{n}" for n in range(1_000))},
    "no generation": {"restores": 2**60},
    "no number to keep": {"policy": Policy(history_keep=2**60)},
    "no salt": {"salt": ""},
    "a long salt": {"salt": "s" * 129},
    "a deletion with a document": {"kind": "delete"},
    "too many numbers left out": {"kind": "import", "generation": FAR},
}


@pytest.mark.parametrize("odd", ODD)
def test_no_field_is_what_it_should_not_be(server, local, odd):
    """A revision that states what none of ours would is refused, and the realm is as it was."""
    fields: dict[str, Any] = {"document": {"n": 2}, **ODD[odd]}
    head = server.client.store.head(RealmName("a"))
    refused = local.post("/v1/store/apply", json=sealed(head, fields.pop("document"), **fields))
    assert refused.status_code in (400, 413, 422), refused.text
    assert refused.json()["code"].startswith(("invalid_", "lineage_", "limit_"))
    assert server.client.realm("a").get().generation == 1
    assert local.post("/v1/store/apply", json=sealed(head, {"n": 2})).status_code == 200


def test_a_schema_of_another_realm_is_not_taken(server, local):
    """A revision names the schemas that come with it or that its realm had: others are their readers' to know."""
    server.client.realm("victim").set_schema({"title": "CANARY"})
    digest = server.client.store.head(RealmName("victim")).revision.schema_digest
    head = server.client.store.head(RealmName("a"))
    refused = local.post("/v1/store/apply", json=sealed(head, {"n": 2}, schema_digest=digest))
    assert refused.json()["code"] == "invalid_argument"


def test_a_schema_judges_what_was_sealed(server, local):
    """A revision that its sender should have judged is judged again by the schemas of its realm."""
    server.client.realm("a").set_schema({"properties": {"n": {"type": "integer"}}})
    head = server.client.store.head(RealmName("a"))
    digest = head.revision.schema_digest
    refused = local.post("/v1/store/apply", json=sealed(head, {"n": "two"}, schema_digest=digest))
    assert refused.json()["code"] == "schema_violation"
