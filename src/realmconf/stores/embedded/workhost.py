"""
What the working copies need of the store they belong to: a port, and nothing that runs.

Split by what a caller may do: read the record at one point, or commit to it with the turn held.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, Protocol

    import apsw

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.write import Append
    from realmconf.stores.protocol import Head, Receipt
else:
    Protocol = object


class Reading(Protocol):
    """The record at one point."""

    connection: apsw.Connection
    """For the tables of ``workrecord``."""

    def head(self, realm: RealmName) -> Head:
        """As in ``ReadView``."""
        ...

    def revision(self, realm: RealmName, generation: int) -> Revision:
        """As in ``ReadView``."""
        ...

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        """As in ``ReadView``."""
        ...

    def schema(self, digest: str) -> Document:
        """As in ``ReadView``."""
        ...

    def schemas(self, realm: RealmName) -> Sequence[str]:
        """As in ``ReadView``."""
        ...


class Writing(Reading, Protocol):
    """The record as the holder of the turn sees it: nobody else changes it."""

    def commit(
        self,
        appends: Sequence[Append],
        *,
        also: Callable[[apsw.Connection], None] | None = None,
        receipts: Sequence[Receipt] = (),
    ) -> None:
        """Carry *appends* out, keep *receipts* and run *also*, in one durable transaction."""
        ...


class Host(Protocol):
    """The store."""

    root: str
    read_only: bool

    def turn(self, deadline: float) -> AbstractContextManager[Writing]:
        """The turn; ``LockTimeout`` if it does not come before *deadline*."""
        ...

    def view(self) -> AbstractContextManager[Any]:
        """A ``Reading``, of a point after this call."""
        ...

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """The newest head; without *adopt*, whatever the file says."""
        ...

    def stamp(self) -> tuple[str, str]:
        """The time, for display, and a fresh salt: what an adoption is sealed with."""
        ...

    def request_key(self) -> bytes:
        """The secret of the store, under which marks are made."""
        ...

    def watch_folder(
        self, path: str, callback: Callable[[], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """
        Call *callback* after every change in the folder, and *lost* before it if that may have been the last one.

        Returns what ends that.  ``OSError`` if it cannot.
        """
        ...

    def watch_for_folder(self, path: str, callback: Callable[[], None]) -> bool:
        """Whether nothing stands at *path* below the root, and *callback* is called once something does."""
        ...
