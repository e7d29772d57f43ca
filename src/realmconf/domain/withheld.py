"""
Secrets that whoever reads may not see: what stands in their place, and what happens to who looks.

Decides that a withheld value is never taken for text: reading it raises, sending it back unread sends its mark,
which whoever keeps the secret turns back.  Which values are withheld is for the server that they came from.
"""

from __future__ import annotations

from realmconf.errors import SecretWithheld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from realmconf.domain.document import Value
    from realmconf.domain.pointer import Pointer


class Withheld(str):
    """
    The mark of a secret, in the place of its value: text inside documents, so that they can be composed and compared.

    Nobody outside the library is given one; see ``domain.veiled``.
    """

    __slots__ = ("pointer", "realm")

    pointer: str
    realm: str

    def __new__(cls, mark: str, pointer: str, realm: str) -> Withheld:
        found = str.__new__(cls, mark)
        found.pointer = pointer
        found.realm = realm
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return (Withheld, (str.__str__(self), self.pointer, self.realm))

    def refuse(self) -> NoReturn:
        """
        Raises:
            SecretWithheld: Always.
        """
        raise SecretWithheld(pointer=self.pointer, realm=self.realm)


def withholding(value: Value, *, realm: str) -> Value:
    """
    *value*, a document received from a server, with a ``Withheld`` for each mark in it; changed in place.

    A document never holds a mark of its own: every write refuses those that stand for nothing.
    """
    from realmconf.domain.pointer import ROOT

    return _withholding(value, realm, ROOT)


def _withholding(value: Value, realm: str, at: Pointer) -> Value:
    from realmconf.domain.secrets import has_mark

    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list, str)):
                value[key] = _withholding(item, realm, at.child(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list, str)):
                value[index] = _withholding(item, realm, at.child(str(index)))
    elif not value.isascii() and has_mark(value):
        return Withheld(value, str(at), realm)
    return value


def withheld_in(value: Value) -> Iterator[Withheld]:
    """Everything that is withheld in *value*."""
    if type(value) is Withheld:
        yield value
    elif isinstance(value, dict):
        for item in dict.values(value):
            yield from withheld_in(item)
    elif isinstance(value, list):
        for item in list.__iter__(value):
            yield from withheld_in(item)


def with_marks(value: Value) -> Value:
    """A copy of *value* with the mark of whatever is withheld as plain text: for what knows no other text."""
    if isinstance(value, dict):
        return {key: with_marks(item) for key, item in dict.items(value)}
    if isinstance(value, list):
        return [with_marks(item) for item in list.__iter__(value)]
    return str.__str__(value) if type(value) is Withheld else value


def refuse_withheld(value: Value) -> None:
    """
    Go on only if nothing in *value* is withheld.

    Raises:
        SecretWithheld: Naming the first that is.
    """
    for found in withheld_in(value):
        found.refuse()
