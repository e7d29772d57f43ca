"""
Entity-tags: what each representation is called, and which names a write takes.

``"<generation>-<digest12>"`` is the own view as JSON; what is appended to it names another representation of the
same generation, and a write takes each of those: ``.toml``, ``.redacted-<8 digits>`` where marks stand in the place
of secrets, ``.schema``, ``.policy``.  Every other view has a name that begins differently, and no write takes it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from realmconf.domain.record import Record
from realmconf.domain.secrets import has_mark
from realmconf.errors import InvalidArgument
from realmconf.surfaces.http.replies import TOML

if TYPE_CHECKING:
    from realmconf.runtime.operations.results import View

ANY = "*"
TAGS_MAX = 64
_DIGITS = 8
FORMS = r"(?:(?:\.toml)?(?:\.redacted-[0-9a-f]{8})?|\.schema|\.policy)"
"""What may be appended to the name of the own view; a regular expression."""
_OWN = re.compile(r"((?:0|[1-9][0-9]{0,15})-[0-9a-f]{12})" + FORMS)
_NUMBERED = re.compile(r"(0|[1-9][0-9]{0,15})-[0-9a-f]{12}(?![0-9a-f])")
_TAG = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|\Z)|[ \t]*,')


class Tag(Record):
    """One entity-tag of a request."""

    opaque: str
    weak: bool = False

    @property
    def own(self) -> str | None:
        """The etag of the own view that it stands for in a strong comparison; None: for none."""
        found = None if self.weak else _OWN.fullmatch(self.opaque)
        return None if found is None else found[1]

    @property
    def generation(self) -> int | None:
        """The generation that it names, if it is of the form of ours at all."""
        found = _NUMBERED.match(self.opaque)
        return None if found is None else int(found[1])

    @property
    def reason(self) -> str:
        """Why no write takes it."""
        if self.weak:
            return "a weak entity-tag never matches a write"
        if self.generation is not None or self.opaque.startswith(("at.", "effective.", "path.")):
            return "this entity-tag is of another view; a write takes one of the own view"
        return "this entity-tag is none of this server's"


def read_tags(text: str, *, header: str) -> str | tuple[Tag, ...]:
    """
    What ``If-Match`` or ``If-None-Match`` says: ``*``, or entity-tags.

    Raises:
        InvalidArgument: It is neither.
    """
    if text.strip(" \t") == ANY:
        return ANY
    tags: list[Tag] = []
    place = 0
    while place < len(text):
        found = _TAG.match(text, place)
        if found is None or len(tags) > TAGS_MAX:
            break
        if found[2] is not None:
            tags.append(Tag(opaque=found[2], weak=found[1] is not None))
        place = found.end()
    else:
        if tags:
            return tuple(tags)
    raise InvalidArgument(
        f'{header} is * or up to {TAGS_MAX} entity-tags in quotes, as the ETag header has them ("5-0123456789ab")'
    )


def matches_weakly(said: str | tuple[Tag, ...], opaque: str) -> bool:
    """Whether what ``If-None-Match`` said names the representation *opaque* (RFC 9110, 8.8.3.2)."""
    return said == ANY or any(one.opaque == opaque for one in said if isinstance(one, Tag))


def own(base: str, shown: Any, *, media: str) -> str:
    """What the own view at *base* is called, of which *shown* is what its reader sees."""
    form = ".toml" if media == TOML else ""
    return base + form + redaction(shown)


def redaction(shown: Any) -> str:
    """What is appended where marks stand in *shown*: other marks, another name."""
    if not has_mark(shown):
        return ""
    from realmconf.domain.document import canonical_bytes

    return f".redacted-{_short(canonical_bytes(shown))}"


def of_view(found: View, *, at: int | None, shown: Any, media: str) -> str:
    """What any view is called, of which *shown* is what its reader sees."""
    snapshot = found.snapshot
    if found.view == "own":
        base = str(snapshot.etag)
    else:
        base = f"effective.{_short(snapshot.cursor.encode(), digits=16)}"
    if at is not None:
        base = f"at.{base}"
    if found.path is not None:
        base = f"path.{_short(str(found.path).encode())}.{base}"
    return own(base, shown, media=media)


def quoted(opaque: str) -> bytes:
    """As a header has it."""
    return f'"{opaque}"'.encode()


def _short(raw: bytes, *, digits: int = _DIGITS) -> str:
    return sha256(raw).hexdigest()[:digits]
