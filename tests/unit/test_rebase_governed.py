"""Writes made against an older generation, where schemas and secrets have a say."""

from typing import Any

import pytest
from tests.unit.history import TEAM, ListHistory

from realmconf.domain.jsonpatch import check_operations
from realmconf.domain.names import Limits
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.scope import Scope
from realmconf.domain.secrets import Secrecy
from realmconf.domain.write import (
    Append,
    Command,
    Edit,
    Expected,
    JsonPatch,
    MergePatch,
    SetDocument,
    SetSchema,
    Unchanged,
)
from realmconf.errors import GenerationConflict, TimelineChanged

NAMED = Shape.of([{"properties": {"servers": {"x-merge-key": "name"}}}])
BLIND: dict[str, Any] = {
    "secrecy": Secrecy(realm="team"),
    "sees_secrets": False,
    "scope": Scope(judges_secrets=False),
}


def servers(**ports: int) -> dict[str, Any]:
    return {"servers": [{"name": name, "port": port} for name, port in ports.items()]}


def rebased(history: ListHistory, command: Command, **fields: Any) -> Append | Unchanged:
    return history.decide(command, expected=1, on_conflict="rebase", **fields)


def result(history: ListHistory, command: Command, **fields: Any) -> tuple[str, Any]:
    decision = rebased(history, command, **fields)
    assert isinstance(decision, Append)
    return decision.revision.kind, decision.revision.document


def contested(history: ListHistory, command: Command, **fields: Any) -> list[str]:
    with pytest.raises(GenerationConflict) as refused:
        rebased(history, command, **fields)
    assert (refused.value.expected, refused.value.current, refused.value.realm) == (
        1,
        history.head(TEAM).generation,
        TEAM,
    )
    return [entry["pointer"] for entry in refused.value.contested]


# --- schemas -------------------------------------------------------------------------------


def test_a_realm_with_a_schema_is_rebased_as_any() -> None:
    """While it stays the same; whatever number of writes lie between."""
    history = ListHistory()
    history.write(SetSchema(digest="5" * 64, schema={}, patch={"a": 1}))
    for number in range(3):
        history.write(MergePatch(patch={"b": number}))
    assert result(history, MergePatch(patch={"a": 2})) == ("patch", {"a": 2, "b": 2})
    history.write(SetSchema(digest="6" * 64, schema={}))
    assert contested(history, MergePatch(patch={"a": 2})) == [""]


def test_a_schema_is_rebased_over_changes_of_values() -> None:
    """What comes with it to make the document fit meets the changes of its places."""
    history = ListHistory({"a": 1}, {"a": 1, "b": 1})
    mine = SetSchema(digest="5" * 64, schema={}, patch={"a": 2})
    assert result(history, mine) == ("schema", {"a": 2, "b": 1})
    assert contested(history, mine.replace(patch={"b": 2})) == ["/b"]
    assert result(history, SetSchema(digest="5" * 64, schema={})) == ("schema", {"a": 1, "b": 1})


# --- arrays whose elements have names --------------------------------------------------------


def test_changes_of_different_elements_do_not_meet() -> None:
    """Each kind of command keeps what others did to other elements, and stays of its kind."""
    base, theirs = servers(a=1, b=1), servers(a=2, b=1, c=1)
    meant = {**servers(a=2, b=2, c=1), "n": 1}
    wanted = servers(a=1, b=2)["servers"]
    port = Pointer(("servers", "1", "port"))
    n = Pointer(("n",))
    commands: list[tuple[Command, str]] = [
        (SetDocument(document={"servers": wanted, "n": 1}), "set"),
        (SetDocument(document={"servers": wanted, "n": 1}, kind="adopt"), "adopt"),
        (MergePatch(patch={"servers": wanted, "n": 1}), "patch"),
        (Edit(assignments=((port, 2), (n, 1))), "patch"),
        (Edit(assignments=((port, 2), (n, 1)), kind="set"), "set"),
        (
            JsonPatch(
                operations=check_operations(
                    [
                        {"op": "replace", "path": "/servers/1/port", "value": 2},
                        {"op": "add", "path": "/n", "value": 1},
                    ]
                )
            ),
            "json_patch",
        ),
    ]
    for command, kind in commands:
        assert result(ListHistory(base, theirs), command, shape=NAMED) == (kind, meant)
        if not isinstance(command, SetDocument):
            assert contested(ListHistory(base, theirs), command) == ["/servers"]


def test_changes_of_the_same_element_meet_under_its_name() -> None:
    """The same change does not; another value does, and a change that was made and taken back."""
    base = servers(a=1, b=1)
    mine = MergePatch(patch=servers(a=1, b=3))
    assert contested(ListHistory(base, servers(a=1, b=2)), mine, shape=NAMED) == ["/servers/b/port"]
    assert isinstance(rebased(ListHistory(base, servers(a=1, b=3)), mine, shape=NAMED), Unchanged)
    back = ListHistory(base, servers(a=1, b=2), base)
    assert contested(back, mine, shape=NAMED) == ["/servers/b/port", "/servers/b/port"]


