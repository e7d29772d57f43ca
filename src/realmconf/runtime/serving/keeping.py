"""
What a client asks of a store besides reading and writing: what it is, settling, compaction, purges, backups.

Decides which right each needs: whoever may write may settle, everything else needs every right where it reaches.
"""

from __future__ import annotations

import json

from realmconf.domain.archive import revision_fields
from realmconf.domain.document import check_document
from realmconf.domain.names import RealmName, is_system
from realmconf.runtime import arguments
from realmconf.runtime.access import require_settling
from realmconf.runtime.serving.asked import whole
from realmconf.runtime.serving.sealed import require_everything
from realmconf.runtime.serving.writes import deadline_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.serving.asked import Asked


def info(session: Session, _: Asked) -> dict[str, Any]:
    """What the store promises, who asks, and for those with every right the key of its requests."""
    client = session.client
    grant = session.grant
    has_everything = all(grant.allows(role, None) for role in ("admin", "secrets"))
    return {
        "info": {name: getattr(client.info, name) for name in client.info.__fields__},
        "caller": {
            "name": client.authorship({})["author"] if grant.name else "",
            "roles": sorted(grant.effective_roles),
        },
        "request_key": client.store.request_key().hex() if has_everything else None,
    }


def void(session: Session, asked: Asked) -> list[Any]:
    """Settle a write id: request, outcome and generation of its receipt."""
    realm = RealmName(asked.get("realm"))  # type: ignore[arg-type]
    session.grant.require("write", realm, action="settling a write")
    write_id = arguments.line(
        asked.get("write_id"),
        name="write_id",
        characters_max=session.client.limits.write_id_chars,
    )
    require_settling(session.client.scope, write_id, realm=realm)
    found = session.client.store.void(realm, write_id, deadline=deadline_of(session, asked))
    return [found.request if session.grant.sees_secrets else "", found.outcome, found.generation]


def compact(session: Session, asked: Asked) -> list[Any]:
    """Remove old revisions: the new floor, and how many are gone."""
    realm = RealmName(asked.get("realm"))  # type: ignore[arg-type]
    require_everything(session, realm, action="compacting")
    floor = whole(asked, "floor")
    done = session.client.store.compact(realm, floor=floor, deadline=deadline_of(session, asked))
    return [done.floor, done.removed]


def purge(session: Session, asked: Asked) -> dict[str, Any]:
    """Erase one older document: what is left of the revision."""
    realm = RealmName(asked.get("realm"))  # type: ignore[arg-type]
    require_everything(session, realm, action="purging")
    document = asked.get("document")
    limits = session.client.limits
    purged = session.client.store.purge(
        realm,
        whole(asked, "generation"),
        document=None if document is None else check_document(document, limits=limits),
        deadline=deadline_of(session, asked),
    )
    return revision_fields(purged)


def backup(session: Session, path: str) -> None:
    """Write a copy of the whole store to *path*, on the server's side."""
    require_everything(session, None, action="backing up")
    session.client.store.backup(path)


def contents(session: Session, path: str) -> Iterator[str]:
    """The schemas, and then every revision, in the backup at *path*: lines of JSON. The server's own records stay."""
    store = session.client.store
    schemas = {
        str(realm): found for realm, found in store.schemas_in(path).items() if not is_system(realm)
    }
    yield json.dumps({"schemas": schemas}) + "\n"
    for revision in store.revisions_in(path):
        if not is_system(revision.realm):
            yield json.dumps({"revision": revision_fields(revision)}) + "\n"
