"""
TOML in and out: a bounded parse, and a rendering that keeps what a person wrote.

Decides which texts are documents, how date-times stand in a document, and that no
text is ever used that would read as another document than the intended one.  Knows
nothing of files, realms or generations, and nothing of how a text is edited in
place (``tomledit``).

Nothing costly is imported before a text must be read or written.
"""

from __future__ import annotations

from realmconf.domain.document import check_document, same
from realmconf.domain.names import LIMITS
from realmconf.domain.record import Record
from realmconf.errors import InvalidDocument, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits

TEXT_BYTES_PER_DOCUMENT_BYTE = 2
"""A text may be this much longer than the largest document: comments and layout are not counted."""

DIGITS_MAX = 400
"""Digits in one number; the longest finite float written in full has 309 before its point."""

DOTTED_PARTS_MAX = 50_000
"""Dots of all keys, without the first of each; every one costs a parser a look-up per level above it."""


class Parsed(Record):
    """A text that is a document."""

    document: Document
    values: dict[str, Any]
    """The same as ``tomllib`` gives it: date-times are still date-times."""


def parse_toml(text: str | bytes, *, limits: Limits = LIMITS) -> Parsed:
    """
    Read *text* as a document; date-times become RFC 3339 strings.

    Bounded in time and memory: what would make the parser slow or deep is refused
    before it is started.

    Raises:
        InvalidDocument: Not TOML 1.0 in UTF-8 without a byte order mark, or not a document; ``line`` and
            ``column`` say where, as far as that is known.
        LimitExceeded: Longer, deeper or with longer numbers than *limits* allow.
    """
    import tomllib

    text = _decoded(text, limits)
    if text.startswith("\ufeff"):
        raise InvalidDocument(
            "byte order mark at the start of the text: save it as UTF-8 without one",
            line=1,
            column=1,
        )
    _refuse_bombs(text, limits)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _as_invalid(error, text) from None
    except RecursionError:
        # The text is shallow; it is the caller's stack that is nearly full.
        raise InvalidDocument("no stack is left to read it") from None
    except MemoryError:
        raise InvalidDocument("no memory is left to read it") from None
    return Parsed(document=check_document(_without_dates(values), limits=limits), values=values)


def render(
    document: Document,
    *,
    text: str | None = None,
    header: str | None = None,
    limits: Limits = LIMITS,
) -> str:
    """
    Write *document* as TOML, with *header* (a comment line without its line end) as the first line.

    With *text*, what is already there is edited: comments, order, quoting and the
    types of values that stay the same are kept byte for byte.  The result always
    reads as *document*, and within the bounds of ``parse_toml``: a text that would not
    is thrown away for one without *text*'s comments, or without headers.
    """
    from realmconf.domain.tomledit import compact, edited, fresh

    written = None
    if _headers_explode(document, limits):
        written = _verified(compact(document), document)
    elif text is not None:
        # The second attempt parses *text* anew; the first may go on with an earlier edit's tree.
        written = _verified(edited(text, document), document) or _verified(
            edited(text, document), document
        )
    if written is None:
        written = _verified(fresh(document), document)
    if written is None:
        # Nothing a caller could do about it: the library that writes TOML is broken.
        raise AssertionError("the rendering does not read as the document it was made from")
    return written if header is None else f"{header}{newline_of(written)}{written}"


def _headers_explode(document: Document, limits: Limits) -> bool:
    """
    Whether giving every table a header of its own would make a text that is refused.

    A header repeats the whole path: 2,000 small tables below 30 levels of long keys
    turn 58 KB of JSON into 30 MB of TOML.
    """
    bytes_max = limits.document_bytes
    dots_max = DOTTED_PARTS_MAX
    waiting: list[tuple[Any, int, int]] = [(document, 0, 0)]
    while waiting:
        value, path_bytes, depth = waiting.pop()
        below = value.items() if isinstance(value, dict) else (("", item) for item in value)
        for key, item in below:
            if isinstance(item, dict):
                length, parts = path_bytes + len(key) + 3, depth + bool(key)
                bytes_max -= length
                dots_max -= max(0, parts - 2)
                waiting.append((item, length, parts))
            elif isinstance(item, list) and item:
                waiting.append((item, path_bytes + len(key) + 3, depth + 1))
        if bytes_max < 0 or dots_max < 0:
            return True
    return False


def newline_of(text: str) -> str:
    """The line end that *text* uses."""
    return "\r\n" if "\r\n" in text else "\n"


