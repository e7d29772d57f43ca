"""
Whoever may not see a secret finds out nothing about it by what they are answered.

Two stores that differ by one secret alone are asked the same: in one of them what is stated is that secret.  They
answer alike, but for what is visibly appended.
"""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import event, example, given, note
from hypothesis import strategies as st

import realmconf
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.secrets import Secrecy
from realmconf.errors import RealmconfError
from realmconf.runtime.access import Grant
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.runtime.operations.session import Session
from realmconf.surfaces.answers import answer

GUESS, OTHER = "s-guess", "s-other"
KEYS = st.sampled_from(["a", "b", "password", "api_keys"])
SCALARS = st.sampled_from([1, True, "x", GUESS, "secret://env/KEY"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=5,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)
PATCHES = st.dictionaries(
    KEYS,
    st.recursive(
        st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=2)),
        lambda inner: st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=2,
)
POINTERS = st.lists(
    st.sampled_from(["a", "b", "password", "api_keys", "0", "-"]), min_size=1, max_size=3
).map(Pointer)
OPERATIONS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["add", "replace", "test"]),
                "path": POINTERS.map(str),
                "value": VALUES,
            }
        ),
        st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS.map(str)}),
        st.fixed_dictionaries(
            {
                "op": st.sampled_from(["move", "copy"]),
                "from": POINTERS.map(str),
                "path": POINTERS.map(str),
            }
        ),
    ),
    min_size=1,
    max_size=3,
)
PLAIN_SCHEMA = {"properties": {"b": {"x-secret": True}}}
KEYED_SCHEMA = {"properties": {"a": {"x-merge-key": "b"}, "b": {"x-merge-key": "a"}}}
COMMANDS = st.one_of(
    st.tuples(st.just("config/set"), st.builds(lambda one: {"config": one}, DOCUMENTS)),
    st.tuples(st.just("config/patch"), st.builds(lambda one: {"patch": one}, PATCHES)),
    st.tuples(st.just("config/json_patch"), st.builds(lambda one: {"operations": one}, OPERATIONS)),
    st.tuples(
        st.just("config/set_value"),
        st.builds(lambda path, value: {"path": str(path), "value": value}, POINTERS, VALUES),
    ),
    st.tuples(
        st.just("config/transaction"),
        st.builds(lambda one: {"parts": [{"realm": "team", "patch": one}]}, PATCHES),
    ),
    st.tuples(
        st.just("schema/set"),
        st.builds(lambda one: {"schema": {"title": "t"}, "patch": one}, PATCHES),
    ),
    st.tuples(st.just("config/validate"), st.builds(lambda one: {"config": one}, DOCUMENTS)),
    st.tuples(
        st.just("config/plan"),
        st.builds(lambda one: {"patch": one, "reason": "r", "expected_generation": 1}, PATCHES),
    ),
)
HOW = st.fixed_dictionaries(
    {
        "dry_run": st.booleans(),
        "behind": st.sampled_from([None, 0, 1]),
        "paths": st.sampled_from(
            [(), (Pointer(("a",)),), (Pointer(("b",)), Pointer(("api_keys",)))]
        ),
    }
)


def _with_secret(value: Any, secret: str, secrecy: Secrecy, at: Pointer = ROOT) -> Any:
    """*value* with *secret* wherever a secret of it is the one that is guessed."""
    if isinstance(value, dict):
        return {
            key: _with_secret(item, secret, secrecy, at.child(key)) for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _with_secret(item, secret, secrecy, at.child(str(index)))
            for index, item in enumerate(value)
        ]
    return secret if value == GUESS and secrecy.is_secret(at) else value


