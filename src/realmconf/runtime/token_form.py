"""
One token: what is kept and told of it, what may be asked of a new one, and what its writer is called.

Decides form alone; where tokens are kept, and who may make and end them, is decided elsewhere.
"""

from __future__ import annotations

import re
from hashlib import sha256

from realmconf.domain.pointer import Pointer
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument, LimitExceeded
from realmconf.runtime import arguments, token_record
from realmconf.runtime.access import Grant, check_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

PREFIX = "rc_"
SECRET_BYTES = 32
ID_BYTES = 6
PATTERNS_MAX = 64
"""Of realms, of one token: each request is compared with them."""
PATHS_MAX = 64
NAME_CHARS_MAX = 64
RIGHTS_BYTES_MAX = 2_048
"""Of name, realms and paths of one token together, UTF-8."""
AUTHOR_CHARS_MAX = 180
"""Of a name with those of its makers; beside it a history has room for what an agent's client calls itself."""
GIVEN_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._@ -]{0,62}[A-Za-z0-9._@-])?"
"""The names that may be given through a server: nothing in them looks like what realmconf adds to a name."""
EXPIRY_SECONDS_MAX = 10 * 365 * 86_400
FORM = re.compile(r"rc_[A-Za-z0-9_-]{43}")
_GIVEN_NAME = re.compile(GIVEN_NAME)


class Token(Record):
    """What is kept of one token."""

    id: str
    name: str
    roles: tuple[str, ...]
    realms: tuple[str, ...]
    paths: tuple[Pointer, ...] = ()
    created_at: str
    created_by: str
    """The author that its maker's writes have."""
    created_by_id: str | None = None
    """The token that it was made with, which it ends with; None: made by whoever has the store in hand."""
    expires_at: str | None = None
    """RFC 3339, UTC; None: never."""
    held_by: str | None = None
    """The process that prolongs it, and with which it ends; nobody is told of it."""

    @property
    def author(self) -> str:
        """
        What the history calls its writer: the name, and who answers for it unless that is the store's owner.

        A name given through a server has no brackets: what stands in them was added here.
        """
        return self.name if self.created_by_id is None else f"{self.name} ({self.created_by})"

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
            "created_by_id": self.created_by_id,
            "expires_at": self.expires_at,
        }


class NewToken(Record):
    """A token that was just made, and the only time that its text is known."""

    __hidden__ = frozenset({"text"})

    token: Token
    text: str


class EndedToken(Record):
    """A token that was just ended."""

    token: Token
    also: tuple[str, ...] = ()
    """The ids of those that were made with it, or with one that was: they ended with it."""


def read(entry: Mapping[str, Any]) -> tuple[Token, Grant]:
    paths = tuple(Pointer.parse_json_pointer(path) for path in entry["paths"])
    token = Token(
        id=entry["id"],
        name=entry["name"],
        roles=tuple(entry["roles"]),
        realms=tuple(map(check_pattern, entry["realms"])),
        paths=paths,
        created_at=entry["created_at"],
        created_by=entry["created_by"],
        created_by_id=entry.get("created_by_id"),
        expires_at=entry.get("expires_at"),
        held_by=entry.get("held_by"),
    )
    grant = Grant(
        id=token.id,
        name=token.author,
        roles=frozenset(token.roles),
        realms=token.realms,
        paths=paths,
        expires_at=token.expires_at,
        share=token_record.share_of(entry),
    )
    return token, grant


def told(found: Mapping[str, Any]) -> Token:
    """A token as a server tells of it."""
    return Token(
        id=found["id"],
        name=found["name"],
        roles=tuple(found["roles"]),
        realms=tuple(found["realms"]),
        paths=tuple(Pointer.parse_json_pointer(path) for path in found["paths"]),
        created_at=found["created_at"],
        created_by=found["created_by"],
        created_by_id=found.get("created_by_id"),
        expires_at=found["expires_at"],
    )


def checked_name(name: object, maker: Grant) -> str:
    found = arguments.line(name, name="name", characters_max=NAME_CHARS_MAX)
    # Whoever has the store in hand can write any history that they like.
    if maker.id and not _GIVEN_NAME.fullmatch(found):
        raise InvalidArgument(
            "a token's name has letters, digits, '.', '_', '@', '-' and spaces, and begins with one of the first two"
        )
    return found


def refuse_many(patterns: Sequence[str], places: Sequence[Pointer]) -> None:
    for limit, found, maximum in (
        ("token_realms", len(patterns), PATTERNS_MAX),
        ("token_paths", len(places), PATHS_MAX),
    ):
        if found > maximum:
            raise LimitExceeded(limit, found, maximum=maximum)


def refuse_long(token: Token) -> None:
    rights = (token.name, *token.realms, *map(str, token.paths))
    size = sum(len(text.encode()) for text in rights)
    if size > RIGHTS_BYTES_MAX:
        raise LimitExceeded("token_bytes", size, maximum=RIGHTS_BYTES_MAX)
    if token.created_by_id is not None and len(token.author) > AUTHOR_CHARS_MAX:
        raise LimitExceeded("token_author_chars", len(token.author), maximum=AUTHOR_CHARS_MAX)


def digest(text: str) -> str:
    """What is kept of a token, or of a session: it leads nobody back to the text."""
    # Either is 256 random bits: a slow hash would protect nothing that this one does not.
    return sha256(text.encode()).hexdigest()


def letters(raw: bytes) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(raw).rstrip(b"=").decode()
