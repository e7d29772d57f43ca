"""
May a hand edit stand?  The same question as of every other write, asked of a text.

Decides nothing itself: lineage and schema are judged by ``domain.admit``, marks that somebody saved in place of
secrets by ``domain.marks``.  What they refuse is a broken file, whose reason a person can read.
"""

from __future__ import annotations

from realmconf.domain import admit, workfile
from realmconf.domain.composition import Composer
from realmconf.domain.document import canonical_bytes, same
from realmconf.domain.lineage import own_section, resolve, schemas_in_reach
from realmconf.domain.marks import MARK_BYTES, without_marks
from realmconf.domain.names import LIMITS
from realmconf.domain.schemas.shape import NOTHING, Shape
from realmconf.errors import InvalidDocument, RealmconfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.secrets import Secrecy
    from realmconf.domain.workfile import Verdict
    from realmconf.stores.protocol import Head

    class Rows(Protocol):
        """The state at one point, as far as it is asked here."""

        def head(self, realm: RealmName) -> Head:
            """As in ``ReadView``."""
            ...

        def schema(self, digest: str) -> Document:
            """As in ``ReadView``."""
            ...

        def schemas(self, realm: RealmName) -> Sequence[str]:
            """As in ``ReadView``."""
            ...


class Gate:
    """Lets edits through that could have been written in any other way."""

    def __init__(self, request_key: Callable[[], bytes], *, limits: Limits = LIMITS) -> None:
        self._request_key = request_key
        self._limits = limits

    def admitted(self, rows: Rows, head: Head, verdict: Verdict) -> Verdict:
        """*verdict*, if it is no edit or one that may stand; marks in it are what they stand for. Else broken."""
        if not isinstance(verdict, workfile.Adopt):
            return verdict
        try:
            document = self._without_marks(rows, head, verdict.document)
            candidate = admit.candidate(head.realm, head.revision, document, kind="adopt")
            admit.check(
                head.revision,
                candidate,
                admit.Upcoming(rows, [candidate]),
                composer=Composer(rows.schema),
                limits=self._limits,
            )
        except InvalidDocument as refused:
            place = "" if refused.pointer is None else f"{refused.pointer or '/'}: "
            return workfile.Broken(reason=f"{place}{refused.reason}")
        except RealmconfError as refused:
            return workfile.Broken(reason=str(refused))
        if head.revision is not None and same(document, head.revision.document):
            # With what its marks stand for it says what is there already.
            return workfile.Restyled()
        return verdict.replace(document=document)

    def _without_marks(self, rows: Rows, head: Head, document: Document) -> Document:
        if MARK_BYTES not in canonical_bytes(document):
            return document
        stored = None if head.revision is None else head.revision.document
        return without_marks(document, stored or {}, lambda: self._secrecy(rows, head.realm))

    def _secrecy(self, rows: Rows, realm: RealmName) -> Secrecy:
        from realmconf.domain.secrets import Secrecy

        digests = schemas_in_reach(realm, rows, limits=self._limits)
        shape = Shape.of([rows.schema(digest) for digest in digests])
        return Secrecy(realm=realm, shape=shape, key=self._request_key)

    def shape(self, rows: Rows, realm: RealmName) -> Shape:
        """What the schemas at or above *realm* say of its configuration; nothing, if its parents cannot be used."""
        chain = resolve(realm, rows.head, limits=self._limits)
        if chain.problem is not None or not any(
            head.revision is not None and head.revision.schema_digest for head in chain.heads
        ):
            return NOTHING
        return Composer(rows.schema).compose(chain.heads, chain.names).shape

    def kept_by(self, rows: Rows, head: Head, document: Document) -> Mapping[str, Document]:
        """The schemas to keep beside a realm that leaves its parents: what they called secret stays so."""
        before = None if head.revision is None else head.revision.document
        if before is None or own_section(head.realm, before) == own_section(head.realm, document):
            return {}
        digests = schemas_in_reach(head.realm, rows, limits=self._limits)
        return {digest: rows.schema(digest) for digest in digests}
