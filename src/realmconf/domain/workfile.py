"""
What ``config.toml`` means now: from what was observed to one verdict.

Decides, purely, whether a text is our own rendering, a deliberate restore, an edit
(and against which base), broken, or at odds with newer changes.  Refuses to know
where the text stands, who has it open, and what is done about the verdict: that is
the store's protocol.

The first line of a rendering, ``# realmconf: <realm>, generation <N>``, tells which
generation the author of a later save had loaded.  It is not content, and no
compare-and-swap trusts it.
"""

from __future__ import annotations

import re
from itertools import pairwise

from realmconf.domain.diff import changes
from realmconf.domain.document import same
from realmconf.domain.merge import merge_three
from realmconf.domain.record import Record
from realmconf.domain.schemas.shape import NOTHING
from realmconf.errors import InvalidDocument, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realmconf.domain.diff import Change
    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Revision
    from realmconf.domain.schemas.shape import Shape

_HEADER = re.compile(
    r"# realmconf: ([A-Za-z0-9_-]{1,64}), generation ([1-9][0-9]{0,15})[ \t]*\r?(?:\n|$)"
)

BASES_MAX = 256
"""An edit of unknown base is tried against at most this many; beyond, it is contested."""


class Header(Record):
    """What the first line says."""

    realm: str
    generation: int


def header_line(realm: str, generation: int) -> str:
    """The first line of a rendering, without its line end."""
    return f"# realmconf: {realm}, generation {generation}"


def read_header(text: str) -> Header | None:
    """What the first line of *text* says, or None if it is not a header."""
    found = _HEADER.match(text)
    return None if found is None else Header(realm=found[1], generation=int(found[2]))


def without_header(text: str) -> str:
    """*text* from its second line on if the first is a header, else all of it."""
    found = _HEADER.match(text)
    return text if found is None else text[found.end() :]


# --- what is observed ----------------------------------------------------------


class Known(Record):
    """One thing the record knows about a text with the observed digest."""

    generation: int
    rendering: bool
    """True for a text we wrote for this generation, False for an edit that became it."""
    replaced: bool
    """A newer rendering is known to have taken its place for good."""


class Observation(Record):
    """A finished text (nobody has it open for writing), and what the record knows about it."""

    realm: str
    text: str | bytes
    known: tuple[Known, ...]
    head: Document | None
    """None for a tombstone, and for a realm never written."""
    head_generation: int
    seen_generation: int | None
    """The generation the file was last known to be in step with; None if it never was."""
    rendered: tuple[int, ...] = ()
    """Generations that stood in the file since then, that one included."""
    shape: Shape = NOTHING
    """What schemas say of the realm's configuration: which arrays have elements with names."""


# --- what it means -------------------------------------------------------------


class Verdict(Record):
    """Abstract."""


class Clean(Verdict):
    """The rendering of the head."""


class Unfinished(Verdict):
    """Our own text, of an older generation: the head is still to be rendered."""


class Empty(Verdict):
    """Nothing in it: an editor between two steps, or a mistake; never 'delete everything'."""


class Broken(Verdict):
    """Not a document."""

    reason: str
    line: int | None = None
    column: int | None = None


class Lost(Verdict):
    """Its first line names a generation of a realm that the record has never heard of."""

    generation: int


class Restyled(Verdict):
    """States the head's document in other words: comments, order, layout, or an edit that is already in."""


class Adopt(Verdict):
    """An edit that becomes the next revision, with this document."""

    document: Document
    base: int | None = None
    """The generation its author had loaded, by its first line; None if it is made out or makes no difference."""
    restores: int | None = None


class Contested(Verdict):
    """An edit that overlaps with what was changed since its author loaded the file."""

    reason: str
    pointers: tuple[Pointer, ...] = ()
    base: int | None = None


def judge(
    seen: Observation,
    revision_at: Callable[[int], Revision | None],
    *,
    limits: Limits | None = None,
) -> Verdict:
    """
    Say what the observed text means.

    *revision_at* gives the revision at a generation up to the head, or None if it
    is no longer kept.
    """
    if any(item.rendering and item.generation == seen.head_generation for item in seen.known):
        return Clean()
    if any(not item.replaced for item in seen.known):
        return Unfinished()
    if not seen.text.strip():
        return Empty()
    try:
        text, mine = _read(seen.text, limits)
    except InvalidDocument as error:
        return _broken(error)
    except LimitExceeded as error:
        return Broken(reason=str(error))
    if seen.head is not None and same(mine, seen.head):
        return Restyled()
    if any(item.rendering for item in seen.known):
        return Adopt(
            document=mine, restores=max(item.generation for item in seen.known if item.rendering)
        )
    header = read_header(text)
    if header is not None and header.realm == seen.realm:
        if header.generation > seen.head_generation:
            return _ahead(header, seen)
        base = revision_at(header.generation)
        if base is not None and not base.purged:
            return _merged(seen, mine, base.document, header.generation)
    return _of_unknown_base(seen, mine, revision_at)


