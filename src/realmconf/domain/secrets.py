"""
What looks like a secret, and how a document is shown without its secrets.

Decides by the name of a place alone; a schema may know of more.  Knows nothing of
who asks, and of resolving references.
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.document import Absent, Value
    from realmconf.domain.pointer import Pointer

MARK = "«secret»"
"""What is shown in place of a secret."""

REFERENCE_PREFIX = "secret://"
"""A value that starts like this names a secret and is none."""

_LAST_WORDS = frozenset(("apikey", "token", "secret", "password", "credential", "credentials"))
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
    return words[-1] in _LAST_WORDS or words[-2:] in (["api", "key"], ["api", "keys"])


def _words(key: str) -> list[str]:
    """The words of ``api_key``, ``api-key`` and ``apiKey``, in lower case."""
    if not key.islower():
        key = "".join(
            "_" + letter if letter.isupper() and before.islower() else letter
            for before, letter in zip(" " + key, key, strict=False)
        )
    return key.lower().replace("-", "_").split("_")


def redact(value: Value | Absent, *, at: Pointer = ROOT) -> Value | Absent:
    """
    A copy of *value*, which stands at *at*, with ``MARK`` for every string and number that looks secret.

    References (``secret://…``) stay: they tell where a secret is, not what.
    """
    if isinstance(value, dict):
        return {key: redact(item, at=at.child(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, at=at.child(str(index))) for index, item in enumerate(value)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return MARK if looks_secret(at) else value
    if isinstance(value, str) and not value.startswith(REFERENCE_PREFIX):
        return MARK if looks_secret(at) else value
    return value
