"""
What a document may contain, and its one canonical form.

Decides the rules (no nulls, which types, which limits), what is written, and which
values are the same.  Knows nothing of where a document comes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite

from realmconf.domain.names import LIMITS
from realmconf.domain.plain import copy_plain
from realmconf.errors import InvalidDocument, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final, NoReturn, TypeAlias

    from realmconf.domain.names import Limits

    # A recursive alias would make every reader of a configuration narrow what the
    # check at the edge has proved already.
    Value: TypeAlias = Any
    Document: TypeAlias = dict[str, Any]
else:
    Value = object
    Document = dict

_VEILED = "realmconf.domain.veiled"
"""Where the classes are whose items cannot all be read; loaded by those who have one."""

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1


# --- the absent value ------------------------------------------------------------


class Absent:
    """The type of ``ABSENT``: nothing stands at a place. It is not null, which no document has."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


# --- the rules ---------------------------------------------------------------------


def check_document(value: object, *, limits: Limits = LIMITS) -> Document:
    """
    Copy *value* into a document: a plain ``dict`` of plain types, which shares nothing with it.

    Accepts any mapping, lists and tuples, and subclasses of the scalar types.

    Raises:
        InvalidDocument: Not an object, or something in it cannot be in a document; ``pointer`` says where.
        LimitExceeded: Too large, too deep, too many keys, or a key too long.
    """
    if not isinstance(value, Mapping):
        raise InvalidDocument(f"a document is an object (a table), not {_kind(value)}", pointer="")
    copied = copy_plain(value, limits) if type(value) is dict else None
    if copied is not None and (
        copied.bytes_max <= limits.document_bytes
        # Only a large value has to be written out to know its size.
        or len(canonical_bytes(copied.document)) <= limits.document_bytes
    ):
        return copied.document
    return _Checking(limits, nulls=False).document(value)


def check_value(
    value: object, *, at: Sequence[str] = (), limits: Limits = LIMITS, nulls: bool = False
) -> Value:
    """
    Like ``check_document`` for a value that will stand at *at* in a document.

    With *nulls*, members of objects may be null (a merge patch removes by it); in an
    array null stays forbidden.  The keys in *at* are held to the limits too.
    """
    return _Checking(limits, nulls=nulls, at=at).value(value)


