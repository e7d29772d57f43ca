"""
What goes wrong between a process and an engine.

Decides the fate of each call; a fate is a word here, and done by the ledger.
"""

from __future__ import annotations

import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.stores.engine.ledger import Changes

ARRIVES = "arrives"
"""It is carried out, if it still stands, and answered."""
REQUEST_LOST = "request_lost"
"""No answer, and it is never carried out."""
ANSWER_LOST = "answer_lost"
"""No answer, and it was carried out, if it stood."""
LATE = "late"
"""No answer, and it is carried out at some later moment, if it still stands then."""
REFUSED = "refused"
"""Nothing is done, as if something had moved."""
UNREACHABLE = "unreachable"
"""It could not be sent, which is told."""
SILENT = "silent"
"""It is carried out, and the versions that it made are not told."""

FATES = (REQUEST_LOST, ANSWER_LOST, LATE, REFUSED, UNREACHABLE, SILENT)

HEARD, LOST, DOUBLED, ENDS = "heard", "lost", "doubled", "ends"
HELD_BACK, BARE, NAMELESS = "held_back", "bare", "nameless"
"""
What becomes of a hint.  At ``ENDS`` the listening is over with it; one that is held back comes after a later one, a
bare one tells the names alone, and a nameless one that there was something.
"""


class Weather:
    """Fair: every call arrives, and every hint is heard."""

    def asking(self) -> None:
        """
        A question is on its way.

        Raises:
            StoreUnavailable: It does not get there.
        """

    def fate(self, changes: Changes) -> str:
        """What becomes of a conditional write."""
        return ARRIVES

    def is_due(self) -> bool:
        """Whether something late arrives now."""
        return True

    def hint(self) -> str:
        """What becomes of one hint to one listener."""
        return HEARD


class Storm(Weather):
    """Foul, as *seed* says: each write meets each of *fates* that often, and each question *unreachable*."""

    def __init__(
        self,
        *,
        seed: int,
        fates: Mapping[str, float] | None = None,
        unreachable: float = 0.0,
        hints: Mapping[str, float] | None = None,
    ) -> None:
        self.chance = random.Random(seed)
        self.met: dict[str, int] = {}
        """How often which fate was met."""
        self._fates = dict.fromkeys(FATES, 0.05) if fates is None else fates
        self._unreachable = unreachable
        self._hints = {} if hints is None else hints

    def asking(self) -> None:
        if self.chance.random() < self._unreachable:
            from realmconf.errors import StoreUnavailable

            self._note("no_question")
            raise StoreUnavailable("the engine cannot be reached: planted")

    def fate(self, changes: Changes) -> str:
        return self._note(self._drawn(self._fates, ARRIVES))

    def is_due(self) -> bool:
        return self.chance.random() < 0.2

    def hint(self) -> str:
        return self._drawn(self._hints, HEARD)

    def _drawn(self, rates: Mapping[str, float], otherwise: str) -> str:
        drawn = self.chance.random()
        for what, rate in rates.items():
            drawn -= rate
            if drawn < 0:
                return what
        return otherwise

    def _note(self, what: str) -> str:
        self.met[what] = self.met.get(what, 0) + 1
        return what
