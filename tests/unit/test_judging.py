"""Which schemas would tell what a secret is (G11)."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.schemas.judging import judged, judged_in
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.secrets import Secrecy

SECRECY = Secrecy(realm="team")
MARKED = Secrecy(
    realm="team",
    shape=Shape.of(
        (
            {
                "properties": {
                    "dsn": {"x-secret": True},
                    "rows": {"items": {"properties": {"login": {"x-secret": True}}}},
                }
            },
        )
    ),
)


def of(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def place(found: Any) -> str | None:
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({}, None),
        (of(password={"type": "string", "format": "password", "description": "d"}), None),
        (of(host={"pattern": "^h"}), None),
        (of(password={"pattern": "^s"}), "/password"),
        (of(password={"format": "uuid"}), "/password"),
        (of(db=of(password={"minLength": 8})), "/db/password"),
        (of(password={"not": {"const": "x"}}), "/password"),
        (of(password={"anyOf": [True, {"enum": ["x"]}]}), "/password"),
        (of(password={"dependencies": {"a": {"maxLength": 3}}}), "/password"),
        (of(dsn={"maximum": 3}), None),
        ({"patternProperties": {"_token$|^password$": {"minLength": 3}}}, "/password"),
        ({"patternProperties": {"^host": {"minLength": 3}}}, None),
        ({"additionalProperties": {"properties": {"token": {"minLength": 3}}}}, "/*/token"),
        ({"unevaluatedProperties": {"properties": {"token": {"minLength": 3}}}}, "/*/token"),
        (of(rows={"items": of(token={"minLength": 3})}), "/rows/-/token"),
        (of(rows={"contains": of(token={"minLength": 3})}), "/rows/-/token"),
        (of(rows={"uniqueItems": True, "items": of(token={"type": "string"})}), "/rows"),
        (of(rows={"uniqueItems": True, "items": of(login=of(token={}))}), "/rows"),
        (of(rows={"uniqueItems": True, "items": of(host={"type": "string"})}), None),
        (of(rows={"uniqueItems": False, "items": of(token={"type": "string"})}), None),
        (of(rows={"x-merge-key": "token"}), "/rows"),
        (of(rows={"x-merge-key": "name"}), None),
        (of(api_keys={"uniqueItems": True}), "/api_keys"),
        (of(db={"const": {"password": "x"}}), "/db"),
        (of(db={"enum": [None, {"host": "x"}]}), None),
        (of(db={"enum": [{"password": "x"}]}), "/db"),
    ],
)
def test_a_schema_that_would_judge_a_secret_is_known_by_its_place(schema, where):
    """Whether one stands there or not: its type and that it is there are shown anyway, all else would tell."""
    assert place(judged(schema, SECRECY)) == where


def test_what_another_schema_calls_secret_is_judged_too():
    """The realm's schemas of before say what is secret; so may the new one itself."""
    assert place(judged(of(dsn={"maxLength": 3}), MARKED)) == "/dsn"
    assert place(judged(of(dsn={"maxLength": 3, "x-secret": True}), SECRECY)) == "/dsn"
    assert place(judged(of(rows={"uniqueItems": True}), MARKED)) == "/rows"
    assert place(judged(of(rows={"x-merge-key": "login"}), MARKED)) == "/rows"
    assert place(judged({"x-secret": True, "enum": ["x"]}, SECRECY)) == ""
    assert judged(of(host={"maxLength": 3}), MARKED) is None


def test_a_schema_that_refers_to_itself_is_read_to_an_end():
    """Without secrets nothing is found, with one it is, however it is reached."""
    node = {"properties": {"rows": {"uniqueItems": True, "items": {"$ref": "#"}}}}
    assert judged(node, SECRECY) is None
    assert place(judged({"properties": {**node["properties"], "token": {}}}, SECRECY)) == "/rows"


@pytest.mark.parametrize(
    ("schema", "config", "where"),
    [
        (of(password={"pattern": "^s"}), {"password": "x"}, "/password"),
        (of(password={"pattern": "^s"}), {}, None),
        (of(password={"pattern": "^s"}), {"password": "secret://env/X"}, None),
        (of(password={"type": "string"}), {"password": "x"}, None),
        ({"additionalProperties": {"minLength": 3}}, {"password": "x"}, "/password"),
        ({"unevaluatedProperties": {"minLength": 3}}, {"password": "x"}, "/password"),
        ({"patternProperties": {"word$": {"minLength": 3}}}, {"password": "x"}, "/password"),
        (of(rows={"uniqueItems": True}), {"rows": [{"token": "x"}]}, "/rows/0/token"),
        (of(rows={"uniqueItems": True}), {"rows": {"token": "x"}}, None),
        (of(rows={"uniqueItems": True}), {"rows": ["x"]}, None),
        (of(rows={"items": of(token={"const": 1})}), {"rows": [{"token": "x"}]}, "/rows/0/token"),
        (of(rows={"prefixItems": [of(token={"const": 1})]}), {"rows": [{}, {"token": "x"}]}, "/rows/1/token"),
        (of(rows={"x-merge-key": "token"}), {"rows": [{"token": "x"}]}, "/rows/0/token"),
        (of(rows={"x-merge-key": "name"}), {"rows": [{"token": "x"}]}, None),
        (of(db={"enum": [{"token": "y"}]}), {"db": {"token": "x"}}, "/db/token"),
        ({"not": {"const": {"token": "y"}}}, {"token": "x"}, "/token"),
    ],
)  # fmt: skip
def test_a_schema_that_judges_a_secret_that_is_there_is_known_by_its_place(schema, config, where):
    """What is said of members without a name, of elements anywhere and of a whole counts too."""
    assert place(judged_in(schema, config, SECRECY)) == where


def test_what_another_schema_calls_secret_is_found_where_it_is():
    """Also in an element, and as the name of one."""
    rows = {"rows": [{"login": "x"}]}
    assert place(judged_in(of(rows={"x-merge-key": "login"}), rows, MARKED)) == "/rows/0/login"
    assert place(judged_in(of(rows={"items": of(login={"enum": ["y"]})}), rows, MARKED)) == "/rows/0/login"  # fmt: skip
    assert judged_in(of(rows={"x-merge-key": "name"}), rows, MARKED) is None
