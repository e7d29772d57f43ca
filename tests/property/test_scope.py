"""
A writer changes what it is allowed to and nothing else, whatever the command and whatever is stored.

The oracle knows no command: it lets somebody without limits do the same elsewhere, and compares leaves.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import event, given, note
from hypothesis import strategies as st

import realmconf
from realmconf.domain.pointer import Pointer
from realmconf.domain.scope import Scope
from realmconf.errors import NotPermitted, ParentNotFound, RealmconfError

NUMBERS = itertools.count()
REALM = "team"
HIDDEN = "hidden"
KEYS = st.sampled_from(["a", "b", "password"])
SCALARS = st.sampled_from([1, 1.0, True, "x", "secret://env/KEY"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=5,
)
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        REALM: st.fixed_dictionaries(
            {},
            optional={
                "parent": st.sampled_from(["base", HIDDEN]),
                "unset": st.sampled_from([[], ["a"], ["b.a"]]),
            },
        ),
        "other": st.dictionaries(KEYS, st.just(1), max_size=1),
    },
)
PLAIN_DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)
DOCUMENTS = st.one_of(
    PLAIN_DOCUMENTS,
    st.builds(lambda plain, section: {**plain, "realm": section}, PLAIN_DOCUMENTS, SECTIONS),
)
PARTS = st.sampled_from(["a", "b", "password", "0", "realm", REALM, "parent", "other"])
POINTERS = st.lists(PARTS, min_size=1, max_size=3).map(Pointer)
PLACES = st.lists(st.sampled_from(["a", "b", "password", "0"]), max_size=2).map(Pointer)
NAMES = st.sampled_from(["a", "b", "password", "realm", REALM, "parent"])
PATCHES = st.dictionaries(
    NAMES,
    st.recursive(
        st.one_of(st.none(), SCALARS, st.lists(SCALARS, max_size=2)),
        lambda inner: st.dictionaries(NAMES, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=2,
)
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
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace"]), "path": st.just(""), "value": DOCUMENTS}
        ),
    ),
    max_size=3,
)
COMMANDS = st.one_of(
    st.tuples(st.just("set"), DOCUMENTS),
    st.tuples(st.just("patch"), PATCHES),
    st.tuples(st.just("json_patch"), OPERATIONS),
    st.tuples(st.just("set_value"), st.tuples(POINTERS, VALUES)),
    st.tuples(st.just("unset"), POINTERS),
    st.tuples(st.just("rollback"), st.integers(1, 3)),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("schema"), st.one_of(st.none(), PATCHES)),
    st.tuples(st.just("policy"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["copy", "rename"]), st.none()),
)
SCOPES = st.builds(
    Scope,
    below=st.one_of(st.none(), st.lists(PLACES, max_size=2).map(tuple)),
    changes_place=st.booleans(),
    governs=st.booleans(),
    states_secrets=st.booleans(),
    may_inherit=st.just(lambda realm: realm != HIDDEN),
)
HISTORIES = st.lists(st.one_of(DOCUMENTS, st.none()), max_size=3)
OPTIONS = st.fixed_dictionaries({}, optional={"behind": st.integers(0, 2)})


# --- what the oracle says --------------------------------------------------------------


def _leaves(value: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Every leaf as text, in which 1, 1.0 and true differ."""
    if isinstance(value, dict) and value:
        found: dict[tuple[str, ...], str] = {}
        for key, item in value.items():
            found |= _leaves(item, (*at, key))
        return found
    return {at: json.dumps(value, sort_keys=True)}


def _differing(before: Any, after: Any) -> dict[tuple[str, ...], list[str]]:
    """The leaves that are not the same on both sides, with what they were and are."""
    old = {} if before is None else _leaves(before)
    new = {} if after is None else _leaves(after)
    if before is not None and after is not None:
        # That a document has no member is no leaf of it, unless there is no document on the other side.
        old.pop((), None)
        new.pop((), None)
    return {
        place: [side[place] for side in (old, new) if place in side]
        for place in old.keys() | new.keys()
        if old.get(place) != new.get(place)
    }


def _is_inside(place: tuple[str, ...], above: tuple[str, ...]) -> bool:
    return place[: len(above)] == tuple(above)


