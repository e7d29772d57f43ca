"""What is sent to the store's routes and is not what it should be: refused, typed, and nothing is changed."""

from __future__ import annotations

import random
from itertools import pairwise

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.surfaces.http.remote import Restarted

from realmconf.domain.archive import revision_fields
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, seal

WELL_FORMED = {
    "read": {
        "at": None,
        "calls": [
            {"call": "lineage", "realm": "r", "known": {"r": "x"}, "schemas": ["x"]},
            {"call": "revision", "realm": "r", "generation": 1},
            {"call": "revisions", "realm": "r", "after": 0, "before": 9, "limit": 3},
            {"call": "steps", "after": {"r": 0}, "limit": 3},
            {"call": "position", "realm": "r", "generation": 1},
            {"call": "as_of", "realm": "r", "position": 1},
            {"call": "receipt", "realm": "r", "write_id": "x"},
            {"call": "realms", "after": "a"},
            {"call": "children", "realm": "r"},
            {"call": "schema", "digest": "x"},
            {"call": "schemas", "realm": "r"},
        ],
    },
    "write": {
        "writes": [
            {
                "realm": "r",
                "command": {"do": "patch", "patch": {"n": 1}},
                "expected": [1, None],
                "create": False,
                "must_exist": False,
                "on_conflict": "rebase",
                "depends_on": ["/n"],
            }
        ],
        "author": "x",
        "message": "m",
        "surface": "sdk",
        "write_id": "w",
        "sees_secrets": True,
        "scope": {"below": ["/n"], "changes_place": True},
        "identities": [["x"]],
        "standing": {"r": "x"},
        "known": {"r": "x"},
        "dry_run": True,
        "timeout": 1.0,
    },
    "void": {"realm": "r", "write_id": "v", "timeout": 1.0},
    "compact": {"realm": "r", "floor": 1, "timeout": 1.0},
    "purge": {"realm": "r", "generation": 9, "document": {}, "timeout": 1.0},
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "_tokens", "r", "\u0000", "x" * 2_000, "«secret:0123456789abcdef»", "..", "ſ"]
    ),
    st.just([]),
    st.just({}),
    st.just([[{}]]),
    st.just({"a": [None]}),
    st.just([1, 2, 3]),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = Restarted(str(tmp_path_factory.mktemp("server") / "root"))
    client = server.asked_with("admin", "secrets")
    client.realm("r").set({"n": 1})
    yield server, client
    client.close()
    server.stop()


def posted(client, path, body):
    """The answer to *body* as it is sent, by whoever has the token of *client*."""
    token = client.store.connection._token
    return httpx.request(
        "POST",
        client.store.connection.address.origin + path,
        json=body,
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    )


def places(value, at=()):
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*at, index))


def replaced(value, place, odd):
    if not place:
        return odd
    key, *rest = place
    if isinstance(value, dict):
        return {**value, key: replaced(value[key], rest, odd)}
    return [replaced(item, rest, odd) if index == key else item for index, item in enumerate(value)]


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_is_sent(running, data):
    """G12: any value in any place of a request gets a typed answer, and never a defect."""
    _, client = running
    name = data.draw(st.sampled_from(sorted(WELL_FORMED)))
    body = WELL_FORMED[name]
    place = data.draw(st.sampled_from(list(places(body))))
    sent = replaced(body, place, data.draw(ODD))
    response = posted(client, f"/v1/store/{name}", sent)
    answer = response.json()
    if response.status_code != 200:
        assert response.status_code < 500 or answer["code"] != "defect", (name, sent, answer)
        assert answer["code"] != "error"
    for one in answer.get("answers", ()) if isinstance(answer, dict) else ():
        assert one.keys() in ({"value"}, {"error"})
    assert client.realm("r").get().document == {"n": 1}


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 500])
def test_what_is_no_object(running, body):
    """A body that is no JSON object is refused on every route."""
    server, client = running
    for name in WELL_FORMED:
        response = httpx.post(
            f"{server.url}/v1/store/{name}",
            content=body,
            headers={"authorization": f"Bearer {client.store.connection._token}"},
            timeout=60,
        )
        assert response.status_code in (400, 413)
        assert response.json()["code"] in ("invalid_argument", "invalid_document", "limit_exceeded")


