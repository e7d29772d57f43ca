"""
What a surface shows of values: everything, or a mark in the place of each literal that looks secret.

Decides who is shown what, once for every surface; what looks secret is for ``domain.secrets``.
"""

from __future__ import annotations

from realmconf.domain.pointer import Pointer
from realmconf.domain.record import Record
from realmconf.domain.secrets import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.document import Value


class Veil(Record):
    """Over every value that a surface shows, unless its reader has the right to secrets."""

    shows_secrets: bool = False

    def over(self, value: Value, at: Pointer | None = None) -> Value:
        """*value*, which stands at the pointer *at*, as it may be shown."""
        if self.shows_secrets:
            return value
        hidden: Value = redact(value, at=Pointer() if at is None else at)
        return hidden
