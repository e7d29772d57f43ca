"""
Backups of stores that have no format of their own: an archive of every realm at one point.

Decides that a backup is a new file, private to its owner, and durable; the form of a line is ``domain.archive``'s.
"""

from __future__ import annotations

import os

from realmconf.domain.archive import header_line, read_archive, revision_line, schema_line
from realmconf.errors import InvalidArgument, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from realmconf.domain.archive import Entry
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import ReadView


def write_backup(path: str, view: ReadView, *, store: str) -> None:
    """
    Write everything in *view* to *path*.

    Raises:
        InvalidArgument: There is a file.
        StoreUnavailable: It cannot be written.
    """
    lines = [header_line(store=store)]
    for entry in view.realms():
        realm = entry.realm
        lines += [schema_line(realm, digest, view.schema(digest)) for digest in view.schemas(realm)]
        revisions = view.revisions(realm, after=view.head(realm).floor - 1)
        lines += [revision_line(realm, revision) for revision in revisions]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise InvalidArgument(f"{path} exists; a backup is written to a new file") from None
    except OSError as error:
        raise StoreUnavailable(f"cannot write the backup {path}: {error.strerror}") from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def entries_in(path: str) -> Iterator[Entry]:
    """
    What the backup at *path* holds.

    Raises:
        InvalidArgument: It cannot be read as one.
    """
    try:
        with open(path, encoding="utf-8") as file:
            yield from read_archive(file)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read as a backup") from error


def schemas_in(path: str) -> Mapping[RealmName, Mapping[str, Document]]:
    """The schemas of each realm in the backup at *path*, by digest."""
    found: dict[RealmName, dict[str, Document]] = {}
    for entry in entries_in(path):
        if entry.schemas:
            found.setdefault(entry.realm, {}).update(entry.schemas)
    return found
