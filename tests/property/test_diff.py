"""Laws of differences."""

from hypothesis import given
from tests.property.strategies import DOCUMENTS, NEAR_DOCUMENTS, PATCHES

from realmconf.domain.diff import changes, leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.patch import merge


def flat(document: dict) -> dict:
    """A document as the map of its leaves, without the root itself."""
    return {pointer: leaf for pointer, leaf in leaves(document) if pointer}


def apply(before: dict, found: tuple) -> dict:
    result = flat(before)
    for change in found:
        assert same(result.pop(change.pointer, ABSENT), change.before)
        if change.after is not ABSENT:
            result[change.pointer] = change.after
    return result


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        same(leaf, other[pointer]) for pointer, leaf in one.items()
    )


@given(NEAR_DOCUMENTS, NEAR_DOCUMENTS)
def test_applying_a_difference_gives_the_other_document(before: dict, after: dict) -> None:
    """The leaves of *before*, changed as told, are the leaves of *after*; each change is one, in order."""
    found = changes(before, after)
    assert equal(apply(before, found), flat(after))
    pointers = [change.pointer for change in found]
    assert pointers == sorted(set(pointers))
    assert not any(same(change.before, change.after) for change in found)


@given(NEAR_DOCUMENTS, NEAR_DOCUMENTS)
def test_a_difference_read_backwards(before: dict, after: dict) -> None:
    """changes(after, before) is changes(before, after) with both sides exchanged; none mean the same document."""
    there = [(change.pointer, change.before, change.after) for change in changes(before, after)]
    back = [(change.pointer, change.after, change.before) for change in changes(after, before)]
    assert same(
        [[str(pointer), *_sides(rest)] for pointer, *rest in there],
        [[str(pointer), *_sides(rest)] for pointer, *rest in back],
    )
    assert (not there) == same(before, after)


def _sides(sides: list) -> list:
    return [["absent"] if side is ABSENT else [side] for side in sides]


@given(DOCUMENTS, PATCHES)
def test_sharing_structure_changes_no_answer(document: dict, patch: dict) -> None:
    """Between generations that share memory the difference is that between separate copies."""
    merged = merge(document, patch)
    assert equal(apply(document, changes(document, merged)), flat(merged))
