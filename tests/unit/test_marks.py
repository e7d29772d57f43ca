"""Marks that come back, and writes that would read a secret: decided in the core, so on every way in (G11)."""

from __future__ import annotations

import pytest

from realmconf import SecretMarkMisplaced, SecretWithheld, connect
from realmconf.domain.pointer import Pointer

CANARY = "canary-1f9e"
SCHEMA = {
    "properties": {
        "dsn": {"type": "string", "writeOnly": True},
        "servers": {"items": {"properties": {"login": {"format": "password"}}}},
    }
}


@pytest.fixture
def realm(client):
    realm = client.realm("team")
    realm.set_schema(SCHEMA)
    realm.set(
        {
            "dsn": CANARY,
            "db": {"password": CANARY, "host": "h"},
            "servers": [{"url": "u", "login": CANARY}, {"url": "v", "login": CANARY + "2"}],
            "note": "n",
        }
    )
    return realm


@pytest.fixture
def shown(client, realm):
    """The document as somebody without the right to secrets is shown it."""

    def show():
        secrecy = client.lineages.secrecy(realm.realm_id)
        return secrecy.redact(dict(realm.get().document))

    return show


@pytest.fixture
def blind(client):
    """A client without the right to secrets on the same store."""
    if client.url.startswith("memory:"):
        other = type(client)(client.store, author="blind", sees_secrets=False)
        yield other
        return
    with connect(client.url, author="blind", sees_secrets=False) as other:
        yield other


def test_what_is_shown_holds_no_secret(shown):
    """By name, by schema, in an array: each literal is a mark of its own."""
    text = str(shown())
    assert CANARY not in text
    assert text.count("«secret:") == 4
    marks = {shown()["dsn"], shown()["db"]["password"], shown()["servers"][0]["login"]}
    assert len(marks) == 3


def test_a_mark_at_its_own_place_keeps_what_is_stored(realm, shown):
    """In a whole document, a patch, a JSON patch with a test, one value, an update; also over newer changes."""
    stored = dict(realm.get().document)
    given = {**shown(), "note": "changed"}
    assert realm.set(given).document == {**stored, "note": "changed"}
    assert realm.patch({"db": {**shown()["db"], "host": "i"}}).document["db"] == {
        "password": CANARY,
        "host": "i",
    }
    assert not realm.set_value("dsn", shown()["dsn"]).changed
    tested = {"op": "test", "path": "/dsn", "value": shown()["dsn"]}
    added = {"op": "replace", "path": "/db", "value": {**shown()["db"], "host": "j"}}
    assert realm.json_patch([tested, added]).document["db"]["password"] == CANARY
    assert realm.update(lambda draft: {**shown(), "note": "u"}).document["dsn"] == CANARY
    base = realm.get()
    seen = shown()
    realm.set_value("note", "meanwhile")
    rebased = realm.set({**seen, "x": 1}, expected=base, on_conflict="rebase").document
    assert (rebased["note"], rebased["x"], rebased["dsn"]) == ("meanwhile", 1, CANARY)


@pytest.mark.parametrize(
    "place", ["note", "db.host", "db.token", "other", "servers", "realm.team.store"]
)
def test_a_mark_elsewhere_is_refused(realm, shown, place):
    """It stands for the secret of one place; nothing is changed, and nothing said of the value."""
    before = realm.get()
    for value in (shown()["dsn"], f"x{shown()['dsn']}", [shown()["dsn"]], {"k": shown()["dsn"]}):
        with pytest.raises(SecretMarkMisplaced) as refused:
            realm.set_value(place, value)
        assert CANARY not in str(refused.value.to_dict())
    assert realm.get() == before


def test_a_mark_of_an_older_value_is_refused(realm, shown):
    """It said that the secret is the one that was shown, and it is not any more."""
    mark = shown()["dsn"]
    realm.set_value("dsn", "rotated")
    with pytest.raises(SecretMarkMisplaced):
        realm.set_value("dsn", mark)
    assert realm.get().document["dsn"] == "rotated"


def test_marks_of_elements_do_not_change_places(realm, shown):
    """A credential of one server never ends up with another."""
    first, second = shown()["servers"]
    with pytest.raises(SecretMarkMisplaced):
        realm.set_value("servers", [second, first])
    with pytest.raises(SecretMarkMisplaced):
        realm.json_patch([{"op": "add", "path": "/servers/0", "value": first}])
    assert realm.set_value("servers", [first]).document["servers"] == [
        {"url": "u", "login": CANARY}
    ]


def test_a_forged_mark_is_refused(realm):
    """Nobody without the store's key can make one."""
    for text in ("«secret»", "«secret:0123456789abcdef»", "«secret:"):
        with pytest.raises(SecretMarkMisplaced):
            realm.set_value("dsn", text)