def _may_touch(scope: Scope, place: tuple[str, ...]) -> bool:
    if not scope.changes_place and _is_inside(place, ("realm",)):
        return False
    return scope.below is None or any(_is_inside(place, above) for above in scope.below)


def _has_secret(value: Any, *, of_secret: bool) -> bool:
    """Whether a text or number stands below a secret key in a value; booleans tell nothing."""
    if isinstance(value, dict):
        return any(
            _has_secret(item, of_secret=of_secret or key == "password")
            for key, item in value.items()
        )
    if isinstance(value, list):
        return any(_has_secret(item, of_secret=of_secret) for item in value)
    return of_secret and not isinstance(value, bool)


def _tells_secret(place: tuple[str, ...], text: str) -> bool:
    """Whether a value at a place is secret, refers to a secret, or has such a thing in it."""
    if place[:1] == ("realm",):
        is_secret = len(place) < 3 or place[2] not in ("parent", "unset")
    else:
        is_secret = "password" in place or _has_secret(json.loads(text), of_secret=False)
    return is_secret or "secret://" in text


def _parent(document: Any, realm: str) -> Any:
    own = (document or {}).get("realm", {}).get(realm, {})
    return own.get("parent")


def _refuses_result(scope: Scope, verb: str, before: Any, after: Any) -> bool:
    realm = "twin" if verb in ("copy", "rename") else REALM
    # A realm that is renamed goes on inheriting as it did.
    if verb != "rename" and _parent(after, realm) == HIDDEN != _parent(before, realm):
        return True
    is_ended = before is not None and after is None
    if is_ended and scope.below is not None and () not in scope.below:
        return True
    for place, values in _differing(before, after).items():
        is_emptied = set(values) <= {"{}"} and any(
            _is_inside(above, place) for above in scope.below or ()
        )
        is_of_realm = not scope.changes_place and _is_inside(place, ("realm",))
        if not _may_touch(scope, place) and (is_of_realm or not is_emptied):
            return True
        if not scope.states_secrets and any(_tells_secret(place, text) for text in values):
            return True
    return False


