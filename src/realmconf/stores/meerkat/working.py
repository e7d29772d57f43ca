"""
What ``config.toml`` means to a person who asks: the words of ``status`` for a file that is itself the document.

Decides the word and the reason; takes no lock and changes nothing.  What the file means is ``standing``'s to say.
"""

from __future__ import annotations

from realmconf.errors import WorkingCopyBroken
from realmconf.stores.meerkat import moving, standing
from realmconf.stores.protocol import WorkingCopyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.stores.meerkat.journal import Journal, Known
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.meerkat.settling import Settler

_WORDS = {
    standing.NEVER: ("none", ""),
    standing.CLEAN: ("clean", ""),
    standing.FOREIGN: ("clean", ""),
    standing.RENUMBERED: ("clean", "config_state.json has lost its number: the next look mends it"),
    standing.UNFINISHED: ("clean", "a write was cut short: the next look finishes it"),
    standing.DUE: ("stale", "the realm has moved here, or changed its name"),
    standing.EDITED: ("edited", ""),
    standing.OVERWRITTEN: (
        "edited",
        "by a program that held the lock for too long: what it wrote over is in the history",
    ),
    standing.REWOUND: ("edited", "and its number was set back, lost or damaged"),
}


def state_of_copy(
    layout: Layout,
    journal: Journal,
    settler: Settler,
    realm: RealmName,
    seen: Look,
    known: Known | None,
) -> WorkingCopyState:
    """
    What stands in the file that was *seen*.

    Raises:
        StoreCorrupt: Nothing says which generation it is.
    """
    state = WorkingCopyState(
        realm=realm,
        path=layout.config(realm),
        state="moved",
        generation=0 if known is None else known.revision.generation,
    )
    if known is not None and known.moved_to is not None:
        reason = f"the realm lives in {known.moved_to}: what is written here is not taken in"
        if moving.is_strange(journal, seen, known):
            reason += "; another program has written here since"
        return state.replace(reason=reason)
    found = settler.standing_of(seen, known, journal.intents(realm))
    if found.kind == standing.UNKNOWN:
        raise settler.unknown(realm)
    word, reason = _WORDS[found.kind]
    if word == "edited" and known is None:
        # There is nothing that it was edited from.
        word = "clean"
    try:
        document = settler.document(realm, seen)
    except WorkingCopyBroken as broken:
        return state.replace(
            state="broken",
            reason=f"{broken.reason}; nothing is written until it is mended",
            line=broken.line,
            column=broken.column,
            mine_text=(seen.text or b"").decode("utf-8", "replace"),
            shown=(journal.digest(seen.text),) if journal.has_keys() else (),
        )
    if found.kind == standing.EDITED and settler.is_of(document, known):
        word = "clean"
    generation = found.generation if word in ("clean", "none", "stale") else state.generation
    if found.kind == standing.EDITED and word == "clean" and known is not None:
        generation = known.revision.generation
    return state.replace(state=word, generation=generation, reason=reason)