def test_another_realm_has_other_marks(client, realm, shown):
    """A mark is of one realm too."""
    client.copy("team", "twin")
    with pytest.raises(SecretMarkMisplaced):
        client.realm("twin").set_value("dsn", shown()["dsn"])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "copy", "from": "/dsn", "path": "/note"},
        {"op": "move", "from": "/dsn", "path": "/note"},
        {"op": "copy", "from": "/db", "path": "/open"},
        {"op": "move", "from": "/servers/1", "path": "/servers/0"},
        {"op": "copy", "from": "", "path": "/all"},
        {"op": "test", "path": "/dsn", "value": CANARY},
        {"op": "test", "path": "/db", "value": {"password": CANARY, "host": "h"}},
    ],
)
def test_who_may_not_see_secrets_cannot_copy_move_or_test_one(realm, blind, operation):
    """Whoever may see them can; nothing is changed, and the answer is the same for a right guess and a wrong one."""
    before = realm.get()
    with pytest.raises(SecretWithheld) as refused:
        blind.realm("team").json_patch([operation])
    assert CANARY not in str(refused.value.to_dict())
    wrong = [{**operation, "value": "wrong"}] if operation["op"] == "test" else []
    for attempt in wrong:
        with pytest.raises(SecretWithheld):
            blind.realm("team").json_patch([attempt])
    assert realm.get() == before
    realm.json_patch([operation])


def test_steps_on_the_way_do_not_help(realm, blind):
    """Each operation is judged on what those before it made."""
    for operations in (
        [
            {"op": "remove", "path": "/servers/0"},
            {"op": "copy", "from": "/servers/0", "path": "/x"},
        ],
        [
            {"op": "add", "path": "/x", "value": {}},
            {"op": "copy", "from": "/db", "path": "/x/y"},
        ],
    ):
        with pytest.raises(SecretWithheld):
            blind.realm("team").json_patch(operations)
    allowed = [{"op": "copy", "from": "/note", "path": "/x"}]
    assert blind.realm("team").json_patch(allowed).document["x"] == "n"


def test_what_was_secret_stays_secret(client, realm):
    """Under another schema, without one, in a copy, under another name, without the parent that said so."""
    child = client.realm("child")
    child.set({"dsn": CANARY, "realm": {"child": {"parent": "team"}}})
    realm.set_schema({"properties": {"other": {"writeOnly": True}}})
    realm.unset_schema()
    child.set_parent(None)
    client.copy("team", "twin")
    client.copy("child", "orphan")
    client.rename("team", "crew")
    client.realm("gone").set({"dsn": CANARY, "realm": {"gone": {"parent": "crew"}}})
    client.realm("crew").delete()
    for name in ("child", "twin", "orphan", "crew", "gone"):
        secrecy = client.lineages.secrecy(client.realm(name).realm_id)
        assert secrecy.is_secret(Pointer(("dsn",))), name
        document = client.realm(name).get().document
        assert CANARY not in str(secrecy.redact(dict(document or {})))
    for snapshot in client.realm("crew").history():
        secrecy = client.lineages.secrecy(client.realm("crew").realm_id)
        assert CANARY not in str(secrecy.redact(dict(snapshot.document or {})))
    secrecy = client.lineages.secrecy(client.realm("twin").realm_id)
    assert secrecy.is_secret(Pointer(("other",)))


def test_secrets_are_in_no_representation_or_error(client, realm):
    """What ends up in logs by accident: reprs, texts of errors, plans."""
    plan = realm.patch({"db": {"password": CANARY + "x"}}, dry_run=True)
    found = realm.explain("db")
    said = [
        repr(realm.get()),
        repr(plan),
        repr(plan.changes),
        repr(found),
        repr(found.parts),
        repr(realm.history()),
        repr(realm.envelope()),
        repr(client.realms()),
    ]
    assert CANARY not in "".join(said)
    # The configuration itself knows what is secret by its name, and not what a schema says.
    assert "'password': 'canary" not in repr(realm.get().document) + repr(realm.get().config)


def test_what_comes_after_a_test_for_a_mark_is_looked_at_too(realm, blind, shown):
    """A test for the mark that was shown holds, and lets nobody copy or move a secret behind it."""
    tested = {"op": "test", "path": "/dsn", "value": shown()["dsn"]}
    for name in ("copy", "move"):
        with pytest.raises(SecretWithheld):
            blind.realm("team").json_patch([tested, {"op": name, "from": "/dsn", "path": "/note"}])
    assert realm.get().document["note"] == "n"
