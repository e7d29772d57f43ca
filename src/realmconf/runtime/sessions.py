"""
Sessions of browsers: what one shows instead of the token that began it.

Decides that such a credential is another secret than the token, ends with it, and is taken for reading alone: whoever
sees a browser's cookies, as any other server at the same address does, cannot write with them.  Who asks with one is
for the surface.
"""

from __future__ import annotations

import re

from realmconf.domain.names import SESSIONS
from realmconf.errors import LimitExceeded
from realmconf.runtime.ledger import Ledger
from realmconf.runtime.token_form import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client
    from realmconf.runtime.tokens import Tokens

SESSION_SECONDS = 86_400.0
"""How long one lasts, if its token does not end before."""
SESSIONS_MAX = 2_048
SESSIONS_OF_ONE_MAX = 16
"""Of one token; another one ends the oldest."""
REVISIONS_KEPT = 8
SECRET_BYTES = 32
PREFIX = "rs_"
_FORM = re.compile(PREFIX + "[0-9a-f]{64}")


class Sessions:
    """The sessions of one store. Thread-safe."""

    def __init__(self, client: Client, tokens: Tokens) -> None:
        self._client = client
        self._world = client.world
        self._tokens = tokens
        self._ledger = Ledger(
            client.store, SESSIONS, world=client.world, revisions_kept=REVISIONS_KEPT
        )

    def begin(self, grant: Grant, *, surface: str) -> str:
        """
        A credential for who has *grant*, which is told once.

        Raises:
            LimitExceeded: There are too many.
            LockTimeout, StoreError, OutcomeUnknown: It could not be kept, or that cannot be told.
        """
        text = PREFIX + self._world.random_bytes(SECRET_BYTES).hex()
        ends_at = self._world.timestamp_before(-SESSION_SECONDS)

        def add(kept: dict[str, Any]) -> None:
            self._drop_ended(kept)
            own = [name for name, one in kept.items() if one["token"] == grant.id]
            own.sort(key=lambda name: str(kept[name]["ends_at"]))
            for name in own[: max(0, len(own) + 1 - SESSIONS_OF_ONE_MAX)]:
                del kept[name]
            if len(kept) >= SESSIONS_MAX:
                raise LimitExceeded("sessions", len(kept) + 1, maximum=SESSIONS_MAX)
            kept[digest(text)] = {"token": grant.id, "ends_at": ends_at}

        self._ledger.update(
            add,
            author=grant.name,
            surface=surface,
            message="a session begins",
            deadline=self._client.deadline(None),
        )
        return text

    def end(self, text: str, *, surface: str) -> None:
        """End one: nothing is answered with it after this returns. What is none is none."""
        known = digest(text)
        if known not in self._ledger.read():
            return
        self._ledger.update(
            lambda kept: kept.pop(known, None),
            author="session",
            surface=surface,
            message="a session ends",
            deadline=self._client.deadline(None),
        )

    def grant_of(self, text: str) -> Grant | None:
        """The rights of the token that began the session *text*; None if it is none, or one of both has ended."""
        if not _FORM.fullmatch(text):
            return None
        kept: Mapping[str, Any] | None = self._ledger.read().get(digest(text))
        if kept is None or kept["ends_at"] <= self._world.timestamp():
            return None
        return self._tokens.grant_by_id(kept["token"])

    def _drop_ended(self, kept: dict[str, Any]) -> None:
        now = self._world.timestamp()
        for name, one in list(kept.items()):
            if one["ends_at"] <= now or not self._tokens.is_good(one["token"]):
                del kept[name]
