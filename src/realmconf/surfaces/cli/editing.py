"""
``edit``: the own document in the user's editor, until it is in or given up.

Decides what happens between opening the text and the commit: what others changed meanwhile is
merged, what both changed is put before the user, what is no document comes back with the reason.
The text stays on disk until it is in.
"""

from __future__ import annotations

from copy import deepcopy

from realmconf.domain.merge import Merged, merge_three
from realmconf.domain.names import LIMITS
from realmconf.domain.toml import parse_toml, render
from realmconf.domain.workfile import header_line, without_header
from realmconf.errors import (
    GenerationConflict,
    InvalidDocument,
    LimitExceeded,
    RealmconfError,
    SchemaViolation,
    SecretMarkMisplaced,
    Unsupported,
)
from realmconf.runtime.results import document_of
from realmconf.surfaces.cli.editor import EditedText
from realmconf.surfaces.cli.markers import Dispute, with_markers
from realmconf.surfaces.cli.terminal import error_lines
from realmconf.surfaces.cli.working_copy import clean_text, refuse_unsettled
from realmconf.surfaces.cli.writing import print_result, write_options
from realmconf.surfaces.intake import with_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.pointer import Pointer
    from realmconf.surfaces.cli.call import Call

MEND = "Mend it and save, or leave it as it is to give up."
UNUSABLE = (InvalidDocument, LimitExceeded, SchemaViolation, SecretMarkMisplaced)
"""What is wrong with the text itself, and may be mended in it."""

CHOOSE = "Choose between the markers (<<<<<<< yours … >>>>>>> theirs) and save, or leave it as it is to give up."


def edit(call: Call) -> None:
    """Edit the realm's own document; print what came of it."""
    realm = call.realm()
    refuse_unsettled(realm)
    head = realm.get()
    options = write_options(call)
    editing = Editing(
        call,
        realm,
        base=head,
        shown=[plain(head)],
        write=lambda document, newest: realm.set(document, expected=newest, **options),
    )
    text = clean_text(realm, head.generation)
    result = editing.until_written(
        render(
            call.veil.over(plain(head)),
            text=None if text is None else without_header(text),
            header=header_line(head.realm_id, head.generation),
        )
    )
    if result is None:
        call.say("nothing was changed")
    else:
        print_result(call, result)


def resolve_in_editor(call: Call, realm: Any, state: Any) -> Any:
    """Put a contested or broken working copy before the user; the result of the write, or None if they gave up."""
    head = realm.get()
    options = write_options(call)

    def editing(shown: list[dict[str, Any]]) -> Editing:
        return Editing(
            call,
            realm,
            base=head,
            shown=shown,
            # Of several contested edits the editor shows the first.
            write=lambda document, newest: realm.resolve(
                document, expected=newest, shown=state.shown[:1], **options
            ),
        )

    text = state.mine_text or ""
    try:
        mine = parse_toml(text).document
    except UNUSABLE as unusable:
        return editing([plain(head)]).until_written(text, note=str(unusable))
    base = parse_toml(state.base_text or "").document
    merged = merged_text(base, head, mine)
    blamed = culprits(realm, merged.contested, after=state.file_generation or 0)
    disputed = disputed_text(
        call, merged, mine=mine, theirs=plain(head), blamed=blamed, text=text, head=head
    )
    return editing([merged.document, mine]).until_written(disputed, note=CHOOSE)


