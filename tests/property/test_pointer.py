"""Laws of pointers."""

from hypothesis import given
from tests.property.strategies import DOCUMENTS, POINTERS

from realmconf.domain.diff import leaves
from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer


@given(POINTERS)
def test_both_spellings_read_back(pointer: Pointer) -> None:
    """A pointer written as RFC 6901 or as a dotted path reads back as itself."""
    assert Pointer.parse(str(pointer)) == pointer
    assert Pointer.parse_json_pointer(str(pointer)) == pointer
    assert Pointer.parse(pointer.dotted) == pointer


@given(POINTERS, POINTERS)
def test_overlap_is_within_one_way_or_the_other(one: Pointer, other: Pointer) -> None:
    """``overlaps`` is symmetric, and nothing but ``within`` in one of both directions."""
    assert one.overlaps(other) == other.overlaps(one) == (one.within(other) or other.within(one))


@given(DOCUMENTS)
def test_every_leaf_is_found_at_its_place(document: dict) -> None:
    """Resolving a leaf's pointer gives the leaf; one step further gives nothing."""
    for pointer, leaf in leaves(document):
        assert pointer.resolve(document) is leaf or not pointer
        assert pointer.child("no such key").resolve(document) is ABSENT
