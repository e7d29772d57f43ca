"""
From JSON to records: what a server answers, as what the protocol promises.

Where it is of another shape, what is raised is one of ``connection.MISSHAPEN``.

Decides nothing: documents were checked where they were written.  Where something is withheld, what stands in its
place is such that nobody takes it for a value.
"""

from __future__ import annotations

from realmconf.domain.archive import revision_from
from realmconf.domain.names import RealmName
from realmconf.domain.record import Record
from realmconf.domain.withheld import withholding
from realmconf.errors import InvalidRealm
from realmconf.stores.protocol import Decided, Head, Notice, RealmEntry, Receipt, Step, StoreInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.domain.revision import Revision


class About(Record):
    """A server, in its own words."""

    info: StoreInfo
    caller_name: str
    roles: frozenset[str]
    request_key: bytes | None


def about_of(found: Mapping[str, Any]) -> About:
    """What the server says of its store and of whoever asks."""
    key, caller = found["request_key"], found["caller"]
    return About(
        info=info_of(found["info"]),
        caller_name=text_of(caller["name"]),
        roles=frozenset(caller["roles"]),
        request_key=None if key is None else bytes.fromhex(key),
    )


def text_of(found: Any) -> str:
    """A text."""
    if not isinstance(found, str):
        raise TypeError
    return found


def number_of(found: Any) -> int:
    """A whole number."""
    if type(found) is not int:
        raise TypeError
    return found


def realm_of(found: Any) -> RealmName:
    """A realm's name."""
    try:
        return RealmName(text_of(found))
    except InvalidRealm:
        raise ValueError from None


def one_revision_of(found: Any, *, realm: RealmName) -> Revision:
    """A revision of *realm*, where there must be one."""
    revision = revision_of(found, realm=realm)
    if revision is None:
        raise TypeError
    return revision


def revision_of(found: Any, *, realm: RealmName) -> Revision | None:
    """A revision of *realm*."""
    if found is None:
        return None
    try:
        revision = revision_from(found, trusted=True)
    except InvalidRealm:
        # Not its reader's mistake.
        raise ValueError from None
    if not revision.document_digest and revision.document is not None:
        withholding(revision.document, realm=realm)
    return revision


def head_of(found: Mapping[str, Any], *, realm: RealmName) -> Head:
    """A head of *realm*."""
    return Head(
        realm=realm,
        revision=revision_of(found["revision"], realm=realm),
        floor=number_of(found["floor"]),
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
        realm=realm_of(realm),
        generation=number_of(generation),
        exists=exists is True,
        parent=None if parent is None else realm_of(parent),
    )


def step_of(found: Mapping[str, Any]) -> Step:
    """One step in the order of commits."""
    realm = realm_of(found["realm"])
    revision = one_revision_of(found["revision"], realm=realm)
    return Step(position=number_of(found["position"]), realm=realm, revision=revision)


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
            generation=number_of(found["generation"]),
            changed=found["changed"],
            is_known=True,
        )
    revision = revision_of(found["revision"], realm=realm)
    state = found["head"]
    descendants = found.get("descendants")
    return Decided(
        realm=realm,
        generation=number_of(found["generation"]),
        changed=found["changed"],
        revision=revision,
        before=revision_of(found["before"], realm=realm) if found["changed"] else revision,
        rebased_from=found["rebased_from"],
        head=None
        if state is None
        else head_of({**state, "revision": None}, realm=realm).replace(revision=revision),
        members=members,
        warnings=notices_of(found["warnings"]),
        descendants=None if descendants is None else tuple(map(realm_of, descendants)),
    )