def _read(text: str | bytes, limits: Limits | None) -> tuple[str, Document]:
    from realmconf.domain.names import LIMITS
    from realmconf.domain.toml import parse_toml

    document = parse_toml(text, limits=limits or LIMITS).document
    return (text if isinstance(text, str) else text.decode()), document


def _broken(error: InvalidDocument) -> Broken:
    place = "" if error.pointer is None else f"{error.pointer or '/'}: "
    return Broken(reason=f"{place}{error.reason}", line=error.line, column=error.column)


def _ahead(header: Header, seen: Observation) -> Verdict:
    if seen.head_generation == 0:
        return Lost(generation=header.generation)
    return Contested(
        reason=f"it is of generation {header.generation}, above the newest one, {seen.head_generation}: "
        "a sign of lost history"
    )


def _merged(seen: Observation, mine: Document, base: Document | None, generation: int) -> Verdict:
    merged = _merge(base, seen.head, mine, seen.shape)
    if isinstance(merged, tuple):
        return Contested(
            reason=f"it was made against generation {generation}", pointers=merged, base=generation
        )
    if merged is None or (seen.head is not None and same(merged, seen.head)):
        return Restyled()
    return Adopt(document=merged, base=generation)


def _merge(
    base: Document | None, theirs: Document | None, mine: Document, shape: Shape
) -> Document | tuple[Pointer, ...] | None:
    """The merged document, None for 'still deleted', or the contested pointers."""
    if theirs is not None:
        merged = merge_three(base or {}, theirs, mine, shape=shape)
        return merged.contested or merged.document
    if base is None:
        return mine
    # The realm was deleted since: an edit overlaps with that wherever it is.
    if same(mine, base):
        return None
    return tuple(change.pointer for change in changes(base, mine))


def _of_unknown_base(
    seen: Observation, mine: Document, revision_at: Callable[[int], Revision | None]
) -> Verdict:
    if seen.head_generation == 0:
        return Adopt(document=mine)
    if seen.seen_generation == seen.head_generation:
        return _without_base(_merged(seen, mine, seen.head, seen.head_generation))
    if seen.seen_generation is None or not seen.rendered or len(seen.rendered) > BASES_MAX:
        return Contested(reason="nothing says against which generation it was made")
    verdicts: list[Verdict] = []
    for generation in seen.rendered:
        base = revision_at(generation)
        if base is None or base.purged:
            return Contested(reason="the generation it was made against is no longer kept")
        verdict = _merged(seen, mine, base.document, generation)
        if isinstance(verdict, Contested):
            return verdict
        verdicts.append(verdict)
    first = verdicts[0]
    if all(_same_outcome(first, other) for other in verdicts):
        return _without_base(first)
    return Contested(
        reason="nothing says against which generation it was made, and that makes a difference"
    )


def _without_base(verdict: Verdict) -> Verdict:
    return verdict.replace(base=None) if isinstance(verdict, Adopt) else verdict


def _same_outcome(one: Verdict, other: Verdict) -> bool:
    if isinstance(one, Adopt) and isinstance(other, Adopt):
        return same(one.document, other.document)
    return type(one) is type(other)


def reverts(
    document: Document, newest_first: Sequence[Revision], *, author: str
) -> tuple[str, ...]:
    """
    Pointers whose values *document* puts back to what they were before somebody else's later write.

    *newest_first* starts with the head; what is older than its last entry is not seen.
    """
    if not newest_first:
        return ()
    return tuple(
        str(change.pointer)
        for change in changes(newest_first[0].document, document)
        if _is_put_back(change, newest_first, author)
    )


def _is_put_back(change: Change, newest_first: Sequence[Revision], author: str) -> bool:
    """Whether the value stood there before, and somebody else's write came after the last time that it did."""
    is_over_anothers = False
    after = change.pointer.resolve(newest_first[0].document or {})
    for newer, older in pairwise(newest_first):
        before = change.pointer.resolve(older.document or {})
        is_over_anothers |= newer.author != author and not same(before, after)
        if same(before, change.after):
            return is_over_anothers
        after = before
    return False
