"""
A conditional write as the parameters of one call.

Decides what of ``Changes`` is a parameter of its own, since every write has it, and what goes into one for the rest.
"""

from __future__ import annotations

import json
from base64 import b64encode

from realmconf.domain.document import canonical_bytes
from realmconf.stores.postgres.values import (
    BYTEAS,
    INT4,
    INT8,
    INT8S,
    JSON,
    TEXT,
    TEXTS,
    byteas,
    int4,
    int8,
    int8s,
    text,
    texts,
)
from realmconf.stores.postgres.wire import Question

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes, Put
    from realmconf.stores.postgres.layout import Layout
    from realmconf.stores.postgres.wire import Answer, Statement
    from realmconf.stores.protocol import Receipt

_IS_LIVE, _IS_HEAD = 1, 2
WRITTEN = "realmconf.written"
"""What the session remembers of its last write."""

_TYPES = (
    INT4,
    *(TEXTS, INT8S, TEXTS, INT8),
    *(TEXTS, TEXTS, TEXTS),
    *(TEXTS, INT8S, TEXTS, TEXTS, INT8S, BYTEAS),
    *(TEXTS, TEXTS, TEXTS, TEXTS, INT8S),
    JSON,
)


def commit_statement(layout: Layout) -> Statement:
    """
    The call; ``commit_question`` gives its parameters.

    Its answer is the mark and the new version, or the mark alone; the session keeps it for what is told behind it.
    """
    marks = ", ".join(f"${number + 1}" for number in range(len(_TYPES)))
    return layout.statement(
        f"SELECT set_config('{WRITTEN}', ${len(_TYPES) + 1} || ' ' || "
        f"coalesce({{schema}}.commit_1({marks})::text, ''), false)",
        *_TYPES,
        TEXT,
    )


def version_in(answer: Answer) -> int | None:
    """The version that was made; None where nothing was written."""
    version = text(answer.value(0, 0)).partition(" ")[2]
    return int(version) if version else None


def commit_question(
    statement: Statement,
    changes: Changes,
    changed: Set[RealmName],
    wait_milliseconds: int,
    *,
    mark: str,
) -> Question:
    """The call that carries *changes* out, to the realms *changed*; it waits no longer than that for its turn."""
    rests_on, puts, receipts = changes.rests_on, changes.puts, changes.receipts
    last = {put.realm: index for index, put in enumerate(puts)}
    return Question(
        statement,
        int4(wait_milliseconds),
        texts(rests_on),
        int8s(rests_on.values()),
        texts(changes.heads.get(realm, "") for realm in rests_on),
        None if changes.newest is None else int8(changes.newest),
        texts(begun_in(changes, changed)),
        texts(changes.claims),
        texts(sorted(changed - last.keys())),
        texts(put.realm for put in puts),
        int8s(put.revision.generation for put in puts),
        texts(put.revision.digest for put in puts),
        texts(put.parent for put in puts),
        int8s(_flags(put, is_head=last[put.realm] == index) for index, put in enumerate(puts)),
        byteas([put.packed for put in puts]),
        texts(receipt.realm for receipt in receipts),
        texts(receipt.write_id for receipt in receipts),
        texts(receipt.request for receipt in receipts),
        texts(receipt.outcome for receipt in receipts),
        int8s(receipt.generation for receipt in receipts),
        _more(changes),
        mark.encode(),
    )


def begun_in(changes: Changes, changed: Set[RealmName]) -> list[RealmName]:
    """Whose histories may begin with it; those that are there already stay as they are."""
    return sorted(
        realm
        for realm in changed
        if not changes.rests_on.get(realm) and not _is_renamed(realm, changes)
    )


def versions_taken(changes: Changes, changed: Set[RealmName]) -> int:
    """How many numbers above the newest version a write takes, the last of which its rows have."""
    return max(1, len(changes.puts), len(begun_in(changes, changed)) + 1)


def _is_renamed(realm: str, changes: Changes) -> bool:
    return changes.renamed is not None and realm in changes.renamed


def _flags(put: Put, *, is_head: bool) -> int:
    is_live = put.revision.document is not None
    return (_IS_LIVE if is_live else 0) | (_IS_HEAD if is_head else 0)


def _more(changes: Changes) -> bytes | None:
    """What few writes have."""
    more: dict[str, Any] = {}
    if changes.renamed is not None:
        old, new = changes.renamed
        floor = next((put.revision.generation for put in changes.puts if put.realm == old), 1)
        more["renamed"] = [old, new, floor]
    if changes.floors:
        more["floors"] = changes.floors
    if changes.moved:
        more["moved"] = changes.moved
    if changes.schemas:
        more["schemas"] = [
            [realm, digest, b64encode(canonical_bytes(schema)).decode()]
            for realm, schemas in changes.schemas.items()
            for digest, schema in schemas.items()
        ]
    if changes.told:
        more["told"] = [
            [one.realm, one.write_id, one.request, one.outcome, one.generation]
            for one in told_once(changes.told)
        ]
    if changes.keys:
        more["keys"] = {name: b64encode(key).decode() for name, key in changes.keys.items()}
    return json.dumps(more).encode() if more else None


def told_once(told: Sequence[Receipt]) -> Sequence[Receipt]:
    """One receipt for each id: the first, with what a later one tells of its request."""
    found: dict[tuple[str, str], Receipt] = {}
    for receipt in told:
        place = (receipt.realm, receipt.write_id)
        known = found.setdefault(place, receipt)
        if not known.request and receipt.request and known.outcome == receipt.outcome:
            found[place] = known.replace(request=receipt.request)
    return list(found.values())
