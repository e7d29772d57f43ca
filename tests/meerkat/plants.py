"""
Bugs that are planted into the store of Meerkat's files, each of which a torture has to find.

Decides what each does wrong.  They are planted into everybody of ours: one sound process would hide what the others do,
since it settles what it finds, and sweeps up what they left.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from realmconf.stores.meerkat import files, lockfile, standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.stores.meerkat.standing import Standing


def without_a_proof() -> None:
    """The lock is not proved before the text and the number are put there, and the text is put over whatever is."""

    def prove(held: lockfile.Held) -> None:
        """In place of a proof."""

    lockfile.Held.prove = prove  # type: ignore[method-assign, assignment]
    without_an_exchange()


def without_sweeping() -> None:
    """What one that is stopped has prepared is left to it; alone this is no bug."""

    def sweep(folder: str, config: str, **others: Any) -> str:
        """In place of sweeping."""
        return ""

    files.sweep = sweep


def without_an_exchange() -> None:
    """What stands there is not looked at before it is replaced."""

    def put_over(replacement: files.Replacement, _: bytes | None) -> None:
        replacement.put()

    files.Replacement.put_over = put_over  # type: ignore[method-assign, assignment]
    without_sweeping()


def without_a_digest() -> None:
    """A text under a number that is known is taken for the one that was known, whatever it says."""
    judge = standing.judge

    def judged(state: Any, text: str, *, known: Any, **others: Any) -> Standing:
        number = getattr(state, "generation", None)
        if known is not None and number is not None and number <= known.revision.generation:
            text = known.text
        return judge(state, text, known=known, **others)

    standing.judge = judged


def without_a_memory() -> None:
    """The number goes on from what the file says, also where a higher one is known."""
    judge = standing.judge

    def judged(state: Any, text: str, **others: Any) -> Standing:
        found = judge(state, text, **others)
        number = getattr(state, "generation", None)
        if number is not None and found.kind in {standing.REWOUND, standing.RENUMBERED}:
            return standing.Standing(kind=standing.FOREIGN, generation=number)
        return found

    standing.judge = judged


def without_a_lock() -> None:
    """Whoever finds the lock taken goes in all the same, and never looks whether it has it."""
    make = lockfile._make

    def made(path: str) -> int | None:
        found = make(path)
        return make(f"{path}.{time.monotonic_ns()}") if found is None else found

    lockfile._make = made
    without_a_proof()


PLANTS: dict[str, Callable[[], None]] = {
    plant.__name__: plant
    for plant in (
        without_a_proof,
        without_an_exchange,
        without_a_digest,
        without_a_memory,
        without_a_lock,
    )
}
