"""The table from observations to verdicts, without a file."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain import workfile
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, Revision, seal
from realmconf.domain.workfile import (
    Adopt,
    Broken,
    Clean,
    Contested,
    Empty,
    Known,
    Lost,
    Observation,
    Restyled,
    Unfinished,
)

HISTORY: list[dict[str, Any] | None] = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 3, "b": 2}]


def revision(
    generation: int, document: dict[str, Any] | None, *, author: str = "program"
) -> Revision:
    return seal(
        realm=RealmName("team"),
        generation=generation,
        kind="set",
        document=document,
        author=author,
        surface="sdk",
        write_id=str(generation),
        created_at="",
        salt="",
        previous=GENESIS,
    )


def judge(
    text: str, *, history: list[dict[str, Any] | None] | None = None, floor: int = 1, **seen: Any
) -> Any:
    documents = HISTORY if history is None else history

    def revision_at(generation: int) -> Revision | None:
        return revision(generation, documents[generation - 1]) if generation >= floor else None

    given: dict[str, Any] = {
        "realm": "team",
        "known": (),
        "head": documents[-1] if documents else None,
        "head_generation": len(documents),
        "seen_generation": len(documents) or None,
        "rendered": (len(documents),) if documents else (),
        **seen,
    }
    return workfile.judge(Observation(text=text, **given), revision_at)


def header(generation: int, realm: str = "team") -> str:
    return f"# realmconf: {realm}, generation {generation}\n"


def known(generation: int, *, rendering: bool = True, replaced: bool = False) -> Known:
    return Known(generation=generation, rendering=rendering, replaced=replaced)


@pytest.mark.parametrize(
    ("items", "verdict"),
    [
        ((known(3),), Clean()),
        ((known(1, replaced=True), known(3)), Clean()),
        ((known(2),), Unfinished()),
        ((known(3, rendering=False),), Unfinished()),
        ((known(1, replaced=True), known(2)), Unfinished()),
    ],
)
def test_own_text(items, verdict):
    """Our own text is clean or unfinished, whatever it says: it is not even read."""
    assert judge("not toml [", known=items) == verdict


def test_replaced_rendering_is_a_restore():
    """A rendering that was replaced restores the newest generation it stood for."""
    items = (known(1, replaced=True), known(2, replaced=True))
    assert judge("a = 1\nb = 2\n", known=items) == Adopt(document={"a": 1, "b": 2}, restores=2)


def test_replaced_edit_is_an_edit():
    """An edit that was taken in long ago is no rendering: saved again, it is merged like any other."""
    items = (known(2, rendering=False, replaced=True),)
    assert judge(header(1) + "a = 1\nb = 2\n", known=items) == Restyled()


@pytest.mark.parametrize("text", ["", " ", "\n\t\n"])
def test_empty(text):
    """Nothing is not a document without members."""
    assert judge(text) == Empty()


def test_header_alone_is_a_document_without_members():
    """A person who leaves only the first line removes everything they had loaded."""
    assert judge(header(3)) == Adopt(document={}, base=3)


def test_broken_says_where():
    """A text that is no document is broken, with line and column."""
    verdict = judge("a = 1\nb = = 2\n")
    assert isinstance(verdict, Broken)
    assert (verdict.line, verdict.column) == (2, 5)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("a = 3\nb = 2\n", Restyled()),
        ("a = 3\nb = 2\nc = 1\n", Adopt(document={"a": 3, "b": 2, "c": 1})),
        (header(3) + "a = 4\nb = 2\n", Adopt(document={"a": 4, "b": 2}, base=3)),
        (header(2) + "a = 1\nb = 5\n", Adopt(document={"a": 3, "b": 5}, base=2)),
        (header(1) + "a = 1\nb = 1\nc = 1\n", Adopt(document={"a": 3, "b": 2, "c": 1}, base=1)),
        (header(1) + "a = 1\nb = 1\n", Restyled()),
        (header(1) + "a = 3\nb = 1\n", Restyled()),
        (header(1, "other") + "a = 9\nb = 2\n", Adopt(document={"a": 9, "b": 2})),
        ("\n" + header(1) + "a = 1\nb = 1\n", Adopt(document={"a": 1, "b": 1})),
    ],
)
def test_edit(text, verdict):
    """An edit is merged against the generation its first line names, else against the head."""
    assert judge(text) == verdict


def test_overlap_is_contested():
    """Both sides changed one place: the pointers and the base are named."""
    verdict = judge(header(1) + "a = 7\nb = 9\n")
    assert isinstance(verdict, Contested)
    assert [str(pointer) for pointer in verdict.pointers] == ["/a", "/b"]
    assert verdict.base == 1


def test_header_above_the_head():
    """Above the head it is a sign of lost history: contested, or lost where there is no history at all."""
    assert isinstance(judge(header(9) + "a = 1\n"), Contested)
    assert judge(header(9) + "a = 1\n", history=[]) == Lost(generation=9)


def test_header_below_the_floor_is_no_header():
    """A base that is no longer kept is no base."""
    assert judge(header(1) + "a = 9\nb = 2\n", floor=2) == Adopt(document={"a": 9, "b": 2})


def test_text_beyond_a_limit_is_broken():
    """It says which, and is no edit."""
    found = judge(f"{'k' * 513} = 1")
    assert isinstance(found, Broken)
    assert "key_bytes" in found.reason or "512" in found.reason
    assert found.line is None


def test_unknown_base_that_overlaps_with_one_candidate_is_contested():
    """An edit that may have been made against a generation with which it overlaps is put before its author."""
    found = judge("a = 5\nb = 2", seen_generation=2, rendered=(1, 3))
    assert isinstance(found, Contested)
    assert [str(pointer) for pointer in found.pointers] == ["/a"]


def test_unknown_base_of_which_one_says_nothing_was_edited_is_contested():
    """Against one candidate it is an edit, against another it is what was rendered: that makes a difference."""
    history: list[dict[str, Any] | None] = [{"a": 1}, {"a": 1, "b": 1}]
    found = judge("a = 1", history=history, seen_generation=1, rendered=(1, 2))
    assert isinstance(found, Contested)
    assert "makes a difference" in found.reason


def test_unknown_base_that_makes_no_difference():
    """Tried against every generation that stood in the file, one result for all is adopted."""
    history: list[dict[str, Any] | None] = [{"a": 1}, {"a": 1, "x": 1}, {"a": 1, "x": 1, "y": 1}]
    verdict = judge("a = 2\nx = 1\ny = 1\n", history=history, seen_generation=2, rendered=(2, 3))
    assert verdict == Adopt(document={"a": 2, "x": 1, "y": 1})
    # Was y never there for its author, or was it removed?
    verdict = judge("a = 2\nx = 1\n", history=history, seen_generation=2, rendered=(2, 3))
    assert isinstance(verdict, Contested)
    verdict = judge(
        "a = 2\n", history=[{"a": 1}, {"a": 1, "x": 1}], seen_generation=1, rendered=(1,)
    )
    assert verdict == Adopt(document={"a": 2, "x": 1})


@pytest.mark.parametrize(
    "seen",
    [
        {"seen_generation": None, "rendered": ()},
        {"seen_generation": 1, "rendered": ()},
        {"seen_generation": 1, "rendered": tuple(range(1, 1_000))},
        {"seen_generation": 1, "rendered": (1, 2), "floor": 2},
    ],
)
def test_unknown_base_without_candidates(seen):
    """Nothing to try, too much to try, or something no longer kept: contested, not guessed."""
    assert isinstance(judge("a = 9\nb = 2\n", **seen), Contested)


def test_creation():
    """A file of a realm that was never written, or was deleted and rendered as such, creates it."""
    assert judge("a = 1\n", history=[]) == Adopt(document={"a": 1})
    assert judge(header(4, "other") + "a = 1\n", history=[]) == Adopt(document={"a": 1})
    assert judge("a = 1\n", history=[{"a": 0}, None]) == Adopt(document={"a": 1})


def test_edit_of_a_deleted_document():
    """Delete against edit overlaps; a save without a change does not bring the document back."""
    history: list[dict[str, Any] | None] = [{"a": 0}, None]
    assert isinstance(judge(header(1) + "a = 1\n", history=history), Contested)
    assert judge(header(1) + "a = 0\n", history=history) == Restyled()


def test_reverts():
    """Values put back to what they were before somebody else's later write are named; one's own are not."""
    newest_first = [
        revision(3, {"a": 3, "b": 2}),
        revision(2, {"a": 1, "b": 2}),
        revision(1, {"a": 1, "b": 1}),
    ]
    assert workfile.reverts({"a": 1, "b": 1}, newest_first, author="person") == ("/a", "/b")
    assert workfile.reverts({"a": 5, "b": 1}, newest_first, author="person") == ("/b",)
    assert workfile.reverts({"a": 1, "b": 1}, newest_first, author="program") == ()
    assert workfile.reverts({"a": 1, "b": 1}, newest_first[:2], author="person") == ("/a",)
    assert workfile.reverts({"b": 2}, newest_first, author="person") == ()
    assert workfile.reverts({"b": 2}, [], author="person") == ()


def test_reverts_over_several_writes():
    """However often others have written since, the value of before is put back; over one's own writes none is."""
    newest_first = [
        revision(4, {"a": 3}),
        revision(3, {"a": 2}),
        revision(2, {"a": 1}),
        revision(1, {}),
    ]
    assert workfile.reverts({"a": 1}, newest_first, author="person") == ("/a",)
    assert workfile.reverts({}, newest_first, author="person") == ("/a",)
    assert workfile.reverts({"a": 4}, newest_first, author="person") == ()
    other = revision(3, {"a": {"b": 1, "z": 1}})
    own = revision(2, {"a": {"b": 1}}).replace(author="person")
    older = revision(1, {"a": 5}).replace(author="person")
    assert workfile.reverts({"a": 5}, [other, own, older], author="person") == ("/a", "/a/z")
    assert workfile.reverts({"a": 5}, [own, older], author="person") == ()
    mine = [newest_first[0].replace(author="person"), *newest_first[1:]]
    assert workfile.reverts({"a": 2}, mine, author="person") == ()
    assert workfile.reverts({"a": 1}, mine, author="person") == ("/a",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# realmconf: team, generation 12\na = 1\n", ("team", 12)),
        ("# realmconf: team, generation 12\r\na = 1\n", ("team", 12)),
        ("# realmconf: team, generation 12", ("team", 12)),
        ("# realmconf: team, generation 012\n", None),
        ("# realmconf: team, generation 0\n", None),
        ("# realmconf: team, generation 12 or so\n", None),
        ("# realmconf: te am, generation 12\n", None),
        (" # realmconf: team, generation 12\n", None),
        ("a = 1\n# realmconf: team, generation 12\n", None),
    ],
)
def test_header_forms(text, found):
    """Only an exact first line is a header; without it the text starts at its second line."""
    header = workfile.read_header(text)
    assert (None if header is None else (header.realm, header.generation)) == found
    assert workfile.without_header(text) == (text if found is None else text.partition("\n")[2])
    if found is not None:
        assert text.startswith(workfile.header_line(*found))
