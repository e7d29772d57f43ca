"""
The working copies of one root, as the store sees them: one object, a handful of calls.

Decides when a file is looked at, and in what order things happen around the turn.
What a file means is decided in ``domain.workfile``; how it is examined in
``workexamine``, when and how it is rendered in ``workrender`` and ``workplace``, what
is remembered of it in ``workmemory`` and said of it in ``worktell``.  The protocol as a
whole: ``docs/decisions/0003-working-copy.md``.
"""

from __future__ import annotations

import os
import threading
import time

from realmconf.domain import workfile
from realmconf.domain.names import LIMITS
from realmconf.errors import (
    HistoryMissing,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    WorkingCopyRefused,
)
from realmconf.stores.embedded import workrecord, worktell
from realmconf.stores.embedded.files import Files
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.publisher import Publisher
from realmconf.stores.embedded.workdesk import Desk, RefusedFolderError
from realmconf.stores.embedded.workexamine import Examiner
from realmconf.stores.embedded.workglance import glance
from realmconf.stores.embedded.worklook import Finished
from realmconf.stores.embedded.workmemory import Memory
from realmconf.stores.embedded.workrender import Renderer
from realmconf.stores.protocol import WorkingCopyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import apsw

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.write import Append
    from realmconf.stores.embedded.workexamine import Finding
    from realmconf.stores.embedded.workhost import Host, Writing
    from realmconf.stores.embedded.workplace import Placer
    from realmconf.stores.protocol import Notice, Receipt