def _shown(found: Any) -> str:
    """An answer without what differs by itself: marks, digests, times, ids."""
    text = json.dumps(found, sort_keys=True, ensure_ascii=False)
    text = re.sub(r"«secret:[0-9a-f]+»", "«secret»", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>", text)
    text = re.sub(r"(plan|w)-[0-9a-f]+", "<id>", text)
    return re.sub(r"\b[0-9a-f]{12,64}\b", "<digest>", text)


def _ask(session: Session, name: str, arguments: dict[str, Any]) -> str:
    try:
        return _shown(answer(BY_NAME[name], session, arguments))
    except RealmconfError as refused:
        return _shown(refused.to_dict())


def _world(secret: str, history: list[dict], schema: dict | None) -> Any:
    client = realmconf.connect("memory://", author="ada")
    team = client.realm("team")
    if schema is not None:
        team.set_schema(schema)
    secrecy = client.lineages.secrecy(team.realm_id)
    for document in history:
        team.set(_with_secret(document, secret, secrecy))
    return client


def _eve(client: Any, *roles: str, paths: tuple[Pointer, ...] = ()) -> Session:
    grant = Grant(id="t-1", name="eve", roles=frozenset(roles), paths=paths)
    return Session(client, grant, surface="http")


@given(
    st.lists(DOCUMENTS, min_size=1, max_size=3),
    st.sampled_from([None, PLAIN_SCHEMA, KEYED_SCHEMA]),
    COMMANDS,
    HOW,
)
@example(
    [{"a": 1}, {"a": 1, "password": GUESS}],
    None,
    ("config/patch", {"patch": {"password": GUESS}}),
    {"dry_run": False, "behind": 1, "paths": ()},
)
@example(
    [{"password": GUESS}, {"password": "x"}],
    None,
    ("config/set", {"config": {"password": GUESS}}),
    {"dry_run": False, "behind": 1, "paths": ()},
)
@example(
    [{"a": 1, "password": GUESS}],
    None,
    ("config/set", {"config": {"a": 2, "password": GUESS}}),
    {"dry_run": False, "behind": None, "paths": (Pointer(("a",)),)},
)
def test_a_right_guess_is_answered_as_a_wrong_one(history, schema, command, how):
    """G11: dry runs, plans, writes, rebases and refusals say nothing of a stated secret but that it was written."""
    name, arguments = command
    answers = []
    for secret in (GUESS, OTHER):
        with _world(secret, history, schema) as client:
            head = client.realm("team").get().generation
            asked = dict(arguments)
            if name == "config/plan":
                asked["expected_generation"] = head
            if name != "config/transaction":
                asked["realm"] = "team"
            if name not in ("config/validate", "config/plan"):
                asked["dry_run"] = how["dry_run"]
                behind = how["behind"]
                if behind is not None and head > behind and name != "config/transaction":
                    asked |= {"expected_generation": head - behind, "on_conflict": "rebase"}
            session = _eve(client, "admin", paths=how["paths"])
            answers.append(_ask(session, name, asked))
    note(answers[0])
    event(
        re.sub(r'.*"code": "([a-z_]+)".*', r"\1", answers[0])[:40]
        if "code" in answers[0]
        else "done"
    )
    assert answers[0] == answers[1]


SUBSCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"const": GUESS},
            {"enum": [GUESS, 1]},
            {"pattern": "^s-g"},
            {"minLength": 8},
            {"maximum": 3},
            {"format": "password"},
            {"type": "string"},
            {"uniqueItems": True},
            {"const": {"password": GUESS}},
            {"enum": [[GUESS], {"a": {"password": GUESS}}]},
            {"x-merge-key": "password"},
            {"x-secret": True},
            {"title": "t"},
            {"$ref": "#/$defs/one"},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda one: {"properties": one}, st.dictionaries(KEYS, inner, max_size=2)),
        st.builds(
            lambda word, one: {word: one},
            st.sampled_from(
                ["additionalProperties", "items", "contains", "not", "if", "unevaluatedProperties"]
            ),
            inner,
        ),
        st.builds(
            lambda word, some: {word: some},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=2),
        ),
        st.builds(lambda one: {"patternProperties": {"^(p|a)": one}}, inner),
        st.builds(lambda one: {"dependentSchemas": {"a": one}}, inner),
    ),
    max_leaves=4,
)
SCHEMAS = st.builds(
    lambda one, other: {**one, "$defs": {"one": {**other, "title": "o"}}},
    SUBSCHEMAS,
    SUBSCHEMAS.filter(lambda schema: "$ref" not in json.dumps(schema)),
)


@given(DOCUMENTS, DOCUMENTS, SCHEMAS, st.sampled_from(["team", "org", "global", "new parent"]))
@example({"password": GUESS}, {}, {"properties": {"password": {"pattern": "^s-g"}}}, "team")
@example({"password": GUESS}, {}, {"additionalProperties": {"pattern": "^s-g"}}, "global")
@example({}, {"a": {"password": GUESS}}, {"const": {"a": {"password": GUESS}}}, "team")
@example({"b": GUESS}, {}, {"additionalProperties": {"maxLength": 1}}, "new parent")
def test_no_schema_tells_what_a_secret_is(own, inherited, schema, where):
    """
    G11: a schema is laid over secrets, of the realm or its heirs or its new parents, only by whoever may see them.

    Whether it is attached to the realm, to one above it, or to one that becomes its parent.
    """
    answers = []
    for secret in (GUESS, OTHER):
        with realmconf.connect("memory://", author="ada") as client:
            org, team = client.realm("org"), client.realm("team")
            org.set_schema({"properties": {"b": {"x-secret": True}}})
            secrecy = client.lineages.secrecy(org.realm_id)
            org.set(_with_secret(inherited, secret, secrecy))
            team.set({"realm": {"team": {"parent": "org"}}})
            team.patch(_with_secret(own, secret, secrecy))
            if where == "org":
                client.realm("org").unset_schema()
            admin = _eve(client, "admin")
            told = []
            if where == "new parent":
                told.append(_ask(admin, "schema/set", {"realm": "trap", "schema": schema}))
                told += [
                    _ask(
                        admin,
                        "realm/set_parent",
                        {"realm": realm, "parent": parent, "dry_run": is_dry},
                    )
                    for realm, parent in (("team", "trap"), ("trap", "team"))
                    for is_dry in (True, False)
                ]
                moved = {"realm": {"team": {"parent": "trap"}}}
                told.append(_ask(admin, "config/validate", {"realm": "team", "config": moved}))
            else:
                told += [
                    _ask(admin, "schema/set", {"realm": where, "schema": schema, "dry_run": is_dry})
                    for is_dry in (True, False)
                ]
            told.append(_ask(admin, "config/validate", {"realm": "team"}))
            answers.append(told)
    note(str(answers[0]))
    event("withheld" if "secret_withheld" in str(answers[0]) else "judged")
    assert answers[0] == answers[1]
