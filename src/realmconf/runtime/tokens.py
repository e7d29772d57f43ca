"""
Tokens: what a caller shows to a server, and what the store remembers of it.

Decides the form of a token, what is kept (never the token itself) and when one is good.  They are kept in the
store, in a record of its own, so that whichever process answers knows of them, and of their end.
"""

from __future__ import annotations

import re
from hashlib import sha256

from realmconf.domain.names import TOKENS
from realmconf.domain.pointer import Pointer
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument, LimitExceeded, TokenNotFound, Unsupported
from realmconf.runtime import arguments
from realmconf.runtime.access import Grant, check_pattern, check_roles
from realmconf.runtime.ledger import Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.runtime.client import Client

PREFIX = "rc_"
SECRET_BYTES = 32
ID_BYTES = 6
TOKENS_MAX = 2_048
"""So many of usual size are kept in one record."""
PATTERNS_MAX = 64
"""Of realms, of one token: each request is compared with them."""
PATHS_MAX = 64
NAME_CHARS_MAX = 64
ROUTE = "/v1/tokens"
"""Where a server has its own."""
EXPIRY_SECONDS_MAX = 10 * 365 * 86_400
_FORM = re.compile(r"rc_[A-Za-z0-9_-]{43}")


class Token(Record):
    """What is kept of one token."""

    id: str
    name: str
    roles: tuple[str, ...]
    realms: tuple[str, ...]
    paths: tuple[Pointer, ...] = ()
    created_at: str
    created_by: str
    expires_at: str | None = None
    """RFC 3339, UTC; None: never."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "roles": list(self.roles),
            "realms": list(self.realms),
            "paths": [str(path) for path in self.paths],
            "created_at": self.created_at,
            "created_by": self.created_by,
            "expires_at": self.expires_at,
        }


class NewToken(Record):
    """A token that was just made, and the only time that its text is known."""

    __hidden__ = frozenset({"text"})

    token: Token
    text: str


class Tokens:
    """
    The tokens of one store. Thread-safe.

    Those of a server are the server's: it is asked to make, list and end them, with the rights of whoever asks.
    """

    def __init__(self, client: Client) -> None:
        self._operate = getattr(client.store, "operate", None)
        self._client = client
        self._world = client.world
        self.ledger = Ledger(client.store, TOKENS, world=client.world)
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
        author: str,
        surface: str,
        timeout: float | None = None,
    ) -> NewToken:
        """
        Make a token: its text is in the answer, and nowhere else from then on.

        Raises:
            InvalidArgument: A role, pattern, path, name or time is none.
            LimitExceeded: There are ``TOKENS_MAX`` that have not expired; or it is for too many realms or paths.
        """
        patterns = [realms] if isinstance(realms, str) else list(realms)
        if not patterns:
            raise InvalidArgument("a token is for one realm at least: * is all of them")
        places = arguments.pointers(paths, name="paths")
        for limit, found, maximum in (
            ("token_realms", patterns, PATTERNS_MAX),
            ("token_paths", places, PATHS_MAX),
        ):
            if len(found) > maximum:
                raise LimitExceeded(limit, len(found), maximum=maximum)
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
            return NewToken(token=_told(made), text=made["token"])
        token_id = f"t-{self._world.random_bytes(ID_BYTES).hex()}"
        token = Token(
            id=token_id,
            name=token_id
            if name is None
            else arguments.line(name, name="name", characters_max=NAME_CHARS_MAX),
            roles=check_roles(roles),
            realms=tuple(check_pattern(pattern) for pattern in patterns),
            paths=places,
            created_at=self._world.timestamp(),
            created_by=author,
            expires_at=None if expires_seconds is None else self.expiry(expires_seconds),
        )
        text = PREFIX + _letters(self._world.random_bytes(SECRET_BYTES))

        def add(kept: dict[str, Any]) -> None:
            if len(kept) >= TOKENS_MAX:
                now = self._world.timestamp()
                for name in [name for name, one in kept.items() if _is_over(one, now)]:
                    del kept[name]
            if len(kept) >= TOKENS_MAX:
                raise LimitExceeded("tokens", len(kept) + 1, maximum=TOKENS_MAX)
            kept[token.id] = {
                **{key: value for key, value in token.to_dict().items() if value is not None},
                "sha256": _digest(text),
            }

        self.ledger.update(
            add,
            author=author,
            surface=surface,
            message=f"token {token.id} for {', '.join(token.realms)}",
            deadline=self._client.deadline(timeout),
        )
        return NewToken(token=token, text=text)

    def all(self) -> list[Token]:
        """Every token, the expired ones too, in the order of making."""
        if self._operate is not None:
            return [_told(one) for one in self._operate("GET", ROUTE, {})]
        found = (token for token, _ in self._table().values())
        return sorted(found, key=lambda token: (token.created_at, token.id))

    def revoke(
        self, token_id: str, *, author: str, surface: str, timeout: float | None = None
    ) -> Token:
        """
        End a token: no request is answered with it after this returns.

        Raises:
            TokenNotFound: There is none of this id.
        """
        if not isinstance(token_id, str):
            raise InvalidArgument("a token is named by its id, as `token list` shows it")
        if self._operate is not None:
            from urllib.parse import quote

            return _told(self._operate("DELETE", f"{ROUTE}/{quote(token_id, safe='')}", {}))
        found = next((token for token in self.all() if token.id == token_id), None)
        if found is None:
            raise TokenNotFound(token_id)
        self.ledger.update(
            lambda kept: kept.pop(token_id, None),
            author=author,
            surface=surface,
            message=f"token {token_id} revoked",
            deadline=self._client.deadline(timeout),
        )
        return found

    def grant_of(self, text: str) -> Grant | None:
        """The rights that the token *text* gives now; None if it is none, or not any more."""
        if self._operate is not None:
            raise Unsupported("a server takes its own tokens; they are no other server's to take")
        if not _FORM.fullmatch(text):
            return None
        # Who looks a digest up learns nothing from how long it takes: no digest of a guess is near that of a token.
        found = self._table().get(_digest(text))
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
            table = {entry["sha256"]: _read(entry) for entry in kept.values()}
            self._known = (kept, table)
        return table


def _read(entry: Mapping[str, Any]) -> tuple[Token, Grant]:
    paths = tuple(Pointer.parse_json_pointer(path) for path in entry["paths"])
    token = Token(
        id=entry["id"],
        name=entry["name"],
        roles=tuple(entry["roles"]),
        realms=tuple(entry["realms"]),
        paths=paths,
        created_at=entry["created_at"],
        created_by=entry["created_by"],
        expires_at=entry.get("expires_at"),
    )
    grant = Grant(
        id=token.id,
        name=token.name,
        roles=frozenset(token.roles),
        realms=token.realms,
        paths=paths,
        expires_at=token.expires_at,
    )
    return token, grant


def _told(found: Mapping[str, Any]) -> Token:
    """A token as a server tells of it."""
    return Token(
        id=found["id"],
        name=found["name"],
        roles=tuple(found["roles"]),
        realms=tuple(found["realms"]),
        paths=tuple(Pointer.parse_json_pointer(path) for path in found["paths"]),
        created_at=found["created_at"],
        created_by=found["created_by"],
        expires_at=found["expires_at"],
    )


def _is_over(entry: Mapping[str, Any], now: str) -> bool:
    return bool(entry.get("expires_at", now) < now)


def _digest(text: str) -> str:
    # The token is 256 random bits: a slow hash would protect nothing that this one does not.
    return sha256(text.encode()).hexdigest()


def _letters(raw: bytes) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(raw).rstrip(b"=").decode()
