"""Laws of the rebase."""

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.property.strategies import NEAR_DOCUMENTS, POINTERS
from tests.unit.history import TEAM, ListHistory

from realmconf.domain.diff import changes
from realmconf.domain.document import same
from realmconf.domain.merge import merge_three
from realmconf.domain.overlap import Overlaps, changed_places
from realmconf.domain.pointer import Pointer
from realmconf.domain.write import Append, SetDocument
from realmconf.errors import GenerationConflict


@given(st.sets(POINTERS, max_size=8), POINTERS)
def test_the_index_of_places_finds_exactly_what_overlaps(places: set, other: Pointer) -> None:
    """Looking up gives what comparing with each would."""
    assert sorted(Overlaps(places).meeting(other)) == sorted(
        place for place in places if place.overlaps(other)
    )


@given(NEAR_DOCUMENTS, NEAR_DOCUMENTS)
def test_changed_places_are_apart_and_complete(before: dict, after: dict) -> None:
    """No changed place is inside another, each differs, and there is none only if nothing differs."""
    places = changed_places(before, after)
    assert not any(one.overlaps(other) for one in places for other in places if one != other)
    assert not any(same(place.resolve(before), place.resolve(after)) for place in places)
    assert (not places) == same(before, after)


def comes_empty(base: dict, after: dict) -> bool:
    return any(change.after == {} for change in changes(base, after))


@given(NEAR_DOCUMENTS, NEAR_DOCUMENTS, NEAR_DOCUMENTS)
@example(base={}, theirs={"a": {}}, mine={"a": {"a": 1}})
def test_rebasing_a_set_over_one_revision_is_the_three_way_merge(
    base: dict, theirs: dict, mine: dict
) -> None:
    """
    A rebased ``set`` gives what the merge gives, and conflicts exactly where that does.

    Save that an object which comes empty is one place for a rebase, so that whoever adds to it at the same
    time is asked; the merge just puts the two together.
    """
    history = ListHistory(base)
    history.write(SetDocument(document=theirs))
    assume(history.head(TEAM).generation == 2)
    merged = merge_three(base, theirs, mine)
    try:
        decision = history.decide(SetDocument(document=mine), expected=1, on_conflict="rebase")
    except GenerationConflict:
        assert merged.contested or comes_empty(base, theirs) or comes_empty(base, mine)
        return
    assert not merged.contested
    after = decision.revision if isinstance(decision, Append) else decision.head
    assert after is not None
    assert same(after.document, merged.document)


@given(st.lists(NEAR_DOCUMENTS, min_size=2, max_size=5), NEAR_DOCUMENTS)
def test_a_rebase_loses_nobodys_change(documents: list, mine: dict) -> None:
    """G8 for programs: every place that anybody changed has, in the result, the head's value or the one I wanted."""
    history = ListHistory(*documents)
    revisions = history.kept[TEAM]
    assume(len(revisions) > 1)
    head = revisions[-1].document
    try:
        decision = history.decide(SetDocument(document=mine), expected=1, on_conflict="rebase")
    except GenerationConflict:
        return
    after = decision.revision if isinstance(decision, Append) else decision.head
    assert after is not None
    base = revisions[0].document
    for place in changed_places(base, mine):
        assert same(place.resolve(after.document), place.resolve(mine))
    mine_places = changed_places(base, mine)
    for place in changed_places(base, head):
        if not any(place.overlaps(other) for other in mine_places):
            assert same(place.resolve(after.document), place.resolve(head))
