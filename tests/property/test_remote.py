"""A server and a folder are one library: the same calls, whatever they are, give the same documents and errors."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.surfaces.http.remote import Restarted

from realmconf import connect
from realmconf.errors import RealmconfError

_numbers = itertools.count()

KEYS = st.sampled_from(["a", "b", "token", "x/y", "ü"])
SCALARS = st.one_of(
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324]),
    st.text(max_size=3),
).filter(lambda value: not isinstance(value, str) or value.isprintable())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATCHES = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=3)
REALMS = st.sampled_from(["one", "one", "two"])
EXPECTED = st.integers(0, 5)
OPTIONS = st.one_of(
    st.just({}),
    st.just({}),
    st.fixed_dictionaries({"expected_generation": EXPECTED}),
    st.fixed_dictionaries({"expected_generation": EXPECTED, "on_conflict": st.just("rebase")}),
    st.fixed_dictionaries(
        {
            "expected_generation": EXPECTED,
            "on_conflict": st.just("rebase"),
            "depends_on": st.lists(st.sampled_from(["a", "b.a"]), max_size=1),
            "dry_run": st.booleans(),
        }
    ),
    st.fixed_dictionaries({"write_id": st.sampled_from(["id-1", "id-2"])}),
    st.fixed_dictionaries({"dry_run": st.just(True)}),
    st.fixed_dictionaries(
        {},
        optional={
            "expected_generation": EXPECTED,
            "create": st.booleans(),
            "must_exist": st.booleans(),
            "on_conflict": st.sampled_from(["fail", "rebase"]),
            "message": st.text(max_size=3).filter(str.isprintable),
        },
    ),
)
POINTERS = st.sampled_from(["/a", "/b/a", "/token", "/a/0", "/x~1y"])
CALLS = st.one_of(
    st.tuples(st.just("patch"), REALMS, PATCHES, OPTIONS),
    st.tuples(st.just("set_value"), REALMS, st.tuples(POINTERS, VALUES), OPTIONS),
    st.tuples(st.just("set"), REALMS, DOCUMENTS, OPTIONS),
    st.tuples(st.just("patch"), REALMS, PATCHES, OPTIONS),
    st.tuples(st.just("set_value"), REALMS, st.tuples(POINTERS, VALUES), OPTIONS),
    st.tuples(st.just("unset"), REALMS, POINTERS, OPTIONS),
    st.tuples(st.just("delete"), REALMS, st.none(), OPTIONS),
    st.tuples(st.just("rollback"), REALMS, st.integers(1, 5), OPTIONS),
    st.tuples(st.just("update"), REALMS, PATCHES, OPTIONS),
    st.tuples(st.just("json_patch"), REALMS, st.tuples(POINTERS, VALUES), OPTIONS),
    st.tuples(st.just("set_parent"), REALMS, st.sampled_from(["one", "two", None]), OPTIONS),
    st.tuples(st.just("set_policy"), REALMS, st.booleans(), OPTIONS),
    st.tuples(st.just("settle"), REALMS, st.sampled_from(["id-1", "id-3"]), st.just({})),
    st.tuples(st.just("at"), REALMS, st.integers(0, 6), st.just({})),
    st.tuples(st.just("transaction"), REALMS, DOCUMENTS, st.just({})),
)


def carry_out(client, prefix, call):
    """What a call comes to, as far as it is the same wherever it is made."""
    verb, name, argument, options = call
    realm = client.realm(f"{prefix}-{name}")
    try:
        if verb == "set_value":
            found = realm.set_value(*argument, **options)
        elif verb == "delete":
            found = realm.delete(**options)
        elif verb == "update":
            found = realm.update(
                lambda draft: {**draft, **{k: v for k, v in argument.items() if v is not None}},
                **options,
            )
        elif verb == "json_patch":
            place, value = argument
            found = realm.json_patch([{"op": "replace", "path": place, "value": value}], **options)
        elif verb == "set_parent":
            parent = None if argument is None else f"{prefix}-{argument}"
            found = realm.set_parent(parent, **options)
        elif verb == "set_policy":
            found = realm.set_policy(require_generation=argument, **options)
        elif verb == "settle":
            return repr(realm.settle(argument))
        elif verb == "transaction":
            both = client.transaction(
                [(f"{prefix}-one", {"set": argument}), (f"{prefix}-two", {"patch": argument})]
            )
            return [told(one) for one in both]
        else:
            found = getattr(realm, verb)(argument, **options)
        return told(found)
    except RealmconfError as error:
        found = error.to_dict()
        for contested in found.get("contested") or ():
            del contested["created_at"]
        return (type(error).__name__, found)


def told(found):
    try:
        composed: object = repr(dict(found.config))
    except RealmconfError as error:
        composed = error.to_dict()
    return (
        found.generation,
        found.exists,
        None if found.document is None else sorted(map(repr, found.document.items())),
        composed,
        getattr(found, "changed", None),
        getattr(found, "rebased_from", None),
        [str(one.pointer) for one in getattr(found, "changes", ())],
        [str(name) for name in getattr(found, "descendants", ())],
        sorted((one.code, one.message) for one in found.warnings),
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    server = Restarted(str(tmp_path_factory.mktemp("server") / "root"))
    remote = server.asked_with("admin", "secrets", author="me")
    local = connect(str(tmp_path_factory.mktemp("local") / "root"), author="me")
    yield remote, local
    local.close()
    remote.close()
    server.stop()


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(calls=st.lists(CALLS, min_size=3, max_size=20))
def test_the_same_history_everywhere(stores, calls):
    """Whatever is called, in whatever order: same generations, documents, compositions, warnings and errors."""
    prefix = f"p{next(_numbers)}"
    for call in calls:
        there, here = (carry_out(client, prefix, call) for client in stores)
        assert there == here, call
    for name in ("one", "two"):
        histories = [
            [
                (one.generation, one.kind, repr(one.document), one.message)
                for one in client.realm(f"{prefix}-{name}").history()
            ]
            for client in stores
        ]
        assert histories[0] == histories[1]
        for client in stores:
            client.realm(f"{prefix}-{name}").verify()