def test_another_order_is_a_change_of_the_whole_array() -> None:
    """Of theirs or of mine: it meets every change in the array."""
    base, turned = servers(a=1, b=1), servers(b=1, a=1)
    mine = MergePatch(patch=servers(a=1, b=3))
    assert contested(ListHistory(base, turned), mine, shape=NAMED) == ["/servers/b/port"]
    theirs = ListHistory(base, servers(a=2, b=1))
    assert contested(theirs, MergePatch(patch=turned), shape=NAMED) == ["/servers/a/port"]


def test_what_has_no_named_elements_is_as_without_a_schema() -> None:
    """Other values of the document are neither folded nor counted by element."""
    history = ListHistory({"l": [1], "o": {"x": 1}}, {"l": [1, 2], "o": {"x": 1}})
    mine = MergePatch(patch={"o": {"x": 2}})
    assert result(history, mine, shape=NAMED) == ("patch", {"l": [1, 2], "o": {"x": 2}})
    assert contested(history, MergePatch(patch={"l": [3]}), shape=NAMED) == ["/l"]


# --- secrets that are stated -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "theirs", "mine", "places"),
    [
        # What is open may be the same; a secret that is stated may be a guess.
        ({"n": 1}, {"n": 2}, {"n": 2}, None),
        ({"token": "s"}, {"token": "t"}, {"token": "t"}, ["/token"]),
        ({"token": "s"}, {"token": "t"}, {"token": "u"}, ["/token"]),
        # Around it and in it.
        ({"db": {"password": "s"}}, {"db": {"host": "h"}}, {"db": {"password": "t"}}, ["/db/password"]),
        ({"db": {"password": "s"}}, {}, {"db": {"password": "t"}}, ["/db/password"]),
        ({"db": {"password": "s", "n": 1}}, {"db": {"password": "s", "n": 2}}, {"db": {"password": "t", "n": 2}}, None),
        # In an array all of it counts.
        ({"rows": [{"token": "s"}]}, {"rows": [{"token": "t"}]}, {"rows": [{"token": "t"}]}, ["/rows"]),
        # What comes as a whole brings the secret in it.
        ({"db": 5}, {"db": {"password": "t"}}, {"db": {"password": "t"}}, ["/db/password"]),
        # One that stands unchanged is stated and meets nothing.
        ({"token": "s", "n": 1}, {"token": "s", "n": 2}, {"token": "s"}, None),
    ],
)  # fmt: skip
def test_a_secret_that_is_stated_meets_every_change_of_its_place(
    base: Any, theirs: Any, mine: Any, places: list[str] | None
) -> None:
    """Equal or not, so that nobody is told by a conflict whether a guess is right (G11)."""
    history = ListHistory(base, theirs)
    command = MergePatch(patch=mine)
    if places is None:
        assert isinstance(rebased(history, command, **BLIND), Append | Unchanged)
    else:
        assert contested(history, command, **BLIND) == places


def test_a_document_that_states_the_secret_of_its_base_meets_a_change_of_it() -> None:
    """Though it changes nothing there: whether it does is what a guess would find out. All else meets as ever."""
    history = ListHistory({"token": "s", "n": 1, "m": 1}, {"token": "t", "n": 2, "m": 1})
    mine = SetDocument(document={"token": "s", "n": 3, "m": 2})
    assert contested(history, mine, **BLIND) == ["/n", "/token"]
    assert contested(history, mine) == ["/n"]
    mine = SetDocument(document={"token": "s", "n": 1, "m": 2})
    assert contested(history, mine, **BLIND) == ["/token"]
    assert result(history, mine) == ("set", {"token": "t", "n": 2, "m": 2})


def test_changes_beside_those_of_named_elements_meet_as_ever() -> None:
    """However many there are."""
    others = {f"n{number}": 1 for number in range(8)}
    base, theirs = (
        {**servers(a=1, b=1), **others},
        {**servers(a=2, b=1), **dict.fromkeys(others, 2)},
    )
    mine = MergePatch(patch={**servers(a=1, b=2), **dict.fromkeys(others, 3)})
    assert contested(ListHistory(base, theirs), mine, shape=NAMED) == [f"/{key}" for key in others]


def test_where_nobody_can_tell_it_is_said_of_which_realm_and_generations() -> None:
    """Too far behind, compacted, or of another timeline."""
    history = ListHistory({"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2})
    mine = MergePatch(patch={"a": 2})
    assert contested(history, mine, limits=Limits(history_page=1)) == []
    assert result(history, mine, limits=Limits(history_page=2))[1] == {"a": 2, "b": 2}
    other = Expected(generation=1, digest="0" * 12)
    with pytest.raises(TimelineChanged) as changed:
        history.decide(mine, expected=other, on_conflict="rebase")
    assert (changed.value.realm, changed.value.generation) == (TEAM, 1)
    history.floor = 2
    assert contested(history, mine) == []
