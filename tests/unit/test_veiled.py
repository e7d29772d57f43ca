"""Documents of which something is withheld: like any other, until the withheld value is read (G11)."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import pytest

from realmconf.domain.frozen import freeze, thaw
from realmconf.domain.veiled import DraftDict, DraftList, VeiledDict, VeiledList
from realmconf.domain.withheld import (
    Withheld,
    refuse_withheld,
    with_marks,
    withheld_in,
    withholding,
)
from realmconf.errors import SecretWithheld

MARK = "«secret:0123456789abcdef»"


def secret(place: str = "/token") -> Withheld:
    return Withheld(MARK, place, "team")


def veiled_dict() -> VeiledDict:
    return freeze({"token": secret(), "a": 1})


def veiled_list() -> VeiledList:
    return freeze([1, secret("/0")])


def draft_dict() -> DraftDict:
    return thaw(veiled_dict())


def draft_list() -> DraftList:
    return thaw(veiled_list())


OBJECTS = [veiled_dict, draft_dict]
ARRAYS = [veiled_list, draft_list]


@pytest.mark.parametrize("make", OBJECTS)
@pytest.mark.parametrize(
    "read",
    [
        lambda it: it["token"],
        lambda it: it.get("token"),
        lambda it: it.values(),
        lambda it: it.items(),
        dict,
        lambda it: {**it},
        lambda it: it | {"b": 2},
        lambda it: {"b": 2} | it,
        lambda it: it == {"token": "guess", "a": 1},
        lambda it: it != {"token": MARK, "a": 1},
    ],
)
def test_whatever_would_give_a_member_away_raises(make: Any, read: Any) -> None:
    """Naming the place; comparing with a guess tells it too."""
    with pytest.raises(SecretWithheld) as refused:
        read(make())
    assert (refused.value.pointer, refused.value.realm) == ("/token", "team")


@pytest.mark.parametrize("make", ARRAYS)
@pytest.mark.parametrize(
    "read",
    [
        lambda it: it[1],
        lambda it: it[0:2],
        list,
        lambda it: list(reversed(it)),
        lambda it: "guess" in it,
        lambda it: it.index("guess"),
        lambda it: it.count("guess"),
        lambda it: it == [1, "guess"],
        lambda it: it != [1, "guess"],
        lambda it: operator.add(it, [2]),
        lambda it: operator.add([0], it),
        lambda it: it * 2,
        lambda it: 2 * it,
        lambda it: it < [2],
        lambda it: it <= [2],
        lambda it: it > [2],
        lambda it: it >= [2],
    ],
)
def test_whatever_would_give_an_element_away_raises(make: Any, read: Any) -> None:
    """Also what only compares, counts or looks."""
    with pytest.raises(SecretWithheld):
        read(make())


@pytest.mark.parametrize("make", OBJECTS)
def test_the_rest_of_an_object_is_read_as_ever(make: Any) -> None:
    """Names, number, other members, what is not there; and what is the same document is equal."""
    it = make()
    assert list(it) == ["token", "a"]
    assert len(it) == 2
    assert "token" in it
    assert (it["a"], it.get("a"), it.get("b"), it.get("b", 3)) == (1, 1, None, 3)
    assert it == make()
    assert not operator.ne(it, make())
    assert it != {"a": 1}
    assert it != [1]
    with pytest.raises(TypeError):
        hash(it)


@pytest.mark.parametrize("make", ARRAYS)
def test_the_rest_of_an_array_is_read_as_ever(make: Any) -> None:
    """Number, other elements, what comes before the withheld one; and what is the same document is equal."""
    it = make()
    assert len(it) == 2
    assert it[0] == 1
    assert it[:1] == [1]
    assert 1 in it
    assert it == make()
    assert not operator.ne(it, make())
    assert it != [1]
    assert it != {"a": 1}
    with pytest.raises(TypeError):
        hash(it)


@pytest.mark.parametrize("make", ARRAYS)
def test_an_array_of_which_nothing_more_is_withheld_is_any_array(make: Any) -> None:
    """Every way of reading gives what a plain one gives."""
    it = make()
    if isinstance(it, DraftList):
        it[1] = 2
    else:
        it = VeiledList([1, 2])
    assert [*it, *reversed(it)] == [1, 2, 2, 1]
    assert (it.index(2), it.count(2), 3 in it) == (1, 1, False)
    assert (operator.add(it, [3]), operator.add([0], it), it * 2, 2 * it) == (
        [1, 2, 3],
        [0, 1, 2],
        [1, 2, 1, 2],
        [1, 2, 1, 2],
    )
    assert (it < [2], it <= [1, 2], it > [0], it >= [1, 2]) == (True, True, True, True)
    assert (it < [1], it <= [1], it > [2], it >= [2]) == (False, False, False, False)


def test_an_object_of_which_nothing_more_is_withheld_is_any_object() -> None:
    """Every way of reading gives what a plain one gives."""
    it = draft_dict()
    it["token"] = "mine"
    assert dict(it) == it == {"token": "mine", "a": 1}
    assert list(it.items()) == [("token", "mine"), ("a", 1)]
    assert list(it.values()) == ["mine", 1]
    assert it | {"a": 2} == {"token": "mine", "a": 2}
    assert {"a": 2} | it == {"token": "mine", "a": 1}


def test_a_draft_lets_what_is_withheld_be_replaced_and_removed_and_not_taken_out() -> None:
    """What would hand it out raises, and leaves it where it was."""
    it = draft_dict()
    for take in (lambda: it.pop("token"), it.popitem, lambda: it.setdefault("token", "x")):
        with pytest.raises(SecretWithheld):
            take()
        assert "token" in it
    assert it.pop("b", None) is None
    assert it.setdefault("c", 3) == 3
    del it["token"]
    assert it.pop("a") == 1
    assert it.popitem() == ("c", 3)
    array = draft_list()
    with pytest.raises(SecretWithheld):
        array.pop()
    with pytest.raises(SecretWithheld):
        array.pop(1)
    assert len(array) == 2
    assert array.pop(0) == 1
    del array[0]
    assert array == []


@pytest.mark.parametrize("make", [draft_dict, draft_list])
@pytest.mark.parametrize(
    "copied",
    [
        lambda it: it.copy(),
        copy.copy,
        copy.deepcopy,
        lambda it: pickle.loads(pickle.dumps(it)),
    ],
)
def test_a_copy_of_a_draft_withholds_the_same_and_shares_nothing(make: Any, copied: Any) -> None:
    """However it is copied; what goes to another process arrives as a draft."""
    it = make()
    other = copied(it)
    assert type(other) is type(it)
    assert other == it
    assert [one.pointer for one in withheld_in(other)] == [one.pointer for one in withheld_in(it)]
    other.clear()
    assert len(it) == 2


@pytest.mark.parametrize("make", [*OBJECTS, *ARRAYS])
def test_a_repr_shows_a_mark_and_no_more(make: Any) -> None:
    """Also not the mark by which the store knows the value."""
    text = repr(make())
    assert "1" in text
    assert "secret" in text


def test_a_draft_of_an_array_says_its_secret_by_the_name_alone() -> None:
    """``repr`` of drafts is for people."""
    it = draft_dict()
    it["token"] = "mine"
    assert "mine" not in repr(it)


def test_each_mark_of_a_document_that_was_received_is_withheld() -> None:
    """With its place and realm; any other text is text, and the document is the same one."""
    received: dict[str, Any] = {
        "token": MARK,
        "é": "é",
        "a": [1, MARK, {"b": MARK, "n": None}, True],
        "plain": "x",
    }
    found = withholding(received, realm="team")
    assert found is received
    assert found == received
    places = [(one.pointer, one.realm, str.__str__(one)) for one in withheld_in(found)]
    assert places == [
        ("/token", "team", MARK),
        ("/a/1", "team", MARK),
        ("/a/2/b", "team", MARK),
    ]
    assert type(found["é"]) is str


def test_marks_as_plain_text_are_the_same_text() -> None:
    """For what knows no other; nothing is shared with what is withheld, and nothing else is changed."""
    received = withholding({"token": MARK, "a": [1, {"b": MARK}], "n": None}, realm="team")
    plain = with_marks(received)
    assert plain == {"token": MARK, "a": [1, {"b": MARK}], "n": None}
    assert list(withheld_in(plain)) == []
    assert type(plain["token"]) is str
    assert len(list(withheld_in(received))) == 2
    assert with_marks(freeze(received)) == plain


def test_nothing_goes_on_with_something_withheld() -> None:
    """The first place is named; a document of which nothing is withheld passes."""
    refuse_withheld({"a": [1, "x"]})
    with pytest.raises(SecretWithheld) as refused:
        refuse_withheld({"a": [1, secret("/a/1")], "b": secret("/b")})
    assert refused.value.pointer == "/a/1"
