"""
What an agent may do: what its caller may, narrowed by what whoever started the server allowed.

Decides rights only, as a grant that the core carries out: which tools are listed, and what their texts say, gives
and takes none.  Knows nothing of the protocol.
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record
from realmconf.domain.scope import PLACE, Scope
from realmconf.errors import InvalidArgument
from realmconf.runtime.access import EVERYWHERE, Grant, check_pattern, matches
from realmconf.runtime.arguments import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Allowance(Record):
    """What whoever started the server allows agents to write. The default is nothing."""

    below: tuple[Pointer, ...] = ()
    """Places at or below which they may write; none: nowhere."""
    realms: tuple[str, ...] = ()
    """Names, in which ``*`` stands for any characters."""

    @property
    def writes(self) -> bool:
        """Whether anything may be written at all."""
        return bool(self.below)


READ_ONLY = Allowance()


def allowance(
    *,
    allow_write: bool = False,
    paths: Iterable[str] = (),
    realms: Iterable[str] = (),
    default_realms: tuple[str, ...] = EVERYWHERE,
) -> Allowance:
    """
    What the options of a server mean; writing is for *default_realms* if none are named.

    Raises:
        InvalidArgument: Writing is allowed nowhere, or at a place that agents never write; or places and realms are
            named, and writing is not allowed, which they would look like.
        InvalidPointer: A place is none.
    """
    below = tuple(_place(path) for path in paths)
    patterns = tuple(check_pattern(pattern) for pattern in realms)
    if not allow_write:
        if below or patterns:
            raise InvalidArgument("--allow-path and --allow-realm need --allow-write")
        return READ_ONLY
    if not below:
        raise InvalidArgument(
            "--allow-write needs one --allow-path at least: where agents may write (/ is anywhere)"
        )
    return Allowance(below=below, realms=patterns or default_realms)


def _place(path: str) -> Pointer:
    # As a path of a file system says it; no document has a reason for the key "" that RFC 6901 would mean.
    place = ROOT if str(path) in ("", "/") else pointer(path)
    if place.within(PLACE):
        raise InvalidArgument(f"agents never write {PLACE}")
    return place


class AgentGrant(Grant):
    """The rights of one agent: it reads what its caller may read, and writes less."""

    below: tuple[Pointer, ...]
    """Places at or below which every change must be, besides ``paths``; none: nowhere."""
    writing: tuple[str, ...]
    """Realms outside of which it only reads, whatever ``realms`` says."""

    def allows(self, role: str, realm: str | None) -> bool:
        """Whether it has *role* in *realm*; without a realm, in all of them."""
        if not super().allows(role, realm):
            return False
        if role == "read":
            return True
        return realm is not None and any(matches(pattern, realm) for pattern in self.writing)

    def scope(self) -> Scope:
        """Never ``/realm``, schema, policy, secrets and references to them, wherever it may write."""
        return (
            super()
            .scope()
            .narrowed(
                Scope(below=self.below, changes_place=False, governs=False, states_secrets=False)
            )
        )


def narrowed(grant: Grant, allowed: Allowance, *, caller: str, author: str) -> AgentGrant:
    """The rights of an agent that acts with *grant*, known as *caller*, whose writes are by *author*."""
    usable = {"read", "write"} if allowed.writes else {"read"}
    return AgentGrant(
        id=caller,
        name=author,
        roles=grant.effective_roles & usable,
        realms=grant.realms,
        paths=grant.paths,
        expires_at=grant.expires_at,
        share=grant.share,
        below=allowed.below,
        writing=allowed.realms,
    )
