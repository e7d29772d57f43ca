"""
Heads and revisions as a caller is shown them: as they are, or with a mark for each secret.

Decides what a caller without the right to secrets gets instead, and when a head is the one that it has already.
Without that right nothing goes along that would confirm a guess: neither salt nor digest of a document.
"""

from __future__ import annotations

from hashlib import sha256

from realmconf.domain.archive import revision_fields
from realmconf.domain.document import same
from realmconf.domain.names import GLOBAL
from realmconf.runtime.placeless import notices_afar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.secrets import Secrecy
    from realmconf.runtime.operations.session import Session
    from realmconf.stores.protocol import ReadView

INHERITED_LOOKS_MAX = 4_096
"""Descendants of a realm that are looked at for one that its caller may read."""


class Showing:
    """What one caller is shown, at one point."""

    def __init__(self, session: Session, view: ReadView) -> None:
        self._session = session
        self._view = view
        self._lineages = session.client.lineages
        self.is_whole = session.grant.sees_secrets
        """Whether nothing is withheld."""
        self._secrecies: dict[RealmName, Secrecy] = {}
        self._may_look: dict[RealmName, bool] = {}

    # --- who may look ----------------------------------------------------------------------

    def may_look(self, realm: RealmName) -> bool:
        """
        Whether the caller may be told of *realm*: by its own rights, or because it reads what inherits from it.

        Whoever has set a parent has decided that the child's readers see it.
        """
        if realm not in self._may_look:
            self._may_look[realm] = self._session.grant.may_read(realm) or self._inherits(realm)
        return self._may_look[realm]

    def _inherits(self, realm: RealmName) -> bool:
        grant = self._session.grant
        if realm == GLOBAL:
            return "read" in grant.effective_roles
        seen = {realm}
        waiting = [realm]
        while waiting and len(seen) <= INHERITED_LOOKS_MAX:
            for child in self._view.children(waiting.pop()):
                if grant.may_read(child):
                    return True
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return False

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

        *through* is the realm for whose sake it is shown to somebody who could not ask for it: what is secret there
        is withheld too.
        """
        if revision is None:
            return None
        if self.is_whole:
            return revision_fields(revision)
        document: Any = revision.document
        if document is not None:
            document = self.secrecy(realm).redact(document)
            if through is not None and not self._session.grant.may_read(realm):
                document = self.secrecy(through).redact(document)
        return revision_fields(revision.replace(document=document, salt="", document_digest=""))

    def withholds(self, realm: RealmName, revision: Revision | None) -> bool:
        """Whether something of *revision* is withheld."""
        if self.is_whole or revision is None or revision.document is None:
            return False
        return not same(revision.document, self.secrecy(realm).redact(revision.document))

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
        if not self.is_whole:
            stated += self._lineages.schemas_of(head.realm, self._view)
            if through is not None and not self._session.grant.may_read(head.realm):
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


def notices(given: Iterable[Any]) -> list[list[str | None]]:
    """Warnings: code, message, path; whoever asks is on another machine."""
    return [[one.code, one.message, one.path] for one in notices_afar(given)]
