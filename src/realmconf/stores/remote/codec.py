"""
From JSON to records: what a server answers, as what the protocol promises.

Decides nothing: documents were checked where they were written.  Where something is withheld, what stands in its
place is such that nobody takes it for a value.
"""

from __future__ import annotations

from realmconf.domain.archive import revision_from
from realmconf.domain.names import RealmName
from realmconf.domain.withheld import withholding
from realmconf.errors import StoreUnavailable
from realmconf.stores.protocol import Decided, Head, Notice, RealmEntry, Receipt, Step, StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.domain.revision import Revision


def revision_of(found: Any, *, realm: RealmName) -> Revision | None:
    """A revision of *realm*."""
    if found is None:
        return None
    try:
        revision = revision_from(found, trusted=True)
    except (KeyError, TypeError):
        raise StoreUnavailable(
            "the server answers with what this release cannot read", retryable=False
        ) from None
    if not revision.document_digest and revision.document is not None:
        withholding(revision.document, realm=realm)
    return revision


def head_of(found: Mapping[str, Any], *, realm: RealmName) -> Head:
    """A head of *realm*."""
    return Head(
        realm=realm,
        revision=revision_of(found["revision"], realm=realm),
        floor=found["floor"],
        moved_to=found["moved_to"],
        warnings=notices_of(found["warnings"]),
    )


def notices_of(found: Iterable[Any]) -> tuple[Notice, ...]:
    """Warnings."""
    return tuple(Notice(code=code, message=text, path=path) for code, text, path in found)


def receipt_of(found: Any, *, realm: RealmName, write_id: str) -> Receipt | None:
    """A receipt."""
    if found is None:
        return None
    request, outcome, generation = found
    return Receipt(
        realm=realm, write_id=write_id, request=request, outcome=outcome, generation=generation
    )


def entry_of(found: Any) -> RealmEntry:
    """One line of the list of realms."""
    realm, generation, exists, parent = found
    return RealmEntry(
        realm=RealmName(realm),
        generation=generation,
        exists=exists,
        parent=None if parent is None else RealmName(parent),
    )


def step_of(found: Mapping[str, Any]) -> Step:
    """One step in the order of commits."""
    realm = RealmName(found["realm"])
    revision = revision_of(found["revision"], realm=realm)
    assert revision is not None
    return Step(position=found["position"], realm=realm, revision=revision)


def info_of(found: Mapping[str, Any]) -> StoreInfo:
    """
    What the server's store promises, and what is different for whoever asks from afar.

    What a newer release promises besides is not known here.
    """
    stated = {name: value for name, value in found.items() if name in StoreInfo.__names__}
    here = {
        "working_copy": "none",
        "fresh_read": "query",
        "current": "last_known",
        "judging": "optimistic",
    }
    return StoreInfo(**{**stated, **here})


def decided_of(
    found: Mapping[str, Any], *, realm: RealmName, members: Mapping[RealmName, Head]
) -> Decided:
    """What became of one write; *members* are the heads that it names."""
    if found.get("known"):
        return Decided(
            realm=realm,
            generation=found["generation"],
            changed=found["changed"],
            is_known=True,
        )
    revision = revision_of(found["revision"], realm=realm)
    state = found["head"]
    descendants = found.get("descendants")
    return Decided(
        realm=realm,
        generation=found["generation"],
        changed=found["changed"],
        revision=revision,
        before=revision_of(found["before"], realm=realm) if found["changed"] else revision,
        rebased_from=found["rebased_from"],
        head=None
        if state is None
        else head_of({**state, "revision": None}, realm=realm).replace(revision=revision),
        members=members,
        warnings=notices_of(found["warnings"]),
        descendants=None if descendants is None else tuple(map(RealmName, descendants)),
    )
