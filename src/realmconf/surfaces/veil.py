"""
What a surface shows of values: everything, or a mark in the place of each literal that is secret.

Decides who is shown what, once for every surface; what is secret is for ``domain.secrets``.
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT
from realmconf.domain.secrets import redact
from realmconf.domain.withheld import refuse_withheld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.secrets import Secrecy
    from realmconf.runtime.client import Client


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
            # A server that this process asks may withhold some all the same.
            refuse_withheld(value)
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


def veil_of(client: Client, realm: RealmName, *, shows_secrets: bool) -> Veil:
    """Over the values of *realm* that a reader of *client* is shown."""
    return Veil(shows_secrets=shows_secrets, secrecy=lambda: client.lineages.secrecy(realm))


def veil_of_plan(
    client: Client, planned: Any, *, shows_secrets: bool, others: Sequence[RealmName] = ()
) -> Veil:
    """Over what a dry run answers: also values of realms that are only tried as parents, and of *others*."""

    def secrecy() -> Secrecy:
        found = client.lineages.secrecy_once(planned.realm_id, planned.point, others=others)
        # Of a realm never written no mark can come back, and a key would be made, with a store to keep it.
        return found if planned.before is not None else found.replace(key=None)

    return Veil(shows_secrets=shows_secrets, secrecy=secrecy)


def veil_of_step(client: Client, snapshot: Any, *, shows_secrets: bool) -> Veil:
    """Over a step of an effective watch: it shows values of former parents, which have their own secrets."""
    return Veil(
        shows_secrets=shows_secrets,
        secrecy=lambda: client.lineages.secrecy_once(
            snapshot.realm_id, snapshot.point, others=snapshot.related
        ),
    )
