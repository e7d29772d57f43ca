"""
What is secret in a document, how it is shown without its secrets, and what comes back in their place.

Decides by the names on the way to a place, and by what schemas say of it.  Knows nothing of
who asks, and of resolving references.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, canonical_bytes
from realmconf.domain.pointer import ROOT
from realmconf.domain.record import Record
from realmconf.domain.withheld import Withheld
from realmconf.errors import SecretMarkMisplaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.schemas.shape import Shape

MARK = "«secret»"
"""What is shown in place of a secret where there is no key to make a mark of its own: in reprs."""

_KEYED_MARK = "«secret:"
_MAC_DIGITS = 16

REFERENCE_PREFIX = "secret://"
"""A value that starts like this names a secret and is none."""

_LAST_WORDS = frozenset(("apikey", "token", "secret", "password", "credential", "credentials"))
_LAST_TWO_WORDS = (["api", "key"], ["api", "keys"], ["private", "key"])
_REALM_SECTION = "realm"
_SHOWN_OF_REALM = frozenset(("parent", "unset"))


def looks_secret(pointer: Pointer) -> bool:
    """
    Whether a literal at *pointer* is taken for a secret.

    So it is when a key on the way has the name of one: as a whole or in its last word,
    ``api_key``, ``token``, ``secret``, ``password``, ``credential``, whatever the case
    and however the words are joined; not ``max_tokens``.  So is everything below
    ``api_keys``, and below ``/realm`` except a realm's own ``parent`` and ``unset``.
    """
    if pointer and pointer[0] == _REALM_SECTION:
        return len(pointer) < 3 or pointer[2] not in _SHOWN_OF_REALM
    return any(map(_names_secret, pointer))


def _names_secret(key: str) -> bool:
    words = _words(key)
    return words[-1] in _LAST_WORDS or words[-2:] in _LAST_TWO_WORDS


def _words(key: str) -> list[str]:
    """The words of ``api_key``, ``api-key`` and ``apiKey``, in lower case."""
    if not key.islower():
        key = "".join(
            "_" + letter if letter.isupper() and before.islower() else letter
            for before, letter in zip(" " + key, key, strict=False)
        )
    return key.lower().replace("-", "_").split("_")


# --- what is shown ---------------------------------------------------------------------


class Secrecy(Record):
    """
    What is secret in one realm, and the marks that stand in its place.

    A place is secret by the names on the way to it (``looks_secret``), or because *shape*, the union of
    every schema that ever governed the realm, calls it or a place above it secret.  Under *key* a mark is
    good for one value at one place of one realm; without, every mark is ``MARK``, which nobody takes back.
    """

    __hidden__ = frozenset({"key"})

    realm: str
    shape: Shape | None = None
    """None: no schema."""
    key: Callable[[], bytes] | None = None

    def is_secret(self, pointer: Pointer) -> bool:
        """Whether a literal at *pointer* is secret."""
        return self._place(pointer).is_secret

    def mark(self, pointer: Pointer, value: Value) -> str:
        """What stands for *value* at *pointer*: ``«secret:<16 hex digits>»``, a MAC over realm, pointer and value."""
        if self.key is None:
            return MARK
        from hmac import digest

        stated = canonical_bytes([self.realm, str(pointer), value])
        return f"{_KEYED_MARK}{digest(self.key(), stated, 'sha256').hex()[:_MAC_DIGITS]}»"

    def redact(self, value: Value | Absent, *, at: Pointer = ROOT) -> Value | Absent:
        """
        A copy of *value*, which stands at *at*, with a mark for every string and number that is secret.

        Booleans stay, and references (``secret://…``): they tell where a secret is, not what.
        """
        return self._shown(value, self._place(at))

    def conceals(self, value: Value | Absent, at: Pointer = ROOT) -> bool:
        """Whether ``redact`` would leave anything of *value*, which stands at *at*, out."""
        return _conceals(value, self._place(at))

    def stated(self, value: Value | Absent, at: Pointer = ROOT) -> Iterator[Pointer]:
        """
        Where *value*, which stands at *at*, has secrets of its own: no marks, which keep what is stored.

        What is in an array is told by the place of the outermost one.
        """
        return _stated(value, self._place(at))

    def literals(self, value: Value | Absent, at: Pointer = ROOT) -> Iterator[Pointer]:
        """The place of each secret in *value*, which stands at *at*, that ``stated`` would count."""
        for place, _ in _literals(value, self._place(at)):
            yield place

    def _place(self, pointer: Pointer) -> _Place:
        shape = self.shape
        place = _Place(ROOT, shape, by_name=False, by_schema=shape is not None and shape.secret)
        for part in pointer:
            place = place.step(part)
        return place

    def _shown(self, value: Value | Absent, place: _Place) -> Value | Absent:
        if isinstance(value, dict):
            return {key: self._shown(item, place.step(key)) for key, item in dict.items(value)}
        if isinstance(value, list):
            return [
                self._shown(item, place.step(str(index)))
                for index, item in enumerate(list.__iter__(value))
            ]
        if type(value) is Withheld:
            # Whoever withholds it has made the mark that is good there.
            return str.__str__(value)
        if place.is_secret and _is_literal(value):
            return self.mark(place.pointer, value)
        return value


class _Place:
    """A place on a walk down a document, and why what stands there is secret: judged once for each step."""

    __slots__ = ("_by_name", "_by_schema", "_shape", "is_secret", "pointer")

    def __init__(
        self, pointer: Pointer, shape: Shape | None, *, by_name: bool, by_schema: bool
    ) -> None:
        self.pointer = pointer
        self.is_secret = by_name or by_schema
        self._by_name = by_name
        self._by_schema = by_schema
        # Where schemas have nothing to add, nobody asks them.
        self._shape = None if by_schema or shape is None or not shape.has_secrets else shape

    def step(self, part: str) -> _Place:
        pointer = self.pointer.child(part)
        if pointer[0] == _REALM_SECTION:
            # The only section in which what is below a secret place may be none.
            by_name = looks_secret(pointer)
        else:
            by_name = self._by_name or _names_secret(part)
        shape = None if self._shape is None else self._shape.anywhere(part)
        by_schema = self._by_schema or (shape is not None and shape.secret)
        return _Place(pointer, shape, by_name=by_name, by_schema=by_schema)


def _conceals(value: Value | Absent, place: _Place) -> bool:
    if isinstance(value, dict):
        return any(_conceals(item, place.step(key)) for key, item in dict.items(value))
    if isinstance(value, list):
        return any(
            _conceals(item, place.step(str(index)))
            for index, item in enumerate(list.__iter__(value))
        )
    return place.is_secret and _is_literal(value)


def _stated(value: Value | Absent, place: _Place) -> Iterator[Pointer]:
    if isinstance(value, dict):
        for key, item in dict.items(value):
            yield from _stated(item, place.step(key))
    elif any(True for _ in _literals(value, place)):
        yield place.pointer


def _literals(value: Value | Absent, place: _Place) -> Iterator[tuple[Pointer, Value]]:
    if isinstance(value, dict):
        for key, item in dict.items(value):
            yield from _literals(item, place.step(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _literals(item, place.step(str(index)))
    elif place.is_secret and _is_literal(value) and not has_mark(value):
        yield place.pointer, value


def _is_literal(value: Value | Absent) -> bool:
    if isinstance(value, str):
        return not value.startswith(REFERENCE_PREFIX)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_BY_NAME = Secrecy(realm="")


def redact(value: Value | Absent, *, at: Pointer = ROOT) -> Value | Absent:
    """
    A copy of *value*, which stands at *at*, with ``MARK`` for every string and number that looks secret by name.

    For what has no realm, as a ``repr``.
    """
    return _BY_NAME.redact(value, at=at)


# --- what comes back -------------------------------------------------------------------


def has_mark(value: object) -> bool:
    """Whether a mark stands anywhere in *value*, also in a key or inside a longer text."""
    if isinstance(value, dict):
        return any(_is_marked(key) or has_mark(item) for key, item in dict.items(value))
    if isinstance(value, list):
        return any(map(has_mark, list.__iter__(value)))
    if isinstance(value, tuple):
        return any(map(has_mark, value))
    return isinstance(value, str) and _is_marked(value)


def _is_marked(text: str) -> bool:
    return not text.isascii() and (MARK in text or _KEYED_MARK in text)


def unmarked(
    document: Document, stored: Document, secrecy: Secrecy, *, at: Pointer = ROOT
) -> Document:
    """
    *document* with what *stored* has there in the place of each mark; both stand at the pointer *at*.

    Parts without a mark are shared with *document*.

    Raises:
        SecretMarkMisplaced: A mark is not the one for what is stored at its place (it is of another place,
            of a value that has changed since, or nobody's), or stands in a key or inside a longer text.
    """
    restored: Document = _unmarked(document, stored, secrecy, at)
    return restored


def _unmarked(value: Value, stored: Value | Absent, secrecy: Secrecy, at: Pointer) -> Value:
    if isinstance(value, dict):
        members = {}
        for key, item in value.items():
            if _is_marked(key):
                raise SecretMarkMisplaced(pointer=str(at))
            own = stored.get(key, ABSENT) if isinstance(stored, dict) else ABSENT
            restored = _unmarked(item, own, secrecy, at.child(key))
            if restored is not item:
                members[key] = restored
        return {**value, **members} if members else value
    if isinstance(value, (list, tuple)):
        elements = [
            _unmarked(item, _element(stored, index), secrecy, at.child(str(index)))
            for index, item in enumerate(value)
        ]
        is_changed = any(
            restored is not item for restored, item in zip(elements, value, strict=True)
        )
        return elements if is_changed else value
    if not isinstance(value, str) or not _is_marked(value):
        return value
    if type(stored) is Withheld:
        # Its mark is that of whoever withholds it, and is all that is known of it here.
        if str.__str__(stored) == value:
            return stored
    elif secrecy.key is not None and _is_literal(stored):
        from hmac import compare_digest

        if compare_digest(secrecy.mark(at, stored).encode(), value.encode()):
            return stored
    raise SecretMarkMisplaced(pointer=str(at))


def _element(value: Value | Absent, index: int) -> Value | Absent:
    return value[index] if isinstance(value, list) and index < len(value) else ABSENT