def sealed(realm, generation, previous, **fields):
    return seal(
        **{
            "realm": RealmName(realm),
            "generation": generation,
            "kind": "set",
            "document": {"n": generation},
            "author": "me",
            "surface": "sdk",
            "write_id": "w",
            "created_at": "2024-02-29T12:00:00.000000Z",
            "salt": "s",
            "previous": previous,
            **fields,
        }
    )


def sent_as(revision, *, realm="r", heads=None, **rest):
    return {
        "judgements": [
            {
                "realm": realm,
                "write_id": "w",
                "write_id_given": False,
                "request": "",
                "revision": revision,
                "schemas": {},
            }
        ],
        "basis": {"heads": heads or {}, "position": None},
        "rename": None,
        "timeout": 5.0,
        **rest,
    }


def test_revisions_that_are_not_what_they_claim(running):
    """A revision is appended only as the next one of its chain, intact, valid, of a realm that may be named."""
    _, client = running
    digest = client.realm("r").get().digest
    good = revision_fields(sealed("r", 2, digest))
    forged = [
        revision_fields(sealed("r", 3, digest)),
        revision_fields(sealed("r", 1, digest)),
        revision_fields(sealed("r", 2, GENESIS)),
        revision_fields(sealed("r", 2, digest, kind="fly")),
        revision_fields(sealed("r", 2, digest, author="x" * 300)),
        revision_fields(sealed("r", 2, digest, document=None, tombstone=False)),
        {**good, "author": "somebody else"},
        {**good, "document": {"n": 3}},
        {**good, "document": {"n": None}},
        {**good, "purged": True},
        {**good, "written_as": "other"},
        {**good, "written_as": "_tokens"},
        {key: value for key, value in good.items() if key != "digest"},
        {},
        [],
        "x",
    ]
    with client.store.view() as view:
        position = view.last_position()
    for revision in forged:
        response = posted(client, "/v1/store/apply", sent_as(revision))
        assert response.status_code in (400, 413), revision
        assert response.json()["code"].startswith(("invalid_", "limit_"))
    system = posted(client, "/v1/store/apply", sent_as(good, realm="_tokens"))
    assert system.json()["code"] == "invalid_realm"
    for stale in ({"r": "0" * 64}, {"r": ""}, {"other": "0" * 64}):
        moved = posted(client, "/v1/store/apply", sent_as(good, heads=stale))
        assert moved.json() == {"moved": True}
    with client.store.view() as view:
        assert view.last_position() == position


def test_sealed_revisions_need_every_right(running):
    """Without admin, without secrets, or in other realms, nothing sealed is taken; nor with narrowed places."""
    server, client = running
    digest = client.realm("r").get().digest
    good = sent_as(revision_fields(sealed("r", 2, digest)))
    for roles, realms in (
        (("admin",), "*"),
        (("write", "secrets"), "*"),
        (("admin", "secrets"), "other"),
    ):
        other = server.asked_with(*roles, realms=realms)
        for route, body in (
            ("apply", good),
            ("compact", WELL_FORMED["compact"]),
            ("purge", WELL_FORMED["purge"]),
            ("backup", {}),
            ("contents", {}),
        ):
            response = posted(other, f"/v1/store/{route}", body)
            assert response.json()["code"] == "not_permitted", (roles, route)
        other.close()
    assert client.realm("r").get().generation == 1


def test_pages_of_everything(running):
    """However much there is, and however it is cut into answers, a view gives all of it, in order, once."""
    server, client = running
    chance = random.Random(1)
    big = server.client.realm("big")
    for number in range(20):
        big.set({"n": number, "text": "x" * chance.randrange(500_000, 900_000)})
    with client.store.view() as view:
        found = view.revisions(RealmName("big"))
        assert [one.generation for one in found] == list(range(1, 21))
        newest = view.revisions(RealmName("big"), newest_first=True, limit=15)
        assert [one.generation for one in newest] == list(range(20, 5, -1))
        steps = view.steps({RealmName("big"): 3, RealmName("r"): 0}, limit=12)
        assert len(steps) == 12
        assert all(one.position < two.position for one, two in pairwise(steps))
