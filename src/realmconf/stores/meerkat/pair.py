"""
A realm's two files changed as one, as far as two renames can be.

Decides the order of the two, when the lock is proved, and whether others may have seen anything of it; what they say,
and what a failure means, is ``settling``'s.
"""

from __future__ import annotations

from realmconf.stores.meerkat import files
from realmconf.stores.meerkat.files import OvertakenError, Replacement
from realmconf.stores.meerkat.lockfile import LostLockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held


class Pair:
    """
    New content for both files of a realm, durable under temporary names: no want of space is left to find out.

    *content* None: there is to be no text.  *before* is the text that stands there now.
    """

    def __init__(
        self,
        layout: Layout,
        realm: RealmName,
        before: bytes | None,
        content: bytes | None,
        number: bytes,
    ) -> None:
        self.is_visible = False
        """Whether others may have seen anything of it."""
        self._before = before
        self._path = layout.config(realm)
        self._is_removed = content is None and before is not None
        files.make_folder(layout.folder(realm))
        self._state = Replacement(layout.state(realm), number)
        self._config: Replacement | None = None
        if content is not None and content != before:
            try:
                self._config = Replacement(self._path, content)
            except BaseException:
                self._state.discard()
                raise

    def put(self, held: Held) -> None:
        """
        The text first, then the number, as Meerkat does.

        Raises:
            LostLockError, OvertakenError, OSError: See ``is_visible``.
        """
        held.prove()
        if self._config is not None or self._is_removed:
            files.sync_folder(self._put_text(held))
        # Whoever was stopped in between must not put an older number over a newer one.
        held.prove()
        self._state.put()
        self.is_visible = True
        # Whoever was stopped since that proof may have put it over a number which others have read beside another text.
        held.prove()
        files.sync_folder(self._state.folder)

    def _put_text(self, held: Held) -> str:
        """Let the text take its place; the folder that it is in."""
        self.is_visible = True
        try:
            if self._config is None:
                assert self._before is not None
                return files.take_away(self._path, self._before)
            self._config.put_over(self._before)
            return self._config.folder
        except OvertakenError as overtaken:
            # Who reads under the lock can have read it in that instant only if the lock is not ours any more.
            self.is_visible = overtaken.was_there and _is_lost(held)
            raise
        except OSError:
            self.is_visible = not self._is_as_before() or _is_lost(held)
            raise

    def _is_as_before(self) -> bool:
        bytes_max = 0 if self._before is None else len(self._before)
        try:
            return files.read(self._path, bytes_max=bytes_max) == self._before
        except OSError:
            return False

    def discard(self) -> None:
        """Remove what is left under temporary names. Idempotent."""
        for one in (self._state, self._config):
            if one is not None:
                one.discard()


def _is_lost(held: Held) -> bool:
    try:
        held.prove()
    except LostLockError:
        return True
    return False
