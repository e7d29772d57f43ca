"""Laws of merge patches."""

import copy

from hypothesis import given
from tests.property.strategies import DOCUMENTS, JSON, NEAR_DOCUMENTS, PATCHES

from realmconf.domain.document import check_document, same
from realmconf.domain.patch import check_patch, derive, merge, merge_any


def rfc_7396(target, patch):
    """The pseudo code of RFC 7396, section 2."""
    if isinstance(patch, dict):
        target = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                target.pop(name, None)
            else:
                target[name] = rfc_7396(target.get(name), value)
        return target
    return patch


@given(JSON, JSON)
def test_merging_is_what_the_rfc_says(target: object, patch: object) -> None:
    """For any two JSON values the result is that of the RFC's own algorithm."""
    assert same(merge_any(target, patch), rfc_7396(target, patch))


@given(DOCUMENTS, PATCHES)
def test_a_patched_document_is_a_document(document: dict, patch: dict) -> None:
    """A patch never leaves a null behind, never touches its inputs, and applied twice does what it did once."""
    before, given_patch = copy.deepcopy(document), copy.deepcopy(patch)
    merged = merge(document, check_patch(patch))
    assert same(check_document(merged), merged)
    assert same(merge(merged, patch), merged)
    assert same(document, before)
    assert patch == given_patch


@given(DOCUMENTS, PATCHES)
def test_identity_means_no_change(document: dict, patch: dict) -> None:
    """The very same object comes back exactly if nothing changed."""
    merged = merge(document, patch)
    assert (merged is document) == same(merged, document)


@given(DOCUMENTS, DOCUMENTS)
def test_derive_inverts_merge(before: dict, after: dict) -> None:
    """merge(before, derive(before, after)) is *after*, for any two documents."""
    assert same(merge(before, derive(before, after)), after)


@given(NEAR_DOCUMENTS, NEAR_DOCUMENTS)
def test_derive_inverts_merge_for_near_documents(before: dict, after: dict) -> None:
    """As above, where documents differ by a type, an empty object or a removal; and no patch means no difference."""
    patch = derive(before, after)
    assert same(merge(before, patch), after)
    assert (not patch) == same(before, after)
