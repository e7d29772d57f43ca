"""
Tokens: what a caller shows to a server, and what the store remembers of it.

Decides that a token itself is kept nowhere, and when one is good.  They are kept in the store, in a record of its
own, so that whichever process answers knows of them, and of their end.  What one looks like is for
``runtime.token_form``, how many there may be for ``runtime.token_record``.
"""

from __future__ import annotations

from realmconf.domain.names import TOKENS
from realmconf.errors import InvalidArgument, Unsupported
from realmconf.runtime import arguments, token_form, token_record
from realmconf.runtime.access import OWNER, Grant, check_pattern, check_roles
from realmconf.runtime.ledger import MINUTE_SECONDS, Ledger
from realmconf.runtime.token_form import (
    EXPIRY_SECONDS_MAX,
    NAME_CHARS_MAX,
    PATHS_MAX,
    PATTERNS_MAX,
    EndedToken,
    NewToken,
    Token,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.client import Client

__all__ = [
    "EXPIRY_SECONDS_MAX",
    "NAME_CHARS_MAX",
    "PATHS_MAX",
    "PATTERNS_MAX",
    "EndedToken",
    "NewToken",
    "Token",
    "Tokens",
]

ROUTE = "/v1/tokens"
"""Where a server has its own."""
ID_CHARS_MAX = 40
REVISIONS_KEPT = 8
"""Of the record, and up to twice as many: what there is to remember is in its log."""


class Tokens:
    """
    The tokens of one store. Thread-safe.

    Those of a server are the server's: it is asked to make, list and end them, with the rights of whoever asks.
    """

    def __init__(self, client: Client) -> None:
        self._operate = getattr(client.store, "operate", None)
        self._client = client
        self._world = client.world
        self.ledger = Ledger(
            client.store, TOKENS, world=client.world, revisions_kept=REVISIONS_KEPT
        )
        self._known: tuple[Mapping[str, Any], dict[str, tuple[Token, Grant]]] = ({}, {})
        self._by_id: tuple[dict[str, tuple[Token, Grant]], dict[str, tuple[Token, Grant]]] = (
            {},
            {},
        )

    def create(
        self,
        *,
        realms: Iterable[str],
        roles: Iterable[str],
        paths: Iterable[str | Pointer] = (),
        name: str | None = None,
        expires_seconds: float | None = None,
        maker: Grant = OWNER,
        held_by: str | None = None,
        author: str,
        surface: str,
        timeout: float | None = None,
    ) -> NewToken:
        """
        Make a token: its text is in the answer, and nowhere else from then on.

        With a *maker* that is a token itself it ends with that one, also where no time is given; its name has
        letters, digits, ``. _ @ -`` and spaces alone, and it counts to the maker's share.  Whether the maker has the
        rights that it gives was asked before.  *held_by* is the mark of a process that it is to end with.

        Raises:
            InvalidArgument: A role, pattern, path, name or time is none.
            LimitExceeded: There are as many as there may be; or it is for too many realms or paths.
            RateLimited: Too many were made with this maker in the last minute.
            Unauthenticated: The maker has ended.
        """
        patterns = [realms] if isinstance(realms, str) else list(realms)
        if not patterns:
            raise InvalidArgument("a token is for one realm at least: * is all of them")
        places = arguments.pointers(paths, name="paths")
        token_form.refuse_many(patterns, places)
        if self._operate is not None:
            asked = {
                "realms": patterns,
                "roles": list(check_roles(roles)),
                "paths": [str(place) for place in places],
                "name": name,
                "expires": expires_seconds,
            }
            stated = {name: value for name, value in asked.items() if value not in (None, [])}
            made = self._operate("POST", ROUTE, stated)
            return NewToken(token=token_form.told(made), text=made["token"])
        token_id = f"t-{self._world.random_bytes(token_form.ID_BYTES).hex()}"
        token = Token(
            id=token_id,
            name=token_id if name is None else token_form.checked_name(name, maker),
            roles=check_roles(roles),
            realms=tuple(check_pattern(pattern) for pattern in patterns),
            paths=places,
            created_at=self._world.timestamp(),
            created_by=author,
            created_by_id=maker.id or None,
            expires_at=maker.expires_at
            if expires_seconds is None
            else self.expiry(expires_seconds),
            held_by=held_by,
        )
        token_form.refuse_long(token)
        text = token_form.PREFIX + token_form.letters(
            self._world.random_bytes(token_form.SECRET_BYTES)
        )
        entry = {
            **{key: value for key, value in token.to_dict().items() if value is not None},
            "sha256": token_form.digest(text),
        }
        if expires_seconds is None:
            # It ends with its maker, whose time may be another by then.
            entry.pop("expires_at", None)
        if held_by is not None:
            entry["held_by"] = held_by
        if maker.id and not maker.allows("admin", None):
            entry["share"] = maker.share
        self.ledger.update(
            lambda kept: token_record.add(
                kept,
                entry,
                share=maker.share,
                since=self._world.timestamp_before(MINUTE_SECONDS),
            ),
            author=author,
            surface=surface,
            message=f"token {token.id} made",
            deadline=self._client.deadline(timeout),
        )
        return NewToken(token=token, text=text)

    def all(self, *, asker: Grant = OWNER) -> list[Token]:
        """
        Every token that *asker* may end, in the order of making; an expired one until the next one is made.

        Who is no admin of the whole store may end itself, and what was made with it.
        """
        if self._operate is not None:
            return [token_form.told(one) for one in self._operate("GET", ROUTE, {})]
        within = _within(asker)
        kept = self.ledger.read()
        found = (
            token
            for token, _ in self._table().values()
            if not within or (token.id in kept and within in token_record.makers_of(kept, token.id))
        )
        return sorted(found, key=lambda token: (token.created_at, token.id))

    def revoke(
        self,
        token_id: str,
        *,
        asker: Grant = OWNER,
        author: str,
        surface: str,
        timeout: float | None = None,
    ) -> EndedToken:
        """
        End a token, and those that were made with it: no request is answered with one after this returns.

        Raises:
            TokenNotFound: There is none of this id, or none that *asker* may end.
        """
        if not isinstance(token_id, str):
            raise InvalidArgument("a token is named by its id, as `token list` shows it")
        if self._operate is not None:
            from urllib.parse import quote

            told = self._operate("DELETE", f"{ROUTE}/{quote(token_id, safe='')}", {})
            return EndedToken(token=token_form.told(told), also=tuple(told.get("also_revoked", ())))
        ended: list[Mapping[str, Any]] = []

        def end(kept: dict[str, Any]) -> None:
            ended[:] = token_record.end(
                kept,
                token_id,
                within=_within(asker),
                by=author,
                share=asker.share,
                at=self._world.timestamp(),
            )

        self.ledger.update(
            end,
            author=author,
            surface=surface,
            message=f"token {token_id[:ID_CHARS_MAX]} revoked",
            deadline=self._client.deadline(timeout),
        )
        token, _ = token_form.read(ended[0])
        return EndedToken(token=token, also=tuple(one["id"] for one in ended[1:]))

    def log(self) -> Sequence[Mapping[str, Any]]:
        """
        Who made and ended which token, oldest first, as far back as there is room: ``at``, ``what``, ``tokens``,
        ``by``.

        Raises:
            Unsupported: It is a server's: it tells nobody.
        """
        if self._operate is not None:
            raise Unsupported("a server does not tell who made and ended its tokens")
        found: Sequence[Mapping[str, Any]] = self.ledger.read().get(token_record.LOG, ())
        return found

    def grant_of(self, text: str) -> Grant | None:
        """The rights that the token *text* gives now; None if it is none, or not any more."""
        if self._operate is not None:
            raise Unsupported("a server takes its own tokens; they are no other server's to take")
        if not token_form.FORM.fullmatch(text):
            return None
        # Who looks a digest up learns nothing from how long it takes: no digest of a guess is near that of a token.
        found = self._table().get(token_form.digest(text))
        if found is None:
            return None
        token, grant = found
        return None if self._has_expired(token) else grant

    def grant_by_id(self, token_id: str) -> Grant | None:
        """The rights that the token of this id gives now; None if it is none, or not any more."""
        table = self._table()
        if self._by_id[0] is not table:
            self._by_id = (table, {found[0].id: found for found in table.values()})
        found = self._by_id[1].get(token_id)
        return None if found is None or self._has_expired(found[0]) else found[1]

    def is_good(self, token_id: str) -> bool:
        """Whether the token of this id is still there and has not expired."""
        return self.grant_by_id(token_id) is not None

    def _has_expired(self, token: Token) -> bool:
        return token.expires_at is not None and token.expires_at <= self._world.timestamp()

    def expiry(self, seconds: float) -> str:
        """
        When a token ends that is made now for so many seconds.

        Raises:
            InvalidArgument: It is no number of seconds that a token may last.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise InvalidArgument("a token's time is a number of seconds")
        if not 0 < seconds <= EXPIRY_SECONDS_MAX:
            raise InvalidArgument(f"a token lasts up to {EXPIRY_SECONDS_MAX} seconds")
        return self._world.timestamp_before(-seconds)

    def _table(self) -> dict[str, tuple[Token, Grant]]:
        """By digest; made anew when the record is another one."""
        kept = self.ledger.read()
        known, table = self._known
        if known is not kept:
            table = {
                entry["sha256"]: token_form.read(
                    {**entry, "expires_at": token_record.end_of(kept, token_id)}
                )
                for token_id, entry in token_record.entries(kept).items()
            }
            self._known = (kept, table)
        return table


def _within(asker: Grant) -> str:
    """The token within whose line *asker* may see and end tokens; empty: all of them."""
    return asker.id if asker.id and not asker.allows("admin", None) else ""
