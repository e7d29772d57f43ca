"""
Backups of stores that have no format of their own: an archive of every realm at one point.

Decides what is in one, and in which order; the form of a line is ``domain.archive``'s, the file ``newfile``'s.
"""

from __future__ import annotations

from realmconf.domain.archive import header_line, read_archive, revision_line, schema_line
from realmconf.errors import InvalidArgument
from realmconf.stores.newfile import new_backup

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
        StoreUnavailable: It cannot be written; nothing is left of it.
    """
    lines = [header_line(store=store)]
    for entry in view.realms():
        realm = entry.realm
        lines += [schema_line(realm, digest, view.schema(digest)) for digest in view.schemas(realm)]
        revisions = view.revisions(realm, after=view.head(realm).floor - 1)
        lines += [revision_line(realm, revision) for revision in revisions]
    with new_backup(path) as file:
        file.writelines(f"{line}\n".encode() for line in lines)


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
