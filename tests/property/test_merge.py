"""Laws of the three-way merge."""

from hypothesis import given
from tests.property.strategies import NEAR_DOCUMENTS

from realmconf.domain.document import check_document, same
from realmconf.domain.merge import merge_three
from realmconf.domain.overlap import changed_places
from realmconf.domain.patch import derive, merge

DOCUMENT = NEAR_DOCUMENTS


@given(DOCUMENT, DOCUMENT)
def test_one_side_that_changed_nothing_gives_way(base: dict, other: dict) -> None:
    """merge(base, x, base) = x = merge(base, base, x), and merge(base, x, x) = x, without conflict."""
    for result in (
        merge_three(base, other, base),
        merge_three(base, base, other),
        merge_three(base, other, other),
    ):
        assert same(result.document, other)
        assert result.contested == ()


@given(DOCUMENT, DOCUMENT, DOCUMENT)
def test_both_sides_see_the_same_conflicts(base: dict, theirs: dict, mine: dict) -> None:
    """What is contested does not depend on whose side one is on; without conflict, neither does the result."""
    there, back = merge_three(base, theirs, mine), merge_three(base, mine, theirs)
    assert there.contested == back.contested
    assert same(check_document(there.document), there.document)
    if not there.contested:
        assert same(there.document, back.document)


@given(DOCUMENT, DOCUMENT, DOCUMENT)
def test_contested_places_hold_theirs(base: dict, theirs: dict, mine: dict) -> None:
    """Where something is contested the merge has *theirs*, and the two sides really differ there."""
    result = merge_three(base, theirs, mine)
    for pointer in result.contested:
        assert same(pointer.resolve(result.document), pointer.resolve(theirs))
        assert not same(pointer.resolve(theirs), pointer.resolve(mine))


@given(DOCUMENT, DOCUMENT, DOCUMENT)
def test_a_clean_merge_is_both_patches(base: dict, theirs: dict, mine: dict) -> None:
    """Without conflict the merge is my patch on top of theirs: nobody's change is lost."""
    result = merge_three(base, theirs, mine)
    if not result.contested:
        assert same(result.document, merge(theirs, derive(base, mine)))


@given(DOCUMENT, DOCUMENT, DOCUMENT)
def test_changes_in_places_that_do_not_meet_never_conflict(
    base: dict, theirs: dict, mine: dict
) -> None:
    """A conflict is never invented: each contested place was changed, at, above or below, by both."""
    result = merge_three(base, theirs, mine)
    for pointer in result.contested:
        for side in (theirs, mine):
            assert any(pointer.overlaps(place) for place in changed_places(base, side))