class WorkingCopies:
    """
    The working copies of one root.  Thread-safe; everything that changes a file holds the turn.

    *header* False leaves out the first line that names the generation; edits by an
    editor that had loaded an older text are then contested more often.
    """

    SCHEMA = workrecord.SCHEMA

    def __init__(
        self,
        host: Host,
        *,
        files: Files | None = None,
        clock: Callable[[], float] = time.monotonic,
        header: bool = True,
        limits: Limits = LIMITS,
        placer: Placer | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._files = files or Files()
        self._clock = clock
        self._sleep = sleep
        self._limits = limits
        self._given_placer = placer
        self._examiner = Examiner(
            self._files, host.root, host.stamp, host.request_key, limits=limits
        )
        self._memories: dict[str, Memory] = {}
        self._renderer = Renderer(
            host, self, self._placer, clock=clock, header=header, limits=limits
        )
        self._publisher = Publisher(self._renderer.in_background, clock=clock)
        self._registered = False
        self._attending = threading.Lock()

    # --- looking ---------------------------------------------------------------------

    def suspect(self, realm: RealmName) -> bool:
        """
        Whether the file may say something that the record does not know yet.

        Costs one stat at most (a read, if the file is younger than two seconds), and
        nothing while the kernel watches the folder and is silent.
        """
        memory = self.memory(realm)
        # In this order, against that of every look: one that is under way in another thread is not settled yet.
        is_quiet = not memory.dirty if memory.watched is not None else memory.unchanged()
        if is_quiet and memory.settled:
            return False
        return not self.in_step(realm)

    def undisturbed(self, realm: RealmName) -> tuple[Notice, ...] | None:
        """What was said at the last look, if the kernel has watched since and was silent; None: look again."""
        memory = self._memories.get(realm)
        # In the order of `suspect`, for the same reason.
        if memory is None or memory.watched is None or memory.dirty or not memory.settled:
            return None
        return memory.said

    def attend(self, realm: RealmName) -> bool:
        """
        Let the kernel tell of changes from now on, or of the folder's coming where there is none; False if it cannot.

        The next ``suspect`` looks, so that nothing falls between the last look and the first notice.
        """
        memory = self.memory(realm)
        try:
            status = os.stat(memory.folder, follow_symlinks=False)
            if not memory.watches(status):
                with self._attending:
                    if not memory.watches(status):
                        memory.watch(status, self._host.watch_folder, lambda: self._noticed(realm))
        except FileNotFoundError:
            memory.unwatch()
            told = self._host.watch_for_folder(memory.folder, lambda: self._noticed(realm))
            # A file that is to be rendered is missed by every look until it stands.
            return told and memory.settled
        except OSError:
            memory.unwatch()
            return False
        return True

    def settle(
        self, turn: Writing, realm: RealmName, *, tolerant: bool = False
    ) -> tuple[Notice, ...]:
        """
        Adopt what was edited, and say what a caller should know.  The turn is held.

        Called before every decision about *realm*.  *tolerant* goes on where a file
        without a record would stop it.

        Raises:
            HistoryMissing: The file names a generation of a realm that was never written here.
        """
        memory = self.memory(realm)
        if memory.settled and memory.unchanged():
            return memory.said
        try:
            found = self.examine(turn, realm)
        except (OSError, StoreFull, StoreReadOnly, StoreUnavailable) as error:
            # Whatever is wrong with the file, or with taking it in, is no reason to
            # keep anybody from reading or writing: the edit waits where it is.
            memory.notices = (worktell.stale(memory.path, worktell.reason_of(error)),)
            memory.dirty, memory.settled = True, False
            return memory.notices
        if isinstance(found.verdict, workfile.Lost) and not tolerant:
            raise HistoryMissing(
                f"{memory.path} is of generation {found.verdict.generation}, and realm {realm} has no history here: "
                "in a fresh clone run `realmconf init`, else restore a backup"
            )
        if self._renderer.wanted(found):
            self.committed(realm)
        elif memory.failure is not None:
            # Nothing is left to be rendered: that it failed once is over.
            memory.failure = None
        return memory.said

    def remembered(self, realm: RealmName) -> tuple[Notice, ...]:
        """What was said at the last look, for who was told by ``suspect`` that it still holds."""
        return self.memory(realm).said

    def warnings(self, realm: RealmName) -> tuple[Notice, ...]:
        """What a reader should know that may not adopt now; needs no lock and changes nothing."""
        memory = self.memory(realm)
        memory.begin_look()
        mark, looked_ns = memory.mark(), time.time_ns()
        try:
            found = self._examiner.observe(realm, self._host.view)
        except OSError as error:
            memory.dirty = True
            return (worktell.stale(memory.path, worktell.reason_of(error)),)
        notices = worktell.notices(found, memory.path)
        memory.remember(found, notices, mark=mark, looked_ns=looked_ns, now=self._clock())
        return memory.said

    def is_dirty(self, realm: RealmName) -> bool:
        """Whether the file was touched since the last look at it, or that look failed."""
        return self.memory(realm).dirty

    def owes_a_look(self, realm: RealmName) -> bool:
        """Whether the last look left something that another one, by whoever may adopt, would take in."""
        memory = self.memory(realm)
        return memory.dirty or not memory.settled

    def state(self, realm: RealmName) -> WorkingCopyState:
        """Look now and say what the file means; changes nothing."""
        memory = self.memory(realm)
        try:
            found = self._examiner.observe(realm, self._host.view)
        except OSError as error:
            reason = f"cannot be looked at: {worktell.reason_of(error)}"
            return WorkingCopyState(realm=realm, path=memory.path, state="refused", reason=reason)
        contested = None
        shown: tuple[str, ...] = ()
        if found.kept or isinstance(found.verdict, workfile.Contested):
            with Desk(self._files, self._host.root, realm) as desk, self._host.view() as rows:
                # Before the texts are read: what is saved in between was not shown.
                shown = self._examiner.marks_of_kept(desk, found)
                contested = self._examiner.judge_kept(rows, desk, found)
        if isinstance(found.look, Finished) and found.in_the_way:
            shown = (*shown, found.look.digest.hex())
        state = worktell.state(found, memory.path, failure=memory.failure, contested=contested)
        return state.replace(shown=shown)

    # --- rendering -----------------------------------------------------------------------

    def committed(self, realm: RealmName) -> None:
        """A commit was acknowledged: its rendering is to follow."""
        if not self._registered:
            self._register()
        self._publisher.note(realm)

    def publish(self, realm: RealmName, *, deadline: float) -> None:
        """Render the head now, in this thread; waits for nothing but the turn and an editor between two steps."""
        self._publisher.forget_realm(realm)
        while True:
            again_seconds = self._renderer.now(realm, deadline=deadline)
            if again_seconds is None:
                return
            missing = self.memory(realm).missing_since is not None
            if not missing or self._clock() + again_seconds > deadline:
                self.committed(realm)
                return
            self._sleep(again_seconds)

    def flush(self) -> None:
        """Render everything that was committed by this process and is not rendered yet."""
        self._publisher.flush()

    def close(self) -> None:
        """Flush, then let go of everything."""
        import atexit

        # First, since a thread that stands in the queue gives up sooner than it is outwaited.
        self._publisher.stop()
        self.flush()
        if self._registered:
            atexit.unregister(self._flush_at_exit)
        for memory in self._memories.values():
            memory.unwatch()

    def resolve(
        self,
        turn: Writing,
        realm: RealmName,
        appends: Sequence[Append],
        *,
        receipts: Sequence[Receipt] = (),
        shown: Collection[str] | None = None,
    ) -> None:
        """
        Commit *appends* (one that settles the matter, or none) with *receipts*, and let go of what was in its way.

        The turn is held, and ``settle(…, tolerant=True)`` was called in it.  A file that
        is broken, contested or without a record is rendered over; contested edits
        beside it are removed: those among *shown*, which a person has seen.  Without
        it those that stand there, but for an edit that contests only now: it is kept as
        any other.  What somebody has open stays.
        """
        with Desk(self._files, self._host.root, realm) as desk:
            found = self._examiner.judge(turn, realm, desk, self._examiner.look(desk))
            kept = desk.contested()
            look = found.look

            def disown(connection: apsw.Connection) -> None:
                if not isinstance(look, Finished) or not found.in_the_way:
                    return
                if (
                    look.digest.hex() in shown
                    if shown is not None
                    else not isinstance(found.verdict, workfile.Contested)
                ):
                    # A file that came without its record is most likely what is taken in: its comments stay.
                    lost = isinstance(found.verdict, workfile.Lost)
                    text = workfile.without_header(look.content.decode()) if lost else None
                    workrecord.disown(connection, realm, digest=look.digest, text=text)

            turn.commit(appends, also=disown, receipts=receipts)
            for name in kept:
                self._examiner.let_go(desk, name, shown)
        self.memory(realm).settled = False
        self.committed(realm)

    def restyle(self, turn: Writing, realm: RealmName, text: str) -> None:
        """Let renderings from now on edit *text*, whatever it states: its comments and order. The turn is held."""
        generation = turn.head(realm).generation
        base = workfile.without_header(text)
        turn.commit(
            (),
            also=lambda connection: workrecord.restyle(
                connection, realm, generation=generation, text=base
            ),
        )
        self.memory(realm).settled = False
        self.committed(realm)

    # --- what becomes of the record ---------------------------------------------------------

    def renamed(self, connection: apsw.Connection, old: RealmName, new: RealmName) -> None:
        """Inside the transaction that renames: the comments go along."""
        workrecord.carry(connection, old, new)

    def erase(self, turn: Writing, realm: RealmName) -> bool:
        """
        Before a purge: bring the file in step with the head, and overwrite what is left of older renderings.

        The turn is held.  False if somebody is at the file, or has an older one open: their
        text stays, is overwritten when it is rendered over, and must stay known until then.

        Raises:
            WorkingCopyRefused: The realm's folder is not one to work in.
            OSError: Something is left that could not be overwritten.
        """
        try:
            in_step = self._renderer.in_turn(turn, realm)
        except (OSError, StoreFull, StoreReadOnly, StoreUnavailable):
            in_step = False
        standing = workrecord.load(turn.connection, realm)
        if standing is None or standing.doubtful:
            return in_step
        try:
            with Desk(self._files, self._host.root, realm) as desk:
                self._placer().erase_spare(desk)
        except RefusedFolderError as error:
            path = self.memory(realm).path
            reason = f"stands in a folder that {error}"
            raise WorkingCopyRefused(realm=realm, path=path, reason=reason) from None
        return in_step

    def purged(
        self, connection: apsw.Connection, realm: RealmName, generation: int, *, erased: bool
    ) -> None:
        """Inside the transaction that purges; *erased* is what ``erase`` said."""
        workrecord.drop_text(connection, realm, generation=generation)
        if erased:
            workrecord.forget(connection, realm, generation=generation)

    # --- forks --------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """The turn is held by the store, so nobody is at a file; notification is the store's to close."""
        for memory in self._memories.values():
            memory.unwatch()

    def after_fork_parent(self) -> None:
        """Watches are made anew when somebody reads."""

    def after_fork_child(self) -> None:
        """Nothing was looked at yet in this process, and its parent renders what the parent committed."""
        self._memories = {}
        self._attending = threading.Lock()
        self._renderer.forget()
        self._publisher.forget()

    # --- for the renderer, and inside ------------------------------------------------------------

    def memory(self, realm: RealmName) -> Memory:
        """What this process remembers of the realm's file."""
        memory = self._memories.get(realm)
        if memory is None:
            path = os.path.join(self._host.root, realm, WORKING_COPY)
            memory = self._memories.setdefault(realm, Memory(self._files, path))
        return memory

    def in_step(self, realm: RealmName) -> bool:
        """
        Whether the file is, word for word, our rendering of the head, with nothing beside it that waits.

        The common find after somebody else's commit, and the cheapest look there is: no lock, no lease.
        """
        memory = self.memory(realm)
        if memory.failure is not None:
            return False
        memory.begin_look()
        mark, looked_ns = memory.mark(), time.time_ns()
        digest = glance(self._files, self._host.root, realm)
        if digest is not None:
            with self._host.view() as rows:
                generation = rows.head(realm).generation
                stands = workrecord.stands(rows.connection, realm, digest, generation=generation)
            if stands:
                memory.remember_in_step(digest, mark, looked_ns)
                return True
        memory.dirty = True
        return False

    def examine(self, turn: Writing, realm: RealmName) -> Finding:
        """Adopt what is there to adopt, and remember what is left."""
        memory = self.memory(realm)
        memory.begin_look()
        mark, looked_ns = memory.mark(), time.time_ns()
        found = self._examiner.examine(turn, realm)
        notices = worktell.notices(found, memory.path)
        memory.remember(found, notices, mark=mark, looked_ns=looked_ns, now=self._clock())
        return found

    def _placer(self) -> Placer:
        if self._given_placer is None:
            # Loads what edits TOML, which a process that only reads never needs.
            from realmconf.stores.embedded.workplace import Placer

            self._given_placer = Placer(self._files, self._host.root, limits=self._limits)
        return self._given_placer

    def _noticed(self, realm: RealmName) -> None:
        memory = self.memory(realm)
        memory.dirty = True
        if not self._host.read_only:
            # Somebody may have saved: taken in at once, not when the next reader comes.
            self._publisher.note(realm)

    def _register(self) -> None:
        import atexit

        self._registered = True
        atexit.register(self._flush_at_exit)

    def _flush_at_exit(self) -> None:
        try:
            self.flush()
        except RuntimeError:
            # The interpreter starts no thread any more, and the queue wanted one to wait
            # in: the file is late, ours, and caught up by whoever looks next.
            pass
