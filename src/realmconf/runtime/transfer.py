"""
Realms in and out of a store: export, import, restore.

Decides what an export holds and what taking one in does; the form of a line is
``domain.archive``'s.  What comes in is always appended as new revisions, never
put in place of what is there.
"""

from __future__ import annotations

from realmconf.domain.archive import header_line, read_archive, revision_line
from realmconf.domain.document import same
from realmconf.domain.names import RealmName
from realmconf.domain.secrets import redact
from realmconf.domain.write import Place, Write
from realmconf.errors import InvalidArgument
from realmconf.runtime import arguments
from realmconf.runtime.outcome import Request, commit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from realmconf.domain.archive import Entry
    from realmconf.domain.revision import Revision
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client, Imported
    from realmconf.runtime.outcome import Answer
    from realmconf.runtime.snapshot import WriteResult
    from realmconf.stores.protocol import Applied, ReadView

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
        for revision in _kept(client, realm):
            yield revision_line(realm, _redacted(revision) if redacted else revision)


def _kept(client: Client, realm: RealmName) -> Iterator[Revision]:
    with client.store.view() as view:
        head = view.head(realm)
    position = head.floor - 1
    while position < head.generation:
        with client.store.view() as view:
            page = view.revisions(realm, after=position, before=head.generation + 1, limit=PAGE)
        if not page:
            return
        yield from page
        position = page[-1].generation


def _redacted(revision: Revision) -> Revision:
    """*revision* without what looks secret; the same if nothing does."""
    if revision.document is None:
        return revision
    document = redact(revision.document)
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
    newest: dict[RealmName, Revision] = {}
    replayed: set[RealmName] = set()
    for number, entry in enumerate(_complete(lines), start=1):
        revision = entry.revision
        target = renamed.get(entry.realm, entry.realm)
        if target not in newest and client.store.head(target).generation == 0:
            replayed.add(target)
        newest[target] = revision
        if target in replayed and not (revision.purged and revision.document is None):
            _count(done, _place(client, target, revision, "import", options, replay=True), Imported)
        if progress is not None:
            progress(number)
    for target, revision in newest.items():
        if target not in replayed:
            _count(
                done, _place(client, target, revision, "import", options, replay=False), Imported
            )
    return list(done.values())


def _complete(lines: Iterable[str]) -> list[Entry]:
    """
    The revisions of an export, all of them read and checked before the first is taken in.

    Raises:
        InvalidArgument: One has a mark in place of a secret, or is no revision.
    """
    entries = list(read_archive(lines))
    for entry in entries:
        revision = entry.revision
        if revision.document is not None and not revision.salt and not revision.purged:
            raise InvalidArgument(
                f"this export is redacted: generation {revision.generation} of realm {entry.realm} has marks "
                "in place of secrets, so it cannot be imported; export it with its secrets"
            )
    return entries


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
        known = newest.get(revision.realm)
        if known is None or revision.generation > known.generation:
            newest[revision.realm] = revision
    results = []
    for number, (realm, revision) in enumerate(newest.items(), start=1):
        results.append(_place(client, realm, revision, "restore", options, replay=False))
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
    revision: Revision,
    kind: str,
    options: WriteOptions,
    *,
    replay: bool,
) -> WriteResult[Any]:
    """
    Append *revision*'s document to *realm*, above its own number there and here.

    A replay also takes over who wrote it and why, and its number.
    """
    shared = client.authorship(options)
    if replay:
        shared |= {"author": revision.author, "message": revision.message}

    def prepare(view: ReadView) -> Write:
        current = view.head(realm)
        if replay:
            generation_min = revision.generation
        elif current.revision is not None and _same_document(current.revision, revision):
            # Nothing to bring back, so nothing is appended.
            generation_min = current.generation
        else:
            generation_min = max(revision.generation, current.generation) + 1
        command = Place(
            document=revision.document,
            kind=kind,
            policy=revision.policy,
            restores=revision.generation if kind == "restore" else None,
            generation_min=generation_min,
        )
        return Write(realm=realm, command=command, **shared)

    request = Request(
        realm=realm,
        write_id=shared["write_id"],
        write_id_given=False,
        prepare=prepare,
        identity=lambda: [kind, str(realm), revision.digest],
    )
    done: Applied | Answer = commit(
        client.store,
        [request],
        world=client.world,
        limits=client.limits,
        deadline=client.deadline(options.get("timeout")),
    )[0]
    return client.realm(realm).writing.result(request, done)


def _same_document(one: Revision, other: Revision) -> bool:
    if one.document is None or other.document is None:
        return one.tombstone and other.tombstone
    return same(one.document, other.document) and one.policy == other.policy
