"""What does not fit is told of what can be seen."""

from __future__ import annotations

from typing import Any

from realmconf.domain.admit import violations_of
from realmconf.domain.composition import Composed
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, seal
from realmconf.domain.withheld import Withheld

TEAM = RealmName("team")


def composed(document: dict[str, Any], *schemas: dict[str, Any]) -> Composed:
    revision = seal(
        realm=TEAM,
        generation=1,
        kind="set",
        document={},
        author="a",
        surface="sdk",
        write_id="w",
        created_at="",
        salt="",
        previous=GENESIS,
    ).replace(document=document, document_digest="")
    return Composed(TEAM, revision, None, tuple((str(schema), schema) for schema in schemas))


def test_nobody_is_told_that_a_withheld_secret_does_not_fit() -> None:
    """Its mark is judged here in its place, of which nothing follows (G11); all else is told."""
    document = {"token": Withheld("«secret:0123456789abcdef»", "/token", "team"), "n": ["x"]}
    for said in ({"maxLength": 3}, {"type": "integer"}, {"type": "string"}, {"pattern": "^x"}):
        schema = {"properties": {"token": said, "n": {"items": {"type": "integer"}}}}
        found = violations_of(composed(document, schema))
        assert [one["pointer"] for one in found] == ["/n/0"]
    found = violations_of(composed({**document, "token": 5}, schema | {"required": ["m"]}))
    assert [one["pointer"] for one in found] == ["/m", "/n/0"]
    schema = {"properties": {"token": {"maxLength": 3}}}
    assert [one["pointer"] for one in violations_of(composed({"token": "long"}, schema))] == [
        "/token"
    ]


def test_what_is_withheld_of_an_ancestor_is_not_told_either() -> None:
    """The realm's own document may have nothing to withhold."""
    parent = composed({"token": Withheld("«secret:0123456789abcdef»", "/token", "org")})
    schema = {"properties": {"token": {"maxLength": 3}, "n": {"type": "integer"}}}
    child = composed({"n": "x"}).revision
    assert child is not None
    found = Composed(TEAM, child, parent, (("d", schema),))
    assert [one["pointer"] for one in violations_of(found)] == ["/n"]
    own = Composed(TEAM, child.replace(document_digest="5" * 64), parent, (("d", schema),))
    assert violations_of(own) == violations_of(found)


def test_what_several_schemas_say_of_a_place_is_told_once() -> None:
    """For each keyword; in the order of places."""
    number = {"properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}}
    small = {"properties": {"b": {"type": "integer"}, "c": {"maximum": 3}}}
    found = violations_of(composed({"a": "x", "b": "x", "c": 5}, number, small))
    assert [(one["pointer"], one["keyword"]) for one in found] == [
        ("/a", "type"),
        ("/b", "type"),
        ("/c", "maximum"),
    ]
    assert violations_of(composed({"a": "x"})) == ()
