"""
The written form of revisions outside a store: JSON Lines, versioned.

Decides how a revision becomes one JSON object and back, and which format
versions are understood.  A schema has a line of its own, before the first
revision of each realm that ever had it.  Used by exports and by backups of stores
without a format of their own; knows nothing of files.
"""

from __future__ import annotations

import json

from realmconf.domain.document import check_document
from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.record import Record
from realmconf.domain.revision import Policy, Revision
from realmconf.errors import InvalidArgument, RealmconfError, StoreTooNew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits

FORMAT = "realmconf-revisions"
VERSION = 1
LINE_CHARACTERS_MAX = 16 * 1_048_576
"""A line beyond this is no revision of ours: the largest document escapes to less."""

_NONE: Mapping[str, Document] = {}
_PLAIN = ("write_id", "created_at", "restores", "salt", "document_digest", "previous", "digest")


def header_line(**details: object) -> str:
    """The first line of an archive; *details* are for people and carry no meaning."""
    return json.dumps({"format": FORMAT, "version": VERSION, **details}, ensure_ascii=False)


class Entry(Record):
    """One revision of an archive, and the realm that has it, which a rename makes another than it names."""

    realm: RealmName
    revision: Revision
    schemas: Mapping[str, Document] = _NONE
    """By digest: what is kept beside the realm from here on, as its schemas."""


def schema_line(realm: RealmName, digest: str, schema: Document) -> str:
    """The line for a schema that *realm* has or had; it stands before one of the realm's revisions."""
    return _dump({"realm": str(realm), "schema_digest": digest, "schema": schema})


def revision_line(realm: RealmName, revision: Revision) -> str:
    """The line for a revision of *realm*; ``read_archive`` gives an equal revision back."""
    return _dump({"realm": str(realm), **revision_fields(revision)})


def revision_fields(revision: Revision) -> dict[str, object]:
    """A revision as one JSON object; ``revision_from`` gives an equal one back."""
    return {
        "written_as": str(revision.realm),
        "generation": revision.generation,
        "kind": revision.kind,
        "document": revision.document,
        "tombstone": revision.tombstone,
        "purged": revision.purged,
        "policy": {
            "require_generation": revision.policy.require_generation,
            "history_keep": revision.policy.history_keep,
        },
        "schema_digest": revision.schema_digest,
        "author": revision.author,
        "surface": revision.surface,
        "message": revision.message,
        "reverts": list(revision.reverts),
        **{name: getattr(revision, name) for name in _PLAIN},
    }


def _dump(fields: dict[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_header(line: str) -> dict[str, object]:
    """
    Check the first line of an archive and return what it says.

    Raises:
        InvalidArgument: This is no archive.
        StoreTooNew: It was written by a newer release.
    """
    found = _load(line, number=1)
    if found.get("format") != FORMAT:
        raise InvalidArgument(
            "this is not an archive of revisions: its first line does not name the format"
        )
    version = found.get("version")
    if type(version) is not int or version < 1:
        raise InvalidArgument("the archive's first line names no format version")
    if version > VERSION:
        raise StoreTooNew(
            f"the archive has format version {version}; this release reads versions up to {VERSION}"
        )
    return found


def read_archive(lines: Iterable[str]) -> Iterator[Entry]:
    """
    The entries of an archive, in its order, the header checked first.

    Raises:
        InvalidArgument: A line is no revision, or a schema is not the one that its digest names; the line's
            number is named.
        StoreTooNew: A newer release wrote it.
    """
    numbered = enumerate(lines, start=1)
    _, first = next(numbered, (1, ""))
    read_header(first)
    schemas: dict[RealmName, dict[str, Document]] = {}
    for number, line in numbered:
        if not line.strip():
            continue
        found = _load(line, number=number)
        if "schema" in found:
            realm, digest, schema = _schema(found, number=number)
            schemas.setdefault(realm, {})[digest] = schema
        else:
            yield _entry(found, schemas, number=number)
    for realm in schemas:
        raise InvalidArgument(
            f"the archive ends between a schema of realm {realm} and the realm's next revision: it is cut off"
        )


def _load(line: str, *, number: int) -> dict[str, object]:
    if len(line) > LINE_CHARACTERS_MAX:
        raise InvalidArgument(f"line {number} of the archive is longer than any revision")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument(f"line {number} of the archive is not a JSON object")
    return found


def _schema(found: dict[str, object], *, number: int) -> tuple[RealmName, str, Document]:
    # What checks a schema loads a library; most archives have none.
    from realmconf.domain.schemas.schema import check_schema, schema_digest

    try:
        realm = RealmName(_text(found["realm"]))
        digest = _text(found["schema_digest"])
        schema = check_schema(found["schema"])
    except (KeyError, TypeError, RealmconfError) as problem:
        raise InvalidArgument(f"line {number} of the archive is not a schema") from problem
    if schema_digest(schema) != digest:
        raise InvalidArgument(
            f"line {number} of the archive has a schema that is not the one its digest names"
        )
    return realm, digest, schema


def _entry(
    found: dict[str, object], schemas: dict[RealmName, dict[str, Document]], *, number: int
) -> Entry:
    try:
        realm = RealmName(_text(found["realm"]))
        return Entry(realm=realm, revision=revision_from(found), schemas=schemas.pop(realm, _NONE))
    except (KeyError, TypeError, RealmconfError) as problem:
        raise InvalidArgument(f"line {number} of the archive is not a revision") from problem


def revision_from(
    found: Mapping[str, object],
    *,
    limits: Limits = LIMITS,
    trusted: bool = False,
    name: Callable[[str], RealmName] = RealmName,
) -> Revision:
    """
    The revision that ``revision_fields`` took apart; its document is checked unless it comes from where all are.

    *name* makes a realm's name of a text; without it no record of realmconf itself comes out of an archive.

    Raises:
        KeyError, TypeError, RealmconfError: It is none.
    """
    document = found["document"]
    policy = found["policy"]
    reverts = found["reverts"]
    if not isinstance(policy, dict) or not isinstance(reverts, list):
        raise TypeError
    return Revision(
        realm=name(_text(found["written_as"])),
        generation=_count(found["generation"]),
        kind=_text(found["kind"]),
        document=document  # type: ignore[arg-type]
        if document is None or trusted
        else check_document(document, limits=limits),
        tombstone=found["tombstone"] is True,
        purged=found["purged"] is True,
        policy=Policy(
            require_generation=policy["require_generation"] is True,
            history_keep=None if policy["history_keep"] is None else _count(policy["history_keep"]),
        ),
        schema_digest=_optional_text(found["schema_digest"]),
        author=_text(found["author"]),
        surface=_text(found["surface"]),
        message=_text(found["message"]),
        write_id=_text(found["write_id"]),
        created_at=_text(found["created_at"]),
        reverts=tuple(_text(pointer) for pointer in reverts),
        restores=None if found["restores"] is None else _count(found["restores"]),
        salt=_text(found["salt"]),
        document_digest=_text(found["document_digest"]),
        previous=_text(found["previous"]),
        digest=_text(found["digest"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