class Editing:
    """
    One text on its way from the editor into the realm.

    *base* is the snapshot that the text in the editor was made from, and moves on with each merge that
    the user has seen.  *shown* are the documents of which the text shows values, with marks in place of secrets: where
    two are at odds, a mark of either side is good for that side's value.
    """

    def __init__(
        self,
        call: Call,
        realm: Any,
        *,
        base: Any,
        shown: list[dict[str, Any]],
        write: Callable[[dict[str, Any], Any], Any],
    ) -> None:
        self._call = call
        self._realm = realm
        self._base = base
        self._shown = shown
        self._write = write
        self._file = EditedText(
            name=str(realm.realm_id),
            environment=call.environment,
            has_terminal=call.has_terminal,
        )

    def until_written(self, text: str, *, note: str | None = None) -> Any:
        """
        Edit and try until the document is in; None if the user changed nothing.

        Raises:
            RealmconfError: What the user left unmended when they gave up; the file's path is said.
        """
        problem: Exception | None = None
        try:
            while True:
                saved = self._file.edit(text, note=note)
                if saved is None or (saved == text and problem is None):
                    if problem is not None:
                        raise problem
                    self._file.discard()
                    return None
                text = saved
                try:
                    result = self._written(saved)
                except Undecided as undecided:
                    problem, text, note = undecided.conflict, undecided.text, undecided.note
                except UNUSABLE as unusable:
                    problem = unusable
                    note = "\n".join([*error_lines(unusable), MEND])
                else:
                    self._file.discard()
                    return result
        except BaseException:
            self._call.say(f"your text is kept in {self._file.path}")
            raise

    def _written(self, text: str) -> Any:
        parsed = parse_toml(text.encode("utf-8", "surrogateescape")).document
        veil = self._call.veil_of(self._realm.realm_id)
        mine = with_secrets(parsed, self._shown, veil.secrecy)
        while True:
            head = self._realm.get()
            document = mine if head == self._base else self._merged(mine, head, text=text)
            try:
                result = self._write(document, head)
            except GenerationConflict:
                # Somebody came between the merge and the write: merge with them too.
                continue
            self._keep_comments(text)
            return result

    def _keep_comments(self, text: str) -> None:
        """Let the working copy have the words of the person, comments included."""
        if getattr(self._call.request, "dry_run", False):
            return
        try:
            self._realm.restyle(text)
        except Unsupported:
            # Where there is no working copy there is no place for comments.
            return
        except RealmconfError as error:
            self._call.say(f"warning: the comments you changed are not in the file: {error}")

    def _merged(self, mine: dict[str, Any], head: Any, *, text: str) -> dict[str, Any]:
        """
        *mine* on top of *head*.

        Raises:
            Undecided: Both changed the same place; ``base`` is *head* from now on.
            GenerationConflict: The document was deleted.
        """
        name = str(self._realm.realm_id)
        before, now = self._base.generation, head.generation
        if self._base.exists and not head.exists:
            raise GenerationConflict(
                before, now, realm=name, reason="the document was deleted since"
            )
        merged = merged_text(plain(self._base), head, mine)
        if not merged.contested:
            self._call.say(f"merged with what was changed up to generation {now}")
            return merged.document
        blamed = culprits(self._realm, merged.contested, after=before)
        conflict = GenerationConflict(before, now, blamed, realm=name)
        disputed = disputed_text(
            self._call, merged, mine=mine, theirs=plain(head), blamed=blamed, text=text, head=head
        )
        self._base = head
        self._shown = [merged.document, mine]
        raise Undecided(conflict, text=disputed)


class Undecided(Exception):
    """A merge that the user has to decide."""

    def __init__(self, conflict: GenerationConflict, *, text: str) -> None:
        super().__init__(str(conflict))
        self.conflict = conflict
        self.text = text
        self.note = f"{conflict}\n{CHOOSE}"


def culprits(realm: Any, places: Iterable[Pointer], *, after: int) -> list[dict[str, Any]]:
    """For each of *places*, the newest revision after generation *after* that changed it."""
    waiting = dict.fromkeys(places)
    found: dict[Pointer, dict[str, Any]] = {}
    newest = realm.get().revision
    for revision in realm.history(limit=LIMITS.history_page):
        if revision.generation <= after or not waiting:
            break
        for change in realm.diff(revision.generation - 1, revision.generation):
            for place in [one for one in waiting if one.overlaps(change.pointer)]:
                del waiting[place]
                found[place] = _culprit(place, revision)
    # What is older than a page of history is at least not older than the newest.
    found |= {place: _culprit(place, newest) for place in waiting}
    return [found[place] for place in sorted(found)]


def _culprit(place: Pointer, revision: Any) -> dict[str, Any]:
    """An entry of ``GenerationConflict.contested``."""
    return {
        "pointer": str(place),
        "generation": revision.generation,
        "author": revision.author,
        "surface": revision.surface,
        "message": revision.message,
        "created_at": revision.created_at,
    }


def disputed_text(
    call: Call,
    merged: Merged,
    *,
    mine: dict[str, Any],
    theirs: dict[str, Any],
    blamed: Iterable[dict[str, Any]],
    text: str,
    head: Any,
) -> str:
    """*merged* as TOML with both sides of what is contested, and the comments of *text*."""
    veil = call.veil
    disputes = [
        Dispute(
            pointer=pointer,
            mine=veil.over(pointer.resolve(mine), pointer),
            theirs=veil.over(pointer.resolve(theirs), pointer),
            whose=f"generation {entry['generation']}, {entry['author']}",
        )
        for pointer, entry in zip(merged.contested, blamed, strict=True)
    ]
    return with_markers(
        veil.over(merged.document),
        disputes,
        text=without_header(text),
        header=header_line(head.realm_id, head.generation),
    )


def plain(snapshot: Any) -> dict[str, Any]:
    """
    The own document of *snapshot* to work on; empty if there is none.

    As it is stored, with marks in the place of what is withheld: it is merged and shown, and the marks go back.
    """
    return deepcopy(document_of(snapshot.record) or {})


def merged_text(base: Document, head: Any, mine: Document) -> Merged:
    """What was made of *base* in a text, on top of *head*; what is contested has a place of its own in the text."""
    theirs, point = plain(head), head.point
    if point.problem is None:
        merged = merge_three(base, theirs, mine, shape=point.composed.shape)
        if not merged.contested:
            return merged
    # Between markers stands the whole of an array: an element that is known by its name has no place in a text.
    return merge_three(base, theirs, mine)
