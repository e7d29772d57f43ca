"""
What a realm may be called, the names that are derived, and every limit with its unit.

Decides form only; whether a realm exists, and whether two names differ by case
alone, is for the store to say.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.errors import InvalidRealm

REALM_NAME_CHARS_MAX = 64


class Limits(Record):
    """
    The bounds of everything a user can send.

    A client or server may be given smaller or larger ones; the names of these
    fields are what ``LimitExceeded.limit`` says.
    """

    document_bytes: int = 1_048_576
    """Canonical JSON, UTF-8."""
    depth: int = 64
    """Objects and arrays inside each other; ``{}`` alone is 1."""
    keys: int = 50_000
    """Members of all objects of a document together."""
    key_bytes: int = 512
    """One key, UTF-8."""
    patch_operations: int = 4_096
    """Of one JSON Patch."""
    message_chars: int = 2_000
    author_chars: int = 256
    write_id_chars: int = 128
    history_page: int = 1_000
    """Revisions in one answer, and the most that a rebase looks through."""
    lineage: int = 16
    """Members of a chain of parents."""
    transaction_realms: int = 64
    generation: int = 2**53 - 1
    """The largest integer that every JSON reader keeps exactly."""


LIMITS = Limits()


class RealmName(str):
    """
    A valid realm name: 1-64 ASCII letters, digits, ``_`` and ``-``, the first one a letter or digit.

    A name that reads as a UUID is refused, because generated identifiers of
    other things must never be taken for realms.

    Raises:
        InvalidRealm: The text is not such a name.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> RealmName:
        if type(text) is cls:
            return text
        if not isinstance(text, str):
            raise InvalidRealm(f"a realm name is text, not {type(text).__name__}")
        reason = _refusal(text)
        if reason:
            shown = text if len(text) <= REALM_NAME_CHARS_MAX else text[:REALM_NAME_CHARS_MAX] + "…"
            raise InvalidRealm(f"invalid realm name {shown!a}: {reason}")
        return str.__new__(cls, text)

    @property
    def folded(self) -> str:
        """What two names have in common that cannot both exist: the name without its case."""
        return self.lower()


def case_twin(name: RealmName) -> InvalidRealm:
    """
    The refusal of a name that differs from another one's by case alone: a file system may take them for one.

    Which one that is it does not tell: not everybody who may make the one may know of the other.
    """
    return InvalidRealm(
        f"realm {name} cannot be made: there is one whose name differs from this by case alone"
    )


class SystemName(RealmName):
    """
    The name of a record that realmconf keeps for itself (tokens, plans): ``_`` and lower-case letters.

    No user's realm can have it, so that nothing that parses a realm's name ever reaches such a record.  It has no
    lineage, no schema and no working copy, and no list of realms names it.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> SystemName:
        assert is_system(text)
        assert text[1:].isalpha()
        return str.__new__(cls, text)


def is_system(name: str) -> bool:
    """Whether *name*, which came from a store, is that of a record of realmconf itself."""
    return name.startswith("_")


def _refusal(text: str) -> str | None:
    if not text:
        return "it is empty"
    if len(text) > REALM_NAME_CHARS_MAX:
        return f"it is longer than {REALM_NAME_CHARS_MAX} characters"
    if not text.isascii() or not text.replace("_", "a").replace("-", "a").isalnum():
        return "only ASCII letters, digits, '_' and '-' are allowed"
    if text[0] in "_-":
        return "it must start with a letter or digit"
    if _reads_as_uuid(text):
        return "it reads as a UUID"
    return None


_UUID_CHARS = 36
_UUID_HYPHENS = (8, 13, 18, 23)


def _reads_as_uuid(text: str) -> bool:
    if len(text) == _UUID_CHARS and all(text[place] == "-" for place in _UUID_HYPHENS):
        text = text.replace("-", "")
    return len(text) == 32 and set(text) <= set("0123456789abcdefABCDEF")


GLOBAL = RealmName("global")
"""The reserved root of every lineage; it has no parent."""


TOKENS = SystemName("_tokens")
"""Who may do what through a server."""
PLANS = SystemName("_plans")
"""What agents have proposed and not carried out yet."""
SESSIONS = SystemName("_sessions")
"""Which browsers read with whose rights."""


_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3


def workspace_realm(canonical_path: str) -> RealmName:
    """
    The realm of a folder: ``ws-`` and FNV-1a-64 of its canonical path, as Meerkat derives it.

    Bytes of the path that are not UTF-8 (surrogate escapes, as ``os.fsdecode``
    gives them) count as U+FFFD, so the name is that of the displayed path.
    """
    try:
        raw = canonical_path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # A path of a UTF-16 system may hold halves of pairs, which are no escapes.
        raw = canonical_path.encode("utf-16-le", "surrogatepass")
        raw = raw.decode("utf-16-le", "replace").encode()
    digest = _FNV_OFFSET
    for byte in raw.decode("utf-8", "replace").encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFF_FFFF_FFFF_FFFF
    return RealmName(f"ws-{digest:016x}")


def generated_realm(uuid7: str) -> RealmName:
    """The name of a realm that nobody named: ``realm-`` and a version 7 UUID, which sorts by time."""
    return RealmName(f"realm-{uuid7}")