def date_text(value: Any) -> str:
    """RFC 3339 text of a ``datetime``, ``date`` or ``time``; UTC is written ``Z``."""
    text: str = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def date_like(text: str, example: Any) -> Any:
    """*text* as a value of *example*'s date-time type, or None if it is not the text of one."""
    try:
        value = type(example).fromisoformat(text)
    except ValueError:
        return None
    return value if date_text(value) == text else None


def is_date(value: object) -> bool:
    """Whether *value* is one of the four date-time types of TOML."""
    from datetime import date, time

    return isinstance(value, (date, time))


def _verified(text: str | None, document: Document) -> str | None:
    """*text* if it reads as *document*."""
    import tomllib

    if text is None:
        return None
    try:
        right = same(_without_dates(tomllib.loads(text)), document)
    except (ValueError, RecursionError):
        right = False
    return text if right else None


def _without_dates(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_dates(item) for item in value]
    return date_text(value) if is_date(value) else value


def _decoded(text: str | bytes, limits: Limits) -> str:
    size_max = TEXT_BYTES_PER_DOCUMENT_BYTE * limits.document_bytes
    if len(text) > size_max:
        raise LimitExceeded("toml_bytes", len(text), maximum=size_max)
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InvalidDocument("not UTF-8", line=line) from None


def _as_invalid(error: ValueError, text: str) -> InvalidDocument:
    # The parser's texts name keys and single characters, never values.
    import re

    message = str(error)
    place = re.search(r"(?: \(at (?:line (\d+), column (\d+)|end of document)\))?$", message)
    assert place is not None
    reason = message[: place.start()]
    reason = reason[:1].lower() + reason[1:]
    if place.group(1) is None:
        # What names no place is missed at the end.
        return InvalidDocument(reason, line=text.count("\n") + 1)
    return InvalidDocument(reason, line=int(place.group(1)), column=int(place.group(2)))


# --- bombs ---------------------------------------------------------------------


def _refuse_bombs(text: str, limits: Limits) -> None:
    """
    Refuse what would cost the parser more than a small multiple of the text's length.

    A dotted key of 20,000 parts takes ``tomllib`` 7 s, deep brackets end in a
    ``RecursionError``, a number of 5,000 digits in a plain ``ValueError``.
    """
    import re

    digits = re.search(rf"[0-9_]{{{DIGITS_MAX + 1}}}", text)
    dots_line_max = max((line.count(".") for line in text.split("\n")), default=0)
    brackets = text.count("[") + text.count("{")
    # Within these bounds no key is too long and no value too deep, wherever the
    # characters stand; nearly every real text ends here.
    if (
        digits is None
        and dots_line_max < limits.depth
        and text.count(".") <= DOTTED_PARTS_MAX
        and brackets <= limits.depth
    ):
        return
    _scan_tokens(text, limits)


_TOKENS = rf'''
    (?P<skip> """[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""
            | \'\'\'(?:[^']|'(?!\'\'))*\'\'\'
            | "(?!"")(?:\\.|[^"\\\n])*"
            | '(?!\'\')[^'\n]*'
            | \#[^\n]* )
  | (?P<open> ["'] )
  | (?P<digits> [0-9_]{{{DIGITS_MAX + 1}}} )
  | (?P<mark> [][{{}}.=,\n] )
'''


def _scan_tokens(text: str, limits: Limits) -> None:
    import re

    depth = dots = dots_total = 0
    # Two more than a document: an array-of-tables header opens two of its own.
    depth_max = limits.depth + 2
    for token in re.finditer(_TOKENS, text, re.VERBOSE | re.DOTALL):
        if token.lastgroup == "skip":
            continue
        if token.lastgroup == "open":
            # Going on would try every later quote as the start of another string.
            raise InvalidDocument("unterminated string", line=_line_of(text, token.start()))
        if token.lastgroup == "digits":
            raise LimitExceeded("toml_digits", DIGITS_MAX + 1, maximum=DIGITS_MAX)
        mark = token.group()
        if mark == ".":
            dots += 1
            if dots >= limits.depth:
                raise LimitExceeded("depth", dots + 1, maximum=limits.depth)
            if dots > 1:
                # The first one may be that of a number, of which a text may have many.
                dots_total += 1
            if dots_total > DOTTED_PARTS_MAX:
                raise LimitExceeded("toml_dots", dots_total, maximum=DOTTED_PARTS_MAX)
            continue
        dots = 0
        if mark in "[{":
            depth += 1
            if depth > depth_max:
                raise LimitExceeded("depth", depth, maximum=limits.depth)
        elif mark in "]}":
            depth -= 1


def _line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