def _patched(patch: Any, at: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(patch, dict) and (patch or not at):
        return [one for key, item in patch.items() for one in _patched(item, (*at, key))]
    return [(at, patch)]


def _refuses_naming(scope: Scope, verb: str, given: Any) -> bool:
    """What the command alone tells: it names what is out of reach, or states a reference."""
    if (verb == "schema" or verb == "policy") and not scope.governs:
        return True
    if verb in ("copy", "rename"):
        return scope.below is not None or not scope.changes_place
    named: list[tuple[tuple[str, ...], Any]] = []
    if verb in ("patch", "schema"):
        named = _patched(given or {})
    elif verb == "set_value":
        named = [given]
    elif verb == "unset":
        named = [(given, None)]
    elif verb == "json_patch":
        for operation in given:
            if operation["op"] != "test":
                place = Pointer.parse_json_pointer(operation["path"])
                named.append((place, operation.get("value")))
            if operation["op"] == "move":
                named.append((Pointer.parse_json_pointer(operation["from"]), None))
    return any(
        not _may_touch(scope, tuple(place))
        or (not scope.states_secrets and "secret://" in json.dumps(value))
        for place, value in named
    )


# --- what is done ----------------------------------------------------------------------


def _store(history: list[Any]) -> realmconf.Client:
    client = realmconf.connect(f"memory://scope-{next(NUMBERS)}", author="ada")
    client.realm("base").set({"a": {"b": 1}})
    client.realm(HIDDEN).set({"b": 2})
    for document in history:
        realm = client.realm(REALM)
        if document is not None:
            realm.set(document)
        elif realm.get().exists:
            realm.delete()
    return client


def _do(client: realmconf.Client, verb: str, given: Any, options: dict[str, Any]) -> Any:
    realm = client.realm(REALM)
    if verb in ("copy", "rename"):
        return getattr(client, verb)(REALM, "twin", **{**options, **_no_rebase(options)})
    if verb == "set_value":
        return realm.set_value(*given, **options)
    if verb == "delete":
        return realm.delete(**options)
    if verb == "schema":
        return realm.set_schema({"type": "object"}, patch=given, **options)
    if verb == "policy":
        return realm.set_policy(history_keep=given, **options)
    return getattr(realm, verb)(given, **options)


def _stated(scope: Scope) -> dict[str, Any]:
    return {name: getattr(scope, name) for name in scope.__fields__ if name != "may_inherit"}


def _no_rebase(options: dict[str, Any]) -> dict[str, Any]:
    return {"expected_generation": None, "on_conflict": "fail"} if "on_conflict" in options else {}


def _stored(client: realmconf.Client) -> list[Any]:
    return [
        (entry.realm, entry.generation, client.realm(entry.realm).get().digest)
        for entry in client.realms()
    ]


@given(HISTORIES, COMMANDS, SCOPES, OPTIONS)
def test_a_write_passes_if_and_only_if_all_that_it_changes_may_be_changed(
    history: list[Any], command: tuple[str, Any], scope: Scope, options: dict[str, Any]
) -> None:
    """What a command names, and what comes of it, are within its author's reach; else nothing is changed at all."""
    verb, given_to = command
    with _store(history) as free, _store(history) as client:
        narrow = client.acting(
            author="bob", surface="http", sees_secrets=True, scope=scope, may_read=scope.may_inherit
        )
        before = client.realm(REALM).get()
        stated: dict[str, Any] = {}
        if "behind" in options:
            stated["expected_generation"] = max(before.generation - options["behind"], 0)
            stated["on_conflict"] = "rebase"
        target = "twin" if verb in ("copy", "rename") else REALM
        failure: RealmconfError | None = None
        try:
            _do(free, verb, given_to, stated)
        except RealmconfError as refused:
            failure = refused
        after = None if failure is not None else free.realm(target).get().document
        earlier = client.realm(target).get().document
        is_refused = _refuses_naming(scope, verb, given_to) or (
            failure is None and _refuses_result(scope, verb, earlier, after)
        )
        event(f"{verb} {'refused' if is_refused else 'failed' if failure else 'passes'}")
        note(f"{history} {command} {_stated(scope)} {stated}")
        stood = _stored(client)
        outcomes: list[RealmconfError | None] = []
        for dry_run in ({"dry_run": True}, {}):
            try:
                _do(narrow, verb, given_to, {**stated, **dry_run})
            except RealmconfError as refused:
                outcomes.append(refused)
            else:
                outcomes.append(None)
            if dry_run or outcomes[-1] is not None:
                assert _stored(client) == stood
        planned, written = outcomes
        assert getattr(planned, "code", None) == getattr(written, "code", None)
        if is_refused:
            assert isinstance(written, (NotPermitted, ParentNotFound))
        elif failure is None:
            assert written is None
            assert client.realm(target).get().document == after
        else:
            assert written is not None
            if not isinstance(written, (NotPermitted, ParentNotFound)):
                assert written.code == failure.code


@given(COMMANDS, SCOPES, HISTORIES)
def test_what_a_command_names_is_refused_whatever_is_stored(
    command: tuple[str, Any], scope: Scope, history: list[Any]
) -> None:
    """The refusal says the same of a realm never written as of one with a history."""
    verb, given_to = command
    if not _refuses_naming(scope, verb, given_to) or verb in ("copy", "rename"):
        return
    told = []
    for past in ([], history):
        with _store(past) as client:
            narrow = client.acting(
                author=None, surface="http", sees_secrets=True, scope=scope, may_read=None
            )
            try:
                _do(narrow, verb, given_to, {})
            except NotPermitted as refused:
                told.append(refused.to_dict())
    assert len(told) == 2
    assert told[0] == told[1]


@given(SCOPES, SCOPES, PATCHES)
def test_two_scopes_together_allow_what_both_do(one: Scope, other: Scope, patch: Any) -> None:
    """Who narrows rights never widens them, and takes away no more than they say."""

    def passes(scope: Scope) -> bool:
        return not _refuses_naming(scope, "patch", patch)

    assert passes(one.narrowed(other)) == (
        # Each place that is named is reached by both.
        passes(one) and passes(other)
    )
    assert one.narrowed(other).governs == (one.governs and other.governs)
