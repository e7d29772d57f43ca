"""
What a look at a realm's files means, given what the journal knows: one pure function.

Decides which generation the text is, who can have written it, and whether something of ours was lost; never what is
done about it.  The text counts for more than the number: the number of a text that changed goes on, and never back.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.stores.meerkat.journal import ABSENT_TEXT
from realmconf.stores.meerkat.sidecar import Damaged, Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.stores.meerkat.journal import Intent, Known

NEVER = "never"
"""No number, no text, and nothing known."""
CLEAN = "clean"
"""The text of the newest revision, and its number."""
FOREIGN = "foreign"
"""The number went on, and no digest of ours came along: another program has written."""
EDITED = "edited"
"""The text changed and the number did not."""
OVERWRITTEN = "overwritten"
"""The number is the newest one, its digest is gone and the text is another: by a holder that outlived its lock."""
REWOUND = "rewound"
"""The number is gone, unreadable, or below one that was told, and the text is not that of the newest revision."""
RENUMBERED = "renumbered"
"""As ``REWOUND``, with the text of the newest revision: nothing is lost but the number."""
UNFINISHED = "unfinished"
"""The text is that of a commit that was begun."""
DUE = "due"
"""The files are older than the history, by a move or a rename: the newest revision is to be put into them."""
UNKNOWN = "unknown"
"""The number is unreadable, and nothing says what it was."""

ADOPTED = frozenset((EDITED, OVERWRITTEN, REWOUND))
"""What becomes a generation of its own."""


class Standing(Record):
    """What it is, and at which generation."""

    kind: str
    generation: int
    """Of what is there; of what is to be adopted the one that it would get."""
    intent: Intent | None = None
    """What is unfinished."""


def judge(
    state: Sidecar | Damaged | None,
    text: str,
    *,
    is_there: bool,
    key: str | None,
    known: Known | None,
    intents: Sequence[Intent] = (),
) -> Standing:
    """
    Say what stands there.

    *text* is the keyed digest of the file's content, *is_there* whether there is a file, *key* the name of the key.
    """
    newest = 0 if known is None else known.revision.generation
    number = state.generation if isinstance(state, Sidecar) else None
    stamped = state.text if isinstance(state, Sidecar) and state.key == key else None
    for intent in intents:
        if _is_done(intent, text, number, known):
            return Standing(kind=UNFINISHED, generation=intent.revision.generation, intent=intent)
    if known is None:
        return _without_witness(state, number, stamped, text, is_there=is_there)
    is_ahead = known.place is not None and (text, number) in known.place.kept
    if is_ahead and (text, number) != (known.text, newest):
        return Standing(kind=DUE, generation=newest)
    told = known.last.generation
    if state is None and not is_there and known.revision.tombstone and told == newest:
        # Deleted, and its folder with it: there is nothing to put a number beside.
        return Standing(kind=CLEAN, generation=newest)
    if number is None or number < told:
        same = text == known.text and told == newest
        return Standing(
            kind=RENUMBERED if same else REWOUND, generation=newest if same else told + 1
        )
    if number > newest:
        if stamped is not None and stamped != text:
            return Standing(kind=EDITED, generation=number + 1)
        return Standing(kind=FOREIGN, generation=number)
    if text == known.text:
        return Standing(kind=CLEAN, generation=newest)
    # What another program wrote had no digest beside it in the first place.
    is_lost = known.is_stamped and stamped is None
    return Standing(kind=OVERWRITTEN if is_lost else EDITED, generation=newest + 1)


def is_strange(state: Sidecar | Damaged | None, text: str, known: Known) -> bool:
    """Whether somebody else has written the files of a realm since it left this store, or before it has come."""
    assert known.place is not None
    number = state.generation if isinstance(state, Sidecar) else None
    if (text, number) in known.place.kept:
        return False
    # Nothing of it is left: whoever removed it has decided.
    return not (state is None and text == ABSENT_TEXT)


def _is_done(intent: Intent, text: str, number: int | None, known: Known | None) -> bool:
    """Whether the commit that was begun has come so far that everybody sees it."""
    if known is not None and intent.revision.generation <= known.revision.generation:
        # Begun by somebody who had lost the lock without knowing it.
        return False
    if known is not None and intent.text == known.text:
        # The text stays as it was: the number is all that it changes.
        return number == intent.revision.generation and text == intent.text
    newest = intent.revision.generation
    return text == intent.text and (number is None or number in (newest - 1, newest))


def _without_witness(
    state: Sidecar | Damaged | None,
    number: int | None,
    stamped: str | None,
    text: str,
    *,
    is_there: bool,
) -> Standing:
    if isinstance(state, Damaged):
        return Standing(kind=UNKNOWN, generation=0)
    if not number:
        return Standing(kind=EDITED if is_there else NEVER, generation=1 if is_there else 0)
    if stamped is not None and stamped != text:
        return Standing(kind=EDITED, generation=number + 1)
    return Standing(kind=FOREIGN, generation=number)
