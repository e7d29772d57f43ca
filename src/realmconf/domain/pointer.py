"""
Where in a document: JSON Pointer (RFC 6901), also written as a dotted path.

Decides how a place is written and read, and which places overlap; knows nothing
of what may stand there.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.names import LIMITS
from realmconf.errors import InvalidPointer, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from realmconf.domain.document import Absent, Value

POINTER_CHARS_MAX = LIMITS.depth * (LIMITS.key_bytes + 2)
"""No longer text can name a place in a document; it is refused before it is read."""

_INDEX_DIGITS_MAX = 10


class Pointer(tuple[str, ...]):
    """
    A place: the keys, and array indices, on the way to it from the root.

    ``Pointer()`` is the whole document.  Pointers sort in document order of
    their parts, an ancestor before what is below it.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Pointer:
        """
        Read *text*: ``""`` and ``"/a/b"`` as RFC 6901, anything else as a dotted path.

        A dotted path is a TOML key: ``agent.model``, ``hosts."a.b".port``.

        Raises:
            InvalidPointer: It is neither.
            LimitExceeded: No document is that deep.
        """
        _check_text(text)
        if text and text[0] != "/":
            return _limited(cls(_dotted_parts(text)))
        return cls.parse_json_pointer(text)

    @classmethod
    def parse_json_pointer(cls, text: str) -> Pointer:
        """
        Read *text* as RFC 6901 only.

        Raises:
            InvalidPointer: It is not a JSON Pointer.
            LimitExceeded: No document is that deep.
        """
        _check_text(text)
        if not text:
            return cls()
        if text[0] != "/":
            raise InvalidPointer("a JSON Pointer is empty or starts with '/'")
        if "~" not in text:
            return _limited(cls(text[1:].split("/")))
        return _limited(cls([_unescaped(part) for part in text[1:].split("/")]))

    def __str__(self) -> str:
        """RFC 6901."""
        return "".join(["/" + part.replace("~", "~0").replace("/", "~1") for part in self])

    def __repr__(self) -> str:
        return f"Pointer({str(self)!r})"

    @property
    def dotted(self) -> str:
        """The same place as a TOML key, quoted where that is needed; the root is empty."""
        return ".".join([part if _is_bare(part) else _quoted(part) for part in self])

    @property
    def parent(self) -> Pointer:
        """The place above; the root is its own."""
        return Pointer(self[:-1])

    def child(self, part: str) -> Pointer:
        """The place *part* below this one."""
        return Pointer((*self, part))

    def within(self, other: Iterable[str]) -> bool:
        """Whether this place is *other* or below it."""
        above = tuple(other)
        return self[: len(above)] == above

    def overlaps(self, other: Pointer) -> bool:
        """Whether one of the two places is the other or below it."""
        common = min(len(self), len(other))
        return self[:common] == other[:common]

    def resolve(self, value: Value) -> Value | Absent:
        """What stands at this place in *value*, or ``ABSENT``; goes through arrays by index."""
        for part in self:
            if isinstance(value, dict):
                value = value.get(part, ABSENT)
            elif isinstance(value, list):
                index = array_index(part)
                value = value[index] if index is not None and index < len(value) else ABSENT
            else:
                return ABSENT
        return value


ROOT = Pointer()
"""The whole document."""


def array_index(part: str) -> int | None:
    """The index that *part* writes (RFC 6901: digits, no leading zero), or None."""
    if not part.isascii() or not part.isdigit() or len(part) > _INDEX_DIGITS_MAX:
        return None
    if part[0] == "0" and part != "0":
        return None
    return int(part)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise InvalidPointer(f"a pointer is text, not {type(text).__name__}")
    if len(text) > POINTER_CHARS_MAX:
        raise InvalidPointer(f"a pointer has at most {POINTER_CHARS_MAX} characters")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidPointer(
                "a pointer is Unicode text; this has half a surrogate pair"
            ) from None


def _limited(pointer: Pointer) -> Pointer:
    if len(pointer) > LIMITS.depth:
        raise LimitExceeded("depth", len(pointer), maximum=LIMITS.depth)
    return pointer


def _unescaped(part: str) -> str:
    if part.count("~") != part.count("~0") + part.count("~1"):
        raise InvalidPointer("in a JSON Pointer '~' is written '~0', and '/' inside a key '~1'")
    # In this order, so that "~01" becomes "~1" and not "/" (RFC 6901, section 4).
    return part.replace("~1", "/").replace("~0", "~")


# --- dotted paths: the keys of TOML ---------------------------------------------


def _is_bare(part: str) -> bool:
    return part.isascii() and part.replace("_", "a").replace("-", "a").isalnum()


def _quoted(part: str) -> str:
    import json

    # JSON's escapes are also TOML's; TOML wants DEL escaped too.
    return json.dumps(part, ensure_ascii=False).replace("\x7f", "\\u007f")


def _dotted_parts(text: str) -> list[str]:
    parts: list[str] = []
    place = 0
    while True:
        place = _skip_blanks(text, place)
        quote = text[place : place + 1]
        if quote and quote in "\"'":
            end = _closing(text, place)
            inner = text[place + 1 : end]
            parts.append(_unquoted(inner) if quote == '"' else inner)
            place = end + 1
        else:
            end = text.find(".", place)
            end = len(text) if end < 0 else end
            bare = text[place:end].rstrip(" \t")
            # Letters of every language are welcome here, though TOML itself would have them quoted.
            if not bare.replace("_", "a").replace("-", "a").isalnum():
                raise InvalidPointer(
                    f"in a dotted path, a key is letters, digits, '_' and '-', or is quoted "
                    f"(position {place + 1}); a JSON Pointer starts with '/'"
                )
            parts.append(bare)
            place = end
        place = _skip_blanks(text, place)
        if place == len(text):
            return parts
        if text[place] != ".":
            raise InvalidPointer(f"in a dotted path, a '.' is missing at position {place + 1}")
        place += 1


def _skip_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t":
        place += 1
    return place


def _closing(text: str, start: int) -> int:
    """Where the quote that opens at *start* closes."""
    quote = text[start]
    place = start + 1
    while place < len(text):
        if text[place] == quote:
            return place
        if text[place] < " " and text[place] != "\t":
            break
        place += 2 if text[place] == "\\" and quote == '"' else 1
    raise InvalidPointer(f"in a dotted path, the quote at position {start + 1} is not closed")


_ESCAPES = {
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
    '"': '"',
    "\\": "\\",
    "e": "\x1b",
}
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


def _unquoted(inner: str) -> str:
    if "\\" not in inner:
        return inner
    pieces: list[str] = []
    place = 0
    while place < len(inner):
        if inner[place] != "\\":
            end = inner.find("\\", place)
            end = len(inner) if end < 0 else end
            pieces.append(inner[place:end])
            place = end
            continue
        letter = inner[place + 1]
        place += 2
        if letter in _ESCAPES:
            pieces.append(_ESCAPES[letter])
        elif letter in _ESCAPE_DIGITS:
            digits = inner[place : place + _ESCAPE_DIGITS[letter]]
            pieces.append(_scalar(digits, _ESCAPE_DIGITS[letter]))
            place += len(digits)
        else:
            raise InvalidPointer("in a dotted path, a quoted key has an unknown escape")
    return "".join(pieces)


def _scalar(digits: str, wanted: int) -> str:
    if len(digits) == wanted and set(digits) <= set("0123456789abcdefABCDEF"):
        number = int(digits, 16)
        if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
            return chr(number)
    raise InvalidPointer("in a dotted path, an escape in a quoted key names no character")
