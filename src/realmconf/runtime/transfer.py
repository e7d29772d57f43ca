"""
Realms in and out of a store: export, import, restore.

Decides what an export holds and what taking one in does; the form of a line is
``domain.archive``'s.  What comes in is always appended as new revisions, never
put in place of what is there.
"""

from __future__ import annotations

from realmconf.domain.archive import Entry, header_line, read_archive, revision_line, schema_line
from realmconf.domain.document import same
from realmconf.domain.edit import edited
from realmconf.domain.lineage import SECTION, parent_of, with_own_section
from realmconf.domain.names import RealmName, is_system
from realmconf.domain.pointer import Pointer
from realmconf.domain.write import Edit, Place, Write
from realmconf.errors import InvalidArgument, SecretWithheld
from realmconf.runtime import arguments
from realmconf.runtime.outcome import Request, commit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.revision import Revision
    from realmconf.domain.secrets import Secrecy
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client, Imported
    from realmconf.runtime.results import WriteResult
    from realmconf.stores.protocol import Head, ReadView

PAGE = 256
_TAKEN = ("author", "message", "timeout")
"""The options of a write that mean something for many at once."""


def export(client: Client, *, realms: Iterable[str] | None, redacted: bool) -> Iterator[str]:
    """The lines of an export; every realm at one point of its own."""
    if isinstance(realms, (str, bytes)):
        raise InvalidArgument("realms must be a list of names")
    wanted = (
        [entry.realm for entry in client.realms()]
        if realms is None
        else [RealmName(name) for name in realms]
    )
    yield header_line(
        created_at=client.world.timestamp(), store=client.info.name, redacted=redacted
    )
    for realm in wanted:
        yield from _lines(client, realm, redacted=redacted)


def _lines(client: Client, realm: RealmName, *, redacted: bool) -> Iterator[str]:
    """The lines of one realm: its schemas, which hold no configuration, and then its revisions."""
    with client.store.view() as view:
        head = view.head(realm)
        # Those of its ancestors too: what they call secret in it must stay so where they are not.
        digests = () if head.revision is None else client.lineages.schemas_of(realm, view)
        schemas = {digest: view.schema(digest) for digest in digests}
    for digest, schema in schemas.items():
        yield schema_line(realm, digest, schema)
    secrecy = client.lineages.secrecy(realm).replace(key=None) if redacted else None
    for revision in _kept(client, realm, head):
        if secrecy is None and not revision.document_digest:
            # What is withheld from whoever asks is in no export that could be taken in again.
            raise SecretWithheld(pointer="", realm=realm)
        yield revision_line(realm, revision if secrecy is None else _redacted(revision, secrecy))


def _kept(client: Client, realm: RealmName, head: Head) -> Iterator[Revision]:
    position = head.floor - 1
    while position < head.generation:
        with client.store.view() as view:
            page = view.revisions(realm, after=position, before=head.generation + 1, limit=PAGE)
        if not page:
            return
        yield from page
        position = page[-1].generation


def _redacted(revision: Revision, secrecy: Secrecy) -> Revision:
    """*revision* without what is secret; the same if nothing is."""
    if revision.document is None:
        return revision
    document = secrecy.redact(revision.document)
    if same(document, revision.document):
        return revision
    # Without its salt, because the salt and the digest together confirm a guess.
    return revision.replace(document=document, salt="", document_digest="")


def import_lines(
    client: Client,
    lines: Iterable[str],
    *,
    names: Mapping[str, str],
    options: WriteOptions,
    progress: Callable[[int], object] | None,
) -> list[Imported]:
    """Append what the lines hold, realm by realm; see ``Client.import_``."""
    from realmconf.runtime.client import Imported

    _check_options(options)
    renamed = {RealmName(old): RealmName(new) for old, new in names.items()}
    done: dict[RealmName, Imported] = {}
    newest: dict[RealmName, Entry] = {}
    replayed: set[RealmName] = set()
    for number, entry in enumerate(_complete(lines), start=1):
        revision = entry.revision
        target = renamed.get(entry.realm, entry.realm)
        if target not in newest:
            if client.store.head(target).generation == 0:
                replayed.add(target)
        elif newest[target].schemas:
            entry = entry.replace(schemas={**newest[target].schemas, **entry.schemas})
        if target in replayed and not (revision.purged and revision.document is None):
            result = _place(client, target, entry, "import", options, replay=True, names=renamed)
            _count(done, result, Imported)
            # They are kept from here on; those that came with a purged revision wait for one that is placed.
            entry = entry.replace(schemas={})
        newest[target] = entry
        if progress is not None:
            progress(number)
    for target, entry in newest.items():
        if target not in replayed:
            result = _place(client, target, entry, "import", options, replay=False, names=renamed)
            _count(done, result, Imported)
    return list(done.values())


def _complete(lines: Iterable[str]) -> list[Entry]:
    """
    The revisions of an export, all of them read and checked before the first is taken in.

    Raises:
        InvalidArgument: One has a mark in place of a secret, names a schema that is missing, or is no revision.
    """
    entries = list(read_archive(lines))
    schemas: dict[RealmName, set[str]] = {}
    for entry in entries:
        revision = entry.revision
        known = schemas.setdefault(entry.realm, set())
        known.update(entry.schemas)
        _check_schema(entry.realm, revision, known, source="export")
        if revision.document is not None and not revision.salt and not revision.purged:
            raise InvalidArgument(
                f"this export is redacted: generation {revision.generation} of realm {entry.realm} has marks "
                "in place of secrets, so it cannot be imported; export it with its secrets"
            )
    return entries


