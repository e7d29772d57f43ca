"""
What a surface shows of values: everything, or a mark in the place of each literal that is secret.

Decides who is shown what, once for every surface; what is secret is for ``domain.secrets``.
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT
from realmconf.domain.secrets import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain.pointer import Pointer
    from realmconf.domain.secrets import Secrecy


class Veil:
    """
    Over the values of one realm that a surface shows, unless its reader has the right to secrets.

    *secrecy*, that of the realm, is asked for with the first value and then kept: a surface that goes on for
    long takes a new veil for each answer.  Without it only names tell what is secret.
    """

    __slots__ = ("_found", "_secrecy", "shows_secrets")

    def __init__(
        self, *, shows_secrets: bool = False, secrecy: Callable[[], Secrecy] | None = None
    ) -> None:
        self.shows_secrets = shows_secrets
        self._secrecy = secrecy
        self._found: Secrecy | None = None

    def over(self, value: Any, at: Pointer = ROOT) -> Any:
        """*value*, which stands at the pointer *at*, as it may be shown."""
        if self.shows_secrets:
            return value
        if self._secrecy is None:
            return redact(value, at=at)
        return self.secrecy.redact(value, at=at)

    @property
    def secrecy(self) -> Secrecy:
        """What is secret in the realm; for who takes marks back."""
        if self._found is None:
            assert self._secrecy is not None
            self._found = self._secrecy()
        return self._found
