"""Laws of JSON Patch."""

import copy

from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import NEAR_DOCUMENTS, NEAR_VALUES

from realmconf.domain.document import ABSENT, check_document, same
from realmconf.domain.jsonpatch import apply_operations, check_operations
from realmconf.domain.pointer import Pointer
from realmconf.errors import RealmconfError

PLACES = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-"]), max_size=3).map(
    lambda parts: str(Pointer(parts))
)
OPERATIONS = st.lists(
    st.one_of(
        st.builds(
            lambda name, path, value: {"op": name, "path": path, "value": value},
            st.sampled_from(["add", "replace", "test"]),
            PLACES,
            NEAR_VALUES,
        ),
        st.builds(lambda path: {"op": "remove", "path": path}, PLACES),
        st.builds(
            lambda name, source, path: {"op": name, "from": source, "path": path},
            st.sampled_from(["move", "copy"]),
            PLACES,
            PLACES,
        ),
    ),
    max_size=5,
)


class Refused(Exception):
    pass


def simply(document: dict, operations: list) -> dict:
    """RFC 6902 the plain way: a deep copy, changed in place."""
    root = {"": copy.deepcopy(document)}

    def parent(path):
        node = root
        for part in ["", *Pointer.parse(path)][:-1]:
            node = step(node, part)
        return node, (["", *Pointer.parse(path)])[-1]

    def step(node, part):
        value = Pointer((part,)).resolve(node)
        if value is ABSENT:
            raise Refused
        return value

    def add(path, value):
        node, part = parent(path)
        if isinstance(node, dict):
            node[part] = value
        elif isinstance(node, list) and (part == "-" or (part in "01" and int(part) <= len(node))):
            node.insert(len(node) if part == "-" else int(part), value)
        else:
            raise Refused

    def remove(path):
        node, part = parent(path)
        value = step(node, part)
        del node[part if isinstance(node, dict) else int(part)]
        return value

    for operation in copy.deepcopy(operations):
        name, path = operation["op"], operation["path"]
        if name == "add":
            add(path, operation["value"])
        elif name == "remove":
            if not path:
                raise Refused
            remove(path)
        elif name == "replace":
            node, part = parent(path)
            step(node, part)
            node[part if isinstance(node, dict) else int(part)] = operation["value"]
        elif name == "test":
            node, part = parent(path)
            if not alike(step(node, part), operation["value"]):
                raise Refused
        elif name == "copy":
            node, part = parent(operation["from"])
            add(path, copy.deepcopy(step(node, part)))
        elif path == operation["from"]:
            step(*parent(path))
        elif path.startswith(operation["from"] + "/"):
            raise Refused
        else:
            add(path, remove(operation["from"]))
        if not isinstance(root.get(""), dict):
            raise Refused
    return root[""]


def alike(one, other):
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


@given(NEAR_DOCUMENTS, OPERATIONS)
def test_patching_is_what_the_plain_way_gives(document: dict, operations: list) -> None:
    """Copying only what is written to gives the same document, or the same refusal, and changes no input."""
    before, given_operations = copy.deepcopy(document), copy.deepcopy(operations)
    try:
        expected = simply(document, operations)
    except Refused:
        expected = None
    checked = check_operations(operations)
    try:
        found = apply_operations(document, checked)
    except RealmconfError:
        found = None
    assert (found is None) == (expected is None)
    if found is not None:
        assert same(found, expected)
        assert same(check_document(found), found)
    assert same(document, before)
    assert operations == given_operations
    assert list(checked) == operations
