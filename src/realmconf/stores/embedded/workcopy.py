"""
The working copies of one root, as the store sees them: one object, a handful of calls.

Decides when a file is looked at, what of that is remembered in this process, and in
what order things happen around the turn.  What a file means is decided in
``domain.workfile``; how it is examined and changed in ``workexamine`` and ``workplace``.
The protocol as a whole: ``docs/decisions/0003-working-copy.md``.
"""

from __future__ import annotations

import os
import time

from realmconf.domain import workfile
from realmconf.domain.names import LIMITS
from realmconf.errors import (
    HistoryMissing,
    LockTimeout,
    RealmconfError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    WorkingCopyBroken,
    WorkingCopyContested,
    WorkingCopyRefused,
)
from realmconf.stores import protocol
from realmconf.stores.embedded import workrecord
from realmconf.stores.embedded.files import Files, mark_of
from realmconf.stores.embedded.layout import FOLDER, WORKING_COPY
from realmconf.stores.embedded.publisher import OnePublisher, Publisher
from realmconf.stores.embedded.workdesk import Desk, RefusedFolderError
from realmconf.stores.embedded.workexamine import Examiner, Finding
from realmconf.stores.embedded.workglance import glance
from realmconf.stores.embedded.worklook import Absent, Finished, Refused, Saving
from realmconf.stores.protocol import WorkingCopyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.embedded.files import Mark
    from realmconf.stores.embedded.workhost import Host, Writing
    from realmconf.stores.embedded.workplace import Placer, Rendering
    from realmconf.stores.protocol import Head


SETTLED_NANOSECONDS = 2_000_000_000
"""A stat is trusted once the file was this old when it was looked at: clocks of file systems are coarse."""

MISSING_SECONDS = 0.5
"""An absent or empty file is an editor between two steps for this long."""

AGAIN_SECONDS = 0.05
AGAIN_SECONDS_MAX = 2.0
"""How often a file that somebody has open is looked at again, where no notification comes."""

PACE_SECONDS = 0.025
"""Publishers of several processes leave each other this much time between two renderings of one file."""

TURN_SECONDS_MAX = 30.0
"""How long the publisher waits in the queue before it tries again later."""

RENDERINGS_OUTSIDE_MAX = 2
"""After so many renderings that were overtaken, the next one is made inside the turn."""


