"""
Who waits without a stream: for one step, with the rights that a stream needs and in its place among them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from realmconf.domain.names import TOKENS

if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client


class Waiter:
    """One who waits for a step of *realm*; ``ended`` is set when that is over for them."""

    __slots__ = ("ended", "realm", "shows_secrets", "token_id")

    def __init__(self, realm: RealmName, *, shows_secrets: bool, token_id: str) -> None:
        self.realm = realm
        self.shows_secrets = shows_secrets
        self.token_id = token_id
        self.ended = asyncio.Event()

    def end(self) -> None:
        """Let them wait no longer."""
        self.ended.set()


class Bell:
    """What is looked at whenever something is committed anywhere: the record of tokens."""

    def __init__(self, client: Client) -> None:
        self._store = client.store

    @property
    def key(self) -> tuple[str, RealmName]:
        """One for all."""
        return ("streams", TOKENS)

    def look(self) -> Any:
        """The record as it is."""
        return self._store.head(TOKENS, adopt=False)


def may_see(grant: Grant, realm: RealmName, *, shows_secrets: bool) -> bool:
    """Whether *grant* still lets its caller see what was begun to be told."""
    return grant.may_read(realm) and grant.sees_secrets == shows_secrets