def _check_schema(
    realm: RealmName, revision: Revision, known: Collection[str], *, source: str
) -> None:
    if revision.schema_digest is not None and revision.schema_digest not in known:
        raise InvalidArgument(
            f"this {source} is not complete: generation {revision.generation} of realm {realm} names a schema that "
            "it does not hold"
        )


def _count(done: dict[RealmName, Imported], result: WriteResult[Any], kind: type[Imported]) -> None:
    before = done.get(result.realm_id)
    revisions = (0 if before is None else before.revisions) + int(result.changed)
    done[result.realm_id] = kind(
        realm=result.realm_id, revisions=revisions, generation=result.generation
    )


def restore(
    client: Client, path: str, options: WriteOptions, *, progress: Callable[[int], object] | None
) -> list[WriteResult[Mapping[str, Any]]]:
    """Bring the newest document of every realm in the backup at *path* back; see ``Client.restore``."""
    _check_options(options)
    newest: dict[RealmName, Revision] = {}
    for revision in client.store.revisions_in(path):
        # A revision names the realm it was written to; a realm that was renamed left a newer one behind there.
        # Tokens and plans stay as they are here: one that was revoked since must not come back to life.
        known = newest.get(revision.realm)
        if is_system(revision.realm):
            continue
        if known is None or revision.generation > known.generation:
            newest[revision.realm] = revision
    schemas = client.store.schemas_in(path)
    entries = [
        Entry(realm=realm, revision=revision, schemas=schemas.get(realm, {}))
        for realm, revision in newest.items()
    ]
    for entry in entries:
        _check_schema(entry.realm, entry.revision, entry.schemas, source="backup")
    results = []
    for number, entry in enumerate(entries, start=1):
        results.append(_place(client, entry.realm, entry, "restore", options, replay=False))
        if progress is not None:
            progress(number)
    return results


def _check_options(options: WriteOptions) -> None:
    arguments.check_names(options)
    misplaced = sorted(options.keys() - set(_TAKEN))
    if misplaced:
        raise InvalidArgument(f"{misplaced[0]} means nothing for many writes at once")


def _place(
    client: Client,
    realm: RealmName,
    entry: Entry,
    kind: str,
    options: WriteOptions,
    *,
    replay: bool,
    names: Mapping[RealmName, RealmName] | None = None,
) -> WriteResult[Any]:
    """
    Append the document of *entry* to *realm*, above its own number there and here, with its schemas.

    A replay also takes over who wrote it and why, and its number.
    """
    revision = entry.revision
    document = _renamed(revision.document, entry, realm, names or {})
    shared = client.authorship(options)
    if replay:
        shared |= {"author": revision.author, "message": revision.message}

    def prepare(view: ReadView) -> Write:
        current = view.head(realm)
        if replay:
            generation_min = revision.generation
        elif (
            current.revision is not None
            and _is_same(current.revision, revision, document)
            and entry.schemas.keys() <= set(view.schemas(realm))
        ):
            # Nothing to bring back, so nothing is appended.
            generation_min = current.generation
        else:
            generation_min = max(revision.generation, current.generation) + 1
        command = Place(
            document=document,
            kind=kind,
            policy=revision.policy,
            schema_digest=revision.schema_digest,
            schemas=entry.schemas,
            restores=revision.generation if kind == "restore" else None,
            generation_min=generation_min,
        )
        return Write(realm=realm, command=command, **shared)

    request = Request(
        realm=realm,
        write_id=shared["write_id"],
        write_id_given=False,
        author=shared["author"],
        prepare=prepare,
        identity=lambda: [kind, str(realm), revision.digest],
        is_placed=True,
    )
    done = commit(
        client.store,
        [request],
        lineages=client.lineages,
        world=client.world,
        limits=client.limits,
        deadline=client.deadline(options.get("timeout")),
    )[0]
    return client.realm(realm).writing.result(request, done)


def _renamed(
    document: Document | None,
    entry: Entry,
    realm: RealmName,
    names: Mapping[RealmName, RealmName],
) -> Document | None:
    """*document* with what it says of its own realm and its parent under the names that they have here."""
    if document is None or not names:
        return document
    if realm != entry.realm:
        # Of a realm that was renamed before, older generations speak of themselves by an older name.
        for former in (entry.realm, entry.revision.realm):
            document = with_own_section(document, former, realm)
    parent = parent_of(realm, document)
    if parent is None or parent not in names:
        return document
    place = Pointer((SECTION, realm, "parent"))
    return edited(document, Edit(assignments=((place, str(names[parent])),)))


def _is_same(one: Revision, other: Revision, document: Document | None) -> bool:
    """Whether *other* with *document* brings nothing that *one* has not."""
    if one.document is None or document is None:
        return one.tombstone and other.tombstone
    return (
        same(one.document, document)
        and one.policy == other.policy
        and one.schema_digest == other.schema_digest
    )