class _Memory:
    """What this process knows of one file since it last looked."""

    __slots__ = (
        "again_seconds",
        "base",
        "cancel_watch",
        "digest",
        "dirty",
        "failure",
        "looked_ns",
        "mark",
        "missing_since",
        "path",
        "seen",
        "settled",
        "warnings",
        "watched",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.settled = False
        """Looked at, and nothing about it can change without the file changing."""
        self.mark: Mark | None = None
        self.digest: bytes | None = None
        self.looked_ns = 0
        self.warnings: tuple[protocol.Notice, ...] = ()
        self.missing_since: float | None = None
        self.again_seconds = AGAIN_SECONDS
        self.failure: str | None = None
        self.base: str | None = None
        """The text that the next rendering edits, as of the last look."""
        self.seen: int | None = None
        """The generation that the file was in step with at the last look."""
        self.watched: tuple[int, int] | None = None
        """Device and inode of the folder that the kernel watches for us."""
        self.cancel_watch: Callable[[], None] | None = None
        self.dirty = True
        """The kernel told of something since the last look; means nothing while unwatched."""


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
        self._header = header
        self._limits = limits
        self._examiner = Examiner(self._files, host.root, host.stamp, limits=limits)
        self._placer = placer
        self._memories: dict[str, _Memory] = {}
        self._publisher = Publisher(self._publish_quietly, clock=clock)
        self._one_publisher = OnePublisher(os.path.join(host.root, FOLDER, "publisher.lock"))
        self._registered = False

    @staticmethod
    def strength() -> str:
        """``exchange``, or ``replace`` where this system cannot exchange two names."""
        from realmconf.stores.embedded.files import exchange_exists

        return "exchange" if exchange_exists() else "replace"

    # --- looking ---------------------------------------------------------------------

    def suspect(self, realm: RealmName) -> bool:
        """
        Whether the file may say something that the record does not know yet.

        Costs one stat at most (a read, if the file is younger than two seconds), and
        nothing while the kernel watches the folder and is silent.
        """
        memory = self._memory(realm)
        if memory.settled and (
            not memory.dirty if memory.watched is not None else self._unchanged(memory)
        ):
            return False
        return not self._in_step(realm, memory)

    def attend(self, realm: RealmName) -> bool:
        """
        Let the kernel tell of changes from now on; False if it cannot, since there is no folder yet.

        The next ``suspect`` is True, so that nothing falls between the last look and the first notice.
        """
        memory = self._memory(realm)
        folder = os.path.dirname(memory.path)
        try:
            status = os.stat(folder, follow_symlinks=False)
        except OSError:
            self._unwatch(memory)
            return False
        if memory.watched == (status.st_dev, status.st_ino):
            return True
        self._unwatch(memory)
        memory.dirty = True
        try:
            memory.cancel_watch = self._host.watch_folder(folder, lambda: self._noticed(realm))
        except OSError:
            return False
        memory.watched = (status.st_dev, status.st_ino)
        return True

    def settle(
        self, turn: Writing, realm: RealmName, *, tolerant: bool = False
    ) -> tuple[protocol.Notice, ...]:
        """
        Adopt what was edited, and say what a caller should know.  The turn is held.

        Called before every decision about *realm*.  *tolerant* goes on where a file
        without a record would stop it.

        Raises:
            HistoryMissing: The file names a generation of a realm that was never written here.
        """
        memory = self._memory(realm)
        if memory.settled and self._unchanged(memory):
            return memory.warnings
        try:
            found = self._examine(turn, realm, memory)
        except (OSError, StoreFull, StoreReadOnly, StoreUnavailable) as error:
            # Whatever is wrong with the file, or with taking it in, is no reason to
            # keep anybody from reading or writing: the edit waits where it is.
            memory.warnings = (self._stale(memory, _reason(error)),)
            return memory.warnings
        if found is not None and isinstance(found.verdict, workfile.Lost) and not tolerant:
            raise HistoryMissing(
                f"{memory.path} is of generation {found.verdict.generation}, and realm {realm} has no history here: "
                "in a fresh clone run `realmconf init`, else restore a backup"
            )
        return memory.warnings

    def remembered(self, realm: RealmName) -> tuple[protocol.Notice, ...]:
        """The warnings of the last look, for who was told by ``suspect`` that it still holds."""
        return self._memory(realm).warnings

    def warnings(self, realm: RealmName) -> tuple[protocol.Notice, ...]:
        """What a reader should know that may not adopt now; needs no lock and changes nothing."""
        memory = self._memory(realm)
        memory.dirty = False
        mark = self._mark(memory)
        try:
            found = self._observe(realm)
        except OSError as error:
            return (self._stale(memory, _reason(error)),)
        warnings = self._warnings_of(realm, memory, found)
        if self._host.read_only:
            self._remember(memory, mark, found, warnings)
        return warnings

    def state(self, realm: RealmName) -> WorkingCopyState:
        """Look now and say what the file means; changes nothing."""
        memory = self._memory(realm)
        try:
            found = self._observe(realm)
        except OSError as error:
            found = _Refusal(f"cannot be looked at: {_reason(error)}")
        if isinstance(found, _Refusal):
            return WorkingCopyState(
                realm=realm, path=memory.path, state="refused", reason=found.reason
            )
        return self._state_of(realm, memory, found)

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
            again_seconds = self._publish_quietly(realm, deadline=deadline)
            memory = self._memory(realm)
            if again_seconds is None:
                return
            if memory.missing_since is None or self._clock() + again_seconds > deadline:
                self.committed(realm)
                return
            self._sleep(again_seconds)

    def flush(self) -> None:
        """Render everything that was committed by this process and is not rendered yet."""
        self._publisher.flush()

    def close(self) -> None:
        """Flush, then let go of everything."""
        import atexit

        self.flush()
        self._publisher.stop()
        if self._registered:
            atexit.unregister(self._flush_at_exit)
        for memory in self._memories.values():
            self._unwatch(memory)

    def resolve(
        self,
        turn: Writing,
        realm: RealmName,
        revisions: Sequence[Revision],
        *,
        receipts: Sequence[protocol.Receipt] = (),
    ) -> None:
        """
        Commit *revisions* (one that settles the matter, or none) with *receipts*, and let go of what was in its way.

        The turn is held, and ``settle(…, tolerant=True)`` was called in it.  A file that
        is broken, contested or without a record is rendered over; contested edits
        beside it are removed.  What is still being saved stays.
        """
        with Desk(self._files, self._host.root, realm) as desk:
            found = self._examiner.judge(turn, realm, desk, self._examiner.look(desk))
            in_the_way = isinstance(
                found.verdict, (workfile.Broken, workfile.Contested, workfile.Lost, workfile.Empty)
            )
            look = found.look

            def disown(connection: apsw.Connection) -> None:
                if in_the_way and isinstance(look, Finished):
                    # A file that came without its record is most likely what is taken in: its comments stay.
                    lost = isinstance(found.verdict, workfile.Lost)
                    text = workfile.without_header(look.content.decode()) if lost else None
                    workrecord.disown(connection, realm, digest=look.digest, text=text)

            turn.commit(revisions, also=disown, receipts=receipts)
            for name in desk.contested():
                assert desk.folder is not None
                self._files.unlink(desk.folder, name)
        self._memory(realm).settled = False
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
        self._memory(realm).settled = False
        self.committed(realm)

    # --- what becomes of the record ---------------------------------------------------------

    def renamed(self, connection: apsw.Connection, old: RealmName, new: RealmName) -> None:
        """Inside the transaction that renames: the comments go along."""
        workrecord.carry(connection, old, new)

    def purged(self, connection: apsw.Connection, realm: RealmName, generation: int) -> None:
        """Inside the transaction that purges: a text of that generation is nobody's any more."""
        workrecord.forget(connection, realm, generation=generation)

    def compacted(self, connection: apsw.Connection, realm: RealmName, floor: int) -> None:
        """Inside the transaction that compacts: texts below the floor are nobody's any more."""
        workrecord.forget_below(connection, realm, floor=floor)

    # --- forks --------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """The turn is held by the store, so nobody is at a file; notification is the store's to close."""
        for memory in self._memories.values():
            self._unwatch(memory)

    def after_fork_parent(self) -> None:
        """Watches are made anew when somebody reads."""

    def after_fork_child(self) -> None:
        """Nothing was looked at yet in this process, and its parent renders what the parent committed."""
        self._memories = {}
        self._one_publisher.end()
        self._publisher.forget()

    # --- inside: looking -----------------------------------------------------------------------

    def _memory(self, realm: str) -> _Memory:
        memory = self._memories.get(realm)
        if memory is None:
            path = os.path.join(self._host.root, realm, WORKING_COPY)
            memory = self._memories.setdefault(realm, _Memory(path))
        return memory

    def _noticed(self, realm: RealmName) -> None:
        self._memory(realm).dirty = True
        if not self._host.read_only:
            # Somebody may have saved: taken in at once, not when the next reader comes.
            self._publisher.note(realm)

    def _in_step(self, realm: RealmName, memory: _Memory) -> bool:
        """
        Whether the file is, word for word, our rendering of the head, with nothing beside it that waits.

        The common find after somebody else's commit, and the cheapest look there is: no lock, no lease.
        """
        if memory.failure is not None:
            return False
        # What happens after this look makes it dirty again.
        memory.dirty = False
        mark = self._mark(memory)
        looked_ns = time.time_ns()
        digest = None if mark is None else glance(self._files, self._host.root, realm)
        if digest is not None:
            with self._host.view() as rows:
                generation = rows.head(realm).generation
                if workrecord.stands(rows.connection, realm, digest, generation=generation):
                    memory.settled = True
                    memory.mark = mark
                    memory.digest = digest
                    memory.looked_ns = looked_ns
                    memory.warnings = ()
                    memory.missing_since = None
                    return True
        memory.dirty = True
        return False

    def _unwatch(self, memory: _Memory) -> None:
        cancel, memory.cancel_watch, memory.watched = memory.cancel_watch, None, None
        if cancel is not None:
            cancel()

    def _mark(self, memory: _Memory) -> Mark | None:
        try:
            return mark_of(self._files.stat_path(memory.path))
        except OSError:
            return None

    def _unchanged(self, memory: _Memory) -> bool:
        mark = self._mark(memory)
        if mark != memory.mark:
            return False
        if mark is None or memory.looked_ns - mark[4] > SETTLED_NANOSECONDS:
            return True
        # So young that a later save within one tick of the clock would look the same.
        looked_ns = time.time_ns()
        try:
            same = (
                memory.digest is not None and self._files.digest_path(memory.path) == memory.digest
            )
        except OSError:
            same = False
        if same:
            memory.looked_ns = looked_ns
        return same

    def _examine(self, turn: Writing, realm: RealmName, memory: _Memory) -> Finding | None:
        # What happens after this look makes it dirty again.
        memory.dirty = False
        memory.settled = False
        mark = self._mark(memory)
        looked_ns = time.time_ns()
        found: Finding | _Refusal
        try:
            found = self._examiner.examine(turn, realm)
        except RefusedFolderError as error:
            found = _Refusal(str(error))
        self._remember(
            memory, mark, found, self._warnings_of(realm, memory, found), looked_ns=looked_ns
        )
        if isinstance(found, _Refusal):
            return None
        if self._wants_rendering(memory, found):
            self.committed(realm)
        return found

    def _observe(self, realm: RealmName) -> Finding | _Refusal:
        try:
            with Desk(self._files, self._host.root, realm) as desk:
                seen = self._examiner.look(desk)
                with self._host.view() as rows:
                    return self._examiner.judge(rows, realm, desk, seen)
        except RefusedFolderError as error:
            return _Refusal(str(error))

    def _remember(
        self,
        memory: _Memory,
        mark: Mark | None,
        found: Finding | _Refusal,
        warnings: tuple[protocol.Notice, ...],
        *,
        looked_ns: int | None = None,
    ) -> None:
        memory.warnings = warnings
        memory.mark = mark
        memory.looked_ns = time.time_ns() if looked_ns is None else looked_ns
        memory.digest = None
        if isinstance(found, Finding) and found.standing is not None:
            memory.base, memory.seen = found.standing.text, found.standing.seen
        if isinstance(found, _Refusal):
            memory.settled = False
            return
        if isinstance(found.look, Finished):
            memory.digest = found.look.digest
        missing = _is_missing(found)
        if not missing:
            memory.missing_since = None
        elif memory.missing_since is None:
            memory.missing_since = self._clock()
        # What depends on the head, on a clock or on who has something open is looked at again.
        memory.settled = (
            not isinstance(found.look, Saving)
            and not isinstance(
                found.verdict,
                (workfile.Contested, workfile.Lost, workfile.Adopt, workfile.Restyled),
            )
            and not found.waiting
            and not found.kept
            and (not missing or _is_no_file_wanted(found))
        )

    def _warnings_of(
        self, realm: RealmName, memory: _Memory, found: Finding | _Refusal
    ) -> tuple[protocol.Notice, ...]:
        path = memory.path
        warnings = []
        error: RealmconfError
        if isinstance(found, _Refusal):
            error = WorkingCopyRefused(realm=realm, path=os.path.dirname(path), reason=found.reason)
            return (protocol.Notice(code=error.code, message=str(error), path=path),)
        if isinstance(found.look, Refused):
            error = WorkingCopyRefused(realm=realm, path=path, reason=found.look.reason)
            warnings.append(protocol.Notice(code=error.code, message=str(error), path=path))
        verdict = found.verdict
        if isinstance(verdict, workfile.Broken):
            error = WorkingCopyBroken(
                realm=realm,
                path=path,
                reason=verdict.reason,
                line=verdict.line,
                column=verdict.column,
            )
            warnings.append(protocol.Notice(code=error.code, message=str(error), path=path))
        elif isinstance(verdict, workfile.Contested):
            error = WorkingCopyContested(
                realm=realm, path=path, pointers=[str(at) for at in verdict.pointers]
            )
            warnings.append(protocol.Notice(code=error.code, message=str(error), path=path))
        elif isinstance(verdict, (workfile.Adopt, workfile.Restyled, workfile.Lost)):
            warnings.append(
                protocol.Notice(
                    code="working_copy_edited",
                    message=f"{path} was edited and is not taken in yet; the recorded configuration is in force",
                    path=path,
                )
            )
        for name in found.kept:
            kept = os.path.join(os.path.dirname(path), name)
            error = WorkingCopyContested(realm=realm, path=path, kept=kept)
            warnings.append(protocol.Notice(code=error.code, message=str(error), path=kept))
        if memory.failure is not None:
            warnings.append(self._stale(memory, memory.failure))
        return tuple(warnings)

    def _stale(self, memory: _Memory, reason: str) -> protocol.Notice:
        return protocol.Notice(
            code="working_copy_stale",
            message=f"{memory.path} is not in step with the record now: {reason}",
            path=memory.path,
        )

    def _state_of(self, realm: RealmName, memory: _Memory, found: Finding) -> WorkingCopyState:
        look, verdict = found.look, found.verdict
        fields: dict[str, object] = {"state": _state_word(found), "reason": memory.failure or ""}
        if isinstance(look, Refused):
            fields["reason"] = look.reason
        if isinstance(look, Finished):
            text = look.content.decode(errors="replace")
            header = workfile.read_header(text)
            fields["file_generation"] = (
                None if header is None or header.realm != realm else header.generation
            )
            if not isinstance(verdict, (workfile.Clean, workfile.Unfinished)):
                fields["mine_text"] = text
        if found.waiting and not fields["reason"]:
            fields["reason"] = (
                "an older file is still open somewhere: what is saved there is taken in later"
            )
        if isinstance(verdict, workfile.Broken):
            fields |= {"reason": verdict.reason, "line": verdict.line, "column": verdict.column}
        elif isinstance(verdict, workfile.Lost):
            fields["reason"] = (
                f"it is of generation {verdict.generation}, and there is no history of this realm"
            )
        if found.kept or isinstance(verdict, workfile.Contested):
            fields |= self._contested_fields(realm, memory, found)
        return WorkingCopyState(
            realm=realm,
            path=memory.path,
            generation=found.head.generation,
            **fields,  # type: ignore[arg-type]
        )

    def _contested_fields(
        self, realm: RealmName, memory: _Memory, found: Finding
    ) -> dict[str, object]:
        """What a person needs to settle a contested edit: its text, its base, where it overlaps."""
        folder = os.path.dirname(memory.path)
        with Desk(self._files, self._host.root, realm) as desk, self._host.view() as rows:
            contested = self._examiner.judge_kept(rows, desk, found)
            base = self._examiner.base_document(rows, realm, contested.base)
        fields: dict[str, object] = {
            "contested": tuple(str(pointer) for pointer in contested.pointers),
            "kept": tuple(os.path.join(folder, name) for name in found.kept),
            "mine_text": contested.text,
            "reason": contested.reason,
        }
        if base is not None:
            from realmconf.domain.toml import render

            fields["base_text"] = render(base)
        return fields

    # --- inside: rendering --------------------------------------------------------------------

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

    def _wants_rendering(self, memory: _Memory, found: Finding) -> bool:
        if isinstance(found.look, (Absent, Saving)) or isinstance(found.verdict, workfile.Empty):
            return isinstance(found.look, Saving) or not _is_no_file_wanted(found)
        return found.waiting or isinstance(found.verdict, (workfile.Unfinished, workfile.Contested))

    def _publish_quietly(self, realm: str, *, deadline: float | None = None) -> float | None:
        """
        Bring the file in step with the head if that may be done now.

        Raises nothing: a rendering that fails is a warning, and the next look repairs
        it.  Returns after how many seconds it is worth to try again, or None.
        """
        memory = self._memory(realm)
        alone = deadline is None
        if deadline is None:
            rest_seconds = self._pace(memory)
            if rest_seconds > 0:
                return rest_seconds
            if not self._one_publisher.begin():
                return PACE_SECONDS
            deadline = self._clock() + TURN_SECONDS_MAX
        try:
            if self._in_step(realm, memory):  # type: ignore[arg-type]
                return None
            again_seconds = self._publish(realm, memory, deadline)  # type: ignore[arg-type]
        except LockTimeout:
            return AGAIN_SECONDS_MAX
        except (OSError, RealmconfError) as error:
            memory.failure = _reason(error)
            memory.settled = False
            return None
        finally:
            if alone:
                self._one_publisher.end()
        if again_seconds is None:
            memory.again_seconds = AGAIN_SECONDS
            memory.failure = None
        return again_seconds

    def _pace(self, memory: _Memory) -> float:
        """Seconds until the last rendering, whoever made it, is old enough."""
        mark = self._mark(memory)
        if mark is None:
            return 0.0
        age_seconds = (time.time_ns() - mark[3]) / 1e9
        return PACE_SECONDS - age_seconds if 0 <= age_seconds < PACE_SECONDS else 0.0

    def _publish(self, realm: RealmName, memory: _Memory, deadline: float) -> float | None:
        from realmconf.stores.embedded.workplace import Placer

        placer = self._placer or Placer(self._files, self._host.root, limits=self._limits)
        rendering: Rendering | None = None
        if memory.base is not None:
            # The likely case, prepared before the turn is taken: nobody edited the text since.
            head = self._host.head(realm, adopt=False)
            if head.generation != memory.seen:
                rendering = self._render(head, memory.base)
        rounds = 0
        while True:
            with self._host.turn(deadline) as turn:
                memory.settled = False
                found = self._examine(turn, realm, memory)
                if found is None:
                    return None
                wait_seconds = self._wait_before(memory, found)
                if wait_seconds is not None:
                    return wait_seconds or None
                base = None if found.standing is None else found.standing.text
                if (
                    rendering is None
                    or rendering.generation != found.head.generation
                    or rendering.base != base
                ):
                    rounds += 1
                    if rounds <= RENDERINGS_OUTSIDE_MAX:
                        head = found.head
                        rendering = None
                    else:
                        rendering = self._render(found.head, base)
                if rendering is not None:
                    contested = isinstance(found.verdict, workfile.Contested)
                    placed = placer.place(turn, realm, found, rendering, contested=contested)
                    if placed:
                        # What is committed from here on has its own wake-up: rendering on and on
                        # would keep the turn from those who commit.
                        found = self._examine(turn, realm, memory)
                        return None if found is None else self._wait_before(memory, found) or None
                    rendering = None
                    continue
            if rendering is None:
                rendering = self._render(head, base)

    def _render(self, head: Head, base: str | None) -> Rendering:
        from realmconf.stores.embedded.workplace import rendering_of

        return rendering_of(head, base, header=self._header, limits=self._limits)

    def _wait_before(self, memory: _Memory, found: Finding) -> float | None:
        """None: render now. 0: nothing to do. Else: look again after so many seconds."""
        if _is_missing(found) and not _is_no_file_wanted(found):
            known_before = found.standing is not None and found.standing.digest is not None
            if isinstance(found.look, Absent) and not known_before:
                return None
            assert memory.missing_since is not None
            rest_seconds = memory.missing_since + MISSING_SECONDS - self._clock()
            return rest_seconds if rest_seconds > 0 else None
        if _is_missing(found) and isinstance(found.look, Absent):
            stands = found.standing is None or found.standing.seen == found.head.generation
            if not stands:
                return None
        elif isinstance(found.verdict, (workfile.Unfinished, workfile.Contested, workfile.Empty)):
            return None
        if isinstance(found.look, Saving) or found.waiting:
            memory.again_seconds = min(2 * memory.again_seconds, AGAIN_SECONDS_MAX)
            return memory.again_seconds
        return 0.0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class _Refusal:
    """The realm's folder is not one to work in."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _is_missing(found: Finding) -> bool:
    return isinstance(found.look, Absent) or isinstance(found.verdict, workfile.Empty)


def _is_no_file_wanted(found: Finding) -> bool:
    """Whether the head has no document, so that no file is the right rendering."""
    return found.head.revision is None or found.head.revision.document is None


def _state_word(found: Finding) -> str:
    look, verdict = found.look, found.verdict
    if isinstance(look, Refused):
        return "refused"
    if isinstance(look, Saving):
        return "saving"
    if isinstance(verdict, workfile.Broken):
        return "broken"
    if found.kept or isinstance(verdict, (workfile.Contested, workfile.Lost)):
        return "contested"
    if _is_missing(found):
        return "clean" if _is_no_file_wanted(found) else "absent"
    if isinstance(verdict, workfile.Adopt):
        return "edited" if verdict.restores is None else "restored"
    if isinstance(verdict, workfile.Restyled):
        return "edited"
    return "clean" if isinstance(verdict, workfile.Clean) else "stale"
