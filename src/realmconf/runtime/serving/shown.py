"""
Heads and revisions as a caller is shown them: as they are, or with a mark for each secret.

Decides what a caller without the right to secrets gets instead, and when a head is the one that it has already.
Without that right nothing goes along that would confirm a guess: neither salt nor digest of a document.
"""

from __future__ import annotations

from hashlib import sha256

from realmconf.domain.archive import revision_fields
from realmconf.domain.lineage import SECTION, own_section
from realmconf.runtime.placeless import notices_afar
from realmconf.runtime.serving.patience import Patience
from realmconf.runtime.serving.sake import Sakes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.secrets import Secrecy
    from realmconf.runtime.operations.session import Session
    from realmconf.stores.protocol import ReadView


class Showing:
    """What one caller is shown, at one point."""

    def __init__(
        self, session: Session, view: ReadView, *, patience: Patience | None = None
    ) -> None:
        self._session = session
        self._view = view
        self._lineages = session.client.lineages
        self.is_whole = session.grant.sees_secrets
        """Whether nothing is withheld of what the caller may read."""
        self._secrecies: dict[RealmName, Secrecy] = {}
        self.sakes = Sakes(session.grant, view, self._lineages, patience or Patience())

    # --- who may look ----------------------------------------------------------------------

    def may_look(self, realm: RealmName) -> bool:
        """
        Whether the caller may be told of *realm*: by its own rights, or because it reads what inherits from it.

        Whoever has set a parent has decided that the child's readers see what it is composed of.
        """
        return self.sakes.sake_of(realm) is not None

    def is_foreign(self, realm: RealmName) -> bool:
        """Whether *realm* is none that the caller may read, and shown at most for the sake of another."""
        return not self._session.grant.may_read(realm)

    # --- what is shown -----------------------------------------------------------------------

    def use(self, realm: RealmName, secrecy: Secrecy) -> None:
        """Let *secrecy* say what is secret in *realm*."""
        self._secrecies[realm] = secrecy

    def secrecy(self, realm: RealmName) -> Secrecy:
        """What is secret in *realm*."""
        found = self._secrecies.get(realm)
        if found is None:
            found = self._secrecies[realm] = self._lineages.secrecy(realm, self._view)
        return found

    def revision(
        self, realm: RealmName, revision: Revision | None, *, through: RealmName | None = None
    ) -> dict[str, Any] | None:
        """
        A revision of *realm*; None for none.

        *through* is the realm for whose sake it is shown to somebody who could not ask for it: of it goes along what
        that is composed of, without what is secret in either, and without who has written it, and why.
        """
        if revision is None:
            return None
        is_foreign = self.is_foreign(realm)
        if self.is_whole and not is_foreign:
            return revision_fields(revision)
        document: Any = revision.document
        if is_foreign and document is not None:
            document = _inherited(revision.realm, document)
        if not self.is_whole and document is not None:
            document = self.secrecy(realm).redact(document)
            if is_foreign and through is not None and through != realm:
                document = self.secrecy(through).redact(document)
        shown = revision.replace(document=document, salt="", document_digest="")
        return revision_fields(shown.replace(**_UNTOLD) if is_foreign else shown)

    def revision_then(self, realm: RealmName, revision: Revision | None) -> dict[str, Any] | None:
        """An older revision of *realm*: of one that the caller may not read empty, if nothing was composed of it."""
        if revision is None or not self.is_foreign(realm):
            return self.revision(realm, revision)
        sake = self.sakes.sake_of(realm)
        begins, ends = self.sakes.stands(realm, revision.generation)
        is_part = sake is not None and self.sakes.is_part(realm, sake, begins=begins, ends=ends)
        if not is_part and revision.document is not None:
            revision = revision.replace(document={})
        return self.revision(realm, revision, through=sake)

    def head(self, head: Any, *, through: RealmName | None = None) -> dict[str, Any]:
        """A head, with the tag by which its reader may name it."""
        return {
            "revision": self.revision(head.realm, head.revision, through=through),
            **self.state(head),
            "tag": self.tag(head, through=through),
        }

    @staticmethod
    def state(head: Any) -> dict[str, Any]:
        """What a head says besides its revision."""
        return {
            "floor": head.floor,
            "moved_to": head.moved_to,
            "warnings": notices(head.warnings),
        }

    def tag(self, head: Any, *, through: RealmName | None = None) -> str:
        """What differs wherever what is shown does."""
        revision = head.revision
        digest = "0" if revision is None else revision.digest[:24]
        stated: list[object] = [head.moved_to, notices(head.warnings)]
        if self.is_foreign(head.realm):
            stated.append("inherited")
        if not self.is_whole:
            stated += self._lineages.schemas_of(head.realm, self._view)
            if through is not None and self.is_foreign(head.realm):
                stated += [str(through), *self._lineages.schemas_of(through, self._view)]
            stated.append("withheld")
        rest = sha256(repr(stated).encode()).hexdigest()[:8]
        return f"{head.generation}.{digest}.{head.floor}.{rest}"

    def heads(
        self, heads: Iterable[Any], known: Mapping[str, Any], *, through: RealmName | None = None
    ) -> dict[str, Any]:
        """Heads by realm; of one that the caller has already, nothing but its name."""
        found: dict[str, Any] = {}
        for head in heads:
            is_same = known.get(head.realm) == self.tag(head, through=through)
            found[head.realm] = None if is_same else self.head(head, through=through)
        return found


_UNTOLD = {
    "author": "",
    "surface": "",
    "message": "",
    "write_id": "",
    "created_at": "",
    "reverts": (),
    "restores": None,
}
"""What is told of no revision of a realm that its caller may not read."""
_SHOWN_OF_PLACE = ("parent", "unset")


def _inherited(realm: str, document: Document) -> Document:
    """What others are composed of: all of *document* but what *realm* keeps of its own below ``/realm``."""
    own = own_section(realm, document)
    if own is None or own.keys() <= set(_SHOWN_OF_PLACE):
        return document
    kept = {name: own[name] for name in _SHOWN_OF_PLACE if name in own}
    return {**document, SECTION: {**document[SECTION], realm: kept}}


def notices(given: Iterable[Any]) -> list[list[str | None]]:
    """Warnings: code, message, path; whoever asks is on another machine."""
    return [[one.code, one.message, one.path] for one in notices_afar(given)]