class _Checking:
    """One walk over an untrusted value: copies it, and stops as soon as a limit is passed."""

    __slots__ = ("_chars", "_keys", "_limits", "_nodes", "_nulls", "_path")

    def __init__(self, limits: Limits, *, nulls: bool, at: Sequence[str] = ()) -> None:
        self._limits = limits
        self._nulls = nulls
        self._path = list(at)
        self._keys = 0
        self._nodes = 0
        self._chars = 0

    def document(self, value: Mapping[Any, object]) -> Document:
        members = self._members(value)
        self._check_size(members)
        return members

    def value(self, value: object) -> Value:
        if len(self._path) > self._limits.depth:
            raise LimitExceeded("depth", len(self._path), maximum=self._limits.depth)
        for part in self._path:
            self._key(part)
        checked = self._any(value)
        self._check_size(checked)
        return checked

    def _check_size(self, checked: Value) -> None:
        # Six bytes are the most for one character, 28 those of a number and its key's
        # punctuation; only a large value has to be written out to know its size.
        if 6 * self._chars + 28 * self._nodes > self._limits.document_bytes:
            size_bytes = len(canonical_bytes(checked))
            if size_bytes > self._limits.document_bytes:
                raise LimitExceeded(
                    "document_bytes", size_bytes, maximum=self._limits.document_bytes
                )

    def _members(self, source: Mapping[Any, object]) -> Document:
        self._enter(len(source))
        self._keys += len(source)
        if self._keys > self._limits.keys:
            raise LimitExceeded("keys", self._keys, maximum=self._limits.keys)
        path = self._path
        members: Document = {}
        # Of a document in which something is withheld, that too goes back: unread, as its mark.
        pairs = dict.items(source) if type(source).__module__ == _VEILED else source.items()  # type: ignore[arg-type]
        for key, item in pairs:
            path.append(key)
            # Before the item: an error in it names the key.
            name = self._key(key)
            members[name] = self._any(item)
            path.pop()
        return members

    def _elements(self, source: list[object] | tuple[object, ...]) -> list[Value]:
        self._enter(len(source))
        path = self._path
        elements: list[Value] = []
        # An array is replaced as a whole, so what is in it is stored and no instruction.
        nulls, self._nulls = self._nulls, False
        is_veiled = type(source).__module__ == _VEILED
        for index, item in enumerate(list.__iter__(source) if is_veiled else source):  # type: ignore[arg-type]
            path.append(str(index))
            elements.append(self._any(item))
            path.pop()
        self._nulls = nulls
        return elements

    def _enter(self, size: int) -> None:
        depth = len(self._path) + 1
        if depth > self._limits.depth:
            raise LimitExceeded("depth", depth, maximum=self._limits.depth)
        self._nodes += size
        self._check_floor()

    def _check_floor(self) -> None:
        """
        Stop once the value cannot fit any more.

        Python values may share parts, so a few hundred bytes of memory can spell
        out more text than there are atoms.
        """
        least_bytes = self._chars + 2 * self._nodes
        if least_bytes > self._limits.document_bytes + 2:
            raise LimitExceeded("document_bytes", least_bytes, maximum=self._limits.document_bytes)

    def _key(self, key: object) -> str:
        if type(key) is not str:
            if not isinstance(key, str):
                self._path.pop()
                self._refuse(f"a key is text, not {type(key).__name__}")
            key = str.__str__(key)
        # No character takes more than four bytes.
        if 4 * len(key) > self._limits.key_bytes or not key.isascii():
            try:
                size_bytes = len(key.encode())
            except UnicodeEncodeError:
                self._path.pop()
                self._refuse("a key has half a surrogate pair")
            if size_bytes > self._limits.key_bytes:
                raise LimitExceeded("key_bytes", size_bytes, maximum=self._limits.key_bytes)
        self._chars += len(key)
        return key

    def _any(self, item: object) -> Value:
        kind = type(item)
        if kind is str:
            return self._text(item)  # type: ignore[arg-type]
        if kind is bool:
            return item
        if kind is int:
            return self._whole(item)  # type: ignore[arg-type]
        if kind is float:
            return self._real(item)  # type: ignore[arg-type]
        if kind is dict:
            return self._members(item)  # type: ignore[arg-type]
        if kind is list:
            return self._elements(item)  # type: ignore[arg-type]
        if item is None:
            if self._nulls:
                return None
            self._refuse("documents have no nulls; leave the key out (in a patch, null removes it)")
        return self._unusual(item)

    def _unusual(self, item: object) -> Value:
        """Subclasses of the plain types, as enumerations, frozen mappings and numeric libraries give them."""
        if isinstance(item, str):
            return self._text(str.__str__(item))
        if isinstance(item, int):
            return self._whole(int.__int__(item))
        if isinstance(item, float):
            return self._real(float.__float__(item))
        if isinstance(item, Mapping):
            return self._members(item)
        if isinstance(item, (list, tuple)):
            return self._elements(item)
        return self._refuse(f"a document cannot hold {_kind(item)}")

    def _text(self, text: str) -> str:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                self._refuse("half a surrogate pair is not text")
        self._chars += len(text)
        if len(text) > 1_000:
            self._check_floor()
        return text

    def _whole(self, number: int) -> int:
        if not INTEGER_MIN <= number <= INTEGER_MAX:
            self._refuse("an integer is outside the range of 64 bits")
        return number

    def _real(self, number: float) -> float:
        if not isfinite(number):
            self._refuse("a number must be finite")
        return number

    def _refuse(self, reason: str) -> NoReturn:
        from realmconf.domain.pointer import Pointer

        raise InvalidDocument(reason, pointer=str(Pointer(self._path)))


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return "an array"
    return f"a Python {type(value).__name__}"


# --- JSON out ------------------------------------------------------------------------

_encoder = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
)


def canonical_bytes(value: Value) -> bytes:
    """
    The one spelling of *value*: keys by code point, no spaces, UTF-8, ``1`` and ``1.0`` apart.

    Floats have the fewest digits that give the same number back, and always a
    point or an exponent.  Two values have equal bytes exactly if ``same`` says so.
    """
    return _encoder.encode(value).encode()


_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def load_document(text: str) -> Document:
    """Read a document that this library wrote itself; untrusted text goes through ``parse_json``."""
    document: Document
    try:
        # What the standard library's decoder comes to, without what it does before and behind for spaces.
        document, end = _scan(text, 0)
    except StopIteration:
        end = -1
    if end != len(text):
        # Damaged: this says how.
        document = json.loads(text)
    return document


# --- equality --------------------------------------------------------------------------


def same(one: Value, other: Value) -> bool:
    """
    Equality as documents have it: ``1``, ``1.0``, ``True`` and ``-0.0``, ``0.0`` all differ.

    The order of keys means nothing.  ``ABSENT`` is the same as itself only.
    """
    # Python's own comparison, which calls 1 and True equal, is twenty times faster at telling what differs anyway.
    return one is other or (one == other and _strictly_same(one, other))


def _strictly_same(one: Value, other: Value) -> bool:
    """``same`` for values that Python calls equal."""
    if one is other:
        return True
    if isinstance(one, dict):
        return isinstance(other, dict) and all(
            _strictly_same(item, other[key]) for key, item in one.items()
        )
    if isinstance(one, list):
        return isinstance(other, list) and all(map(_strictly_same, one, other))
    if type(one) is not type(other) or one != other:
        return False
    return type(one) is not float or one != 0 or str(one) == str(other)
