"""
Where references to secrets lead, and the value that hides what it holds.

Decides what a reference may name and what this process may read for it: variables of the environment,
files below one folder, entries of the keyring.  Resolves on use and keeps nothing, so a secret that was
changed at its source is seen.  Knows nothing of documents and of who asks.

    secret://env/NAME
    secret://file/relative/path
    secret://keyring/service/name
"""

from __future__ import annotations

import os
from contextvars import ContextVar

from realmconf.domain.secrets import MARK, REFERENCE_PREFIX
from realmconf.errors import InvalidArgument, SecretUnresolved
from realmconf.runtime.locate import current_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Token
    from typing import Any, NoReturn

FOLDER_VARIABLE = "REALMCONF_SECRETS_FOLDER"
REFERENCE_CHARS_MAX = 1_024
FILE_BYTES_MAX = 65_536

_FORBIDDEN = frozenset("%?#\\")
"""A reference is no URL: nothing in it is decoded, and it has no query."""
_SHOWN_CHARS_MAX = 80


# --- where references lead ---------------------------------------------------------------


class SecretSources:
    """
    What this process may read for a reference.

    *folder* holds the files; without it there are none.  *environment* and *keyring_services* are patterns
    (``APP_*``) of the names that may be read; None allows every one, and nothing in them allows none.
    *variables* stands in for the process's own environment.

    Symbolic links below *folder* are not followed, *folder* itself may be one: of a Kubernetes volume, name
    its ``..data``.
    """

    __slots__ = ("_environment", "_folder", "_keyring_services", "_variables")

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        environment: Iterable[str] | None = None,
        keyring_services: Iterable[str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = None if folder is None else _absolute(os.fsdecode(folder))
        self._environment = _patterns(environment, name="environment")
        self._keyring_services = _patterns(keyring_services, name="keyring_services")
        self._variables = variables

    def __repr__(self) -> str:
        return (
            f"SecretSources({self._folder!r}, environment={self._environment!r}, "
            f"keyring_services={self._keyring_services!r})"
        )

    def resolve(self, reference: str) -> str:
        """
        What *reference* leads to now.

        Raises:
            SecretUnresolved: It leads nowhere, may not be read here, or is malformed.
        """
        asked = _Asked.parse(reference)
        if asked.kind == "env":
            return self._variable(asked)
        if asked.kind == "file":
            return self._file(asked)
        return self._keyring_entry(asked)

    def bound(self) -> Bound:
        """A context in which secrets that are made remember these sources."""
        return Bound(self)

    def _variable(self, asked: _Asked) -> str:
        (name,) = asked.parts
        if not _is_allowed(name, self._environment):
            asked.refuse("this program lets no variable of that name be read")
        # In no name of ours: tracebacks that tell the locals would tell the whole environment.
        value = (os.environ if self._variables is None else self._variables).get(name)
        if value is None:
            asked.refuse(f"the environment variable {name} is not set in this process")
        if not _is_text(value):
            del value
            asked.refuse(f"the environment variable {name} is not UTF-8 text")
        return value

    def _file(self, asked: _Asked) -> str:
        if self._folder is None:
            asked.refuse(
                f"no folder of secrets is configured: set {FOLDER_VARIABLE}, "
                "or open the client with SecretSources(folder)"
            )
        try:
            content = _content_below(self._folder, asked)
        except OSError as failed:
            reason = failed.strerror or type(failed).__name__
            raise asked.error(f"the file cannot be read: {reason}") from failed
        if len(content) > FILE_BYTES_MAX:
            del content
            asked.refuse(f"the file has more than {FILE_BYTES_MAX} bytes")
        text = _decoded(content)
        del content
        if text is None:
            asked.refuse("the file is not UTF-8 text")
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text

    def _keyring_entry(self, asked: _Asked) -> str:
        service, name = asked.parts
        if not _is_allowed(service, self._keyring_services):
            asked.refuse("this program lets no service of that name be read")
        try:
            from keyring import get_password
        except ImportError as missing:
            raise asked.error(
                "the keyring needs an optional package: pip install 'realmconf[secrets]'"
            ) from missing
        failure = ""
        found = None
        try:
            found = get_password(service, name)
        except Exception as failed:  # noqa: BLE001 - what a backend raises is its own affair
            # Only its name, and without the error itself: its text may quote what was found.
            failure = type(failed).__name__
        if failure:
            asked.refuse(f"the keyring fails: {failure}")
        if found is None:
            asked.refuse(f"the keyring has no such entry: keyring set {service!r} {name!r}")
        return found


def _absolute(folder: str) -> str:
    if not folder or "\0" in folder:
        raise InvalidArgument("the folder of secrets has no name that a folder can have")
    return os.path.normpath(os.path.join(current_folder(), folder))


def _patterns(given: Iterable[str] | None, *, name: str) -> tuple[str, ...] | None:
    if isinstance(given, str):
        raise InvalidArgument(f"{name} is several patterns, not one text")
    return None if given is None else tuple(given)


def _is_allowed(name: str, patterns: tuple[str, ...] | None) -> bool:
    if patterns is None:
        return True
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name, pattern) for pattern in patterns)


# --- what a reference says ---------------------------------------------------------------


class _Asked:
    """A well-formed reference, taken apart."""

    __slots__ = ("kind", "parts", "reference")

    def __init__(self, reference: str, kind: str, parts: tuple[str, ...]) -> None:
        self.reference = reference
        self.kind = kind
        self.parts = parts

    @classmethod
    def parse(cls, reference: str) -> _Asked:
        if not isinstance(reference, str):
            raise InvalidArgument(f"a reference is text, not {type(reference).__name__}")
        if not reference.startswith(REFERENCE_PREFIX):
            # It may be a secret itself, so it is not named.
            raise SecretUnresolved(
                f"{REFERENCE_PREFIX}…",
                kind="",
                reason=f"a reference starts with {REFERENCE_PREFIX}",
            )
        kind, *parts = reference.removeprefix(REFERENCE_PREFIX).split("/")
        asked = cls(_printable(reference), kind if kind in _FAULTS else "", tuple(parts))
        if len(reference) > REFERENCE_CHARS_MAX:
            asked.refuse(f"a reference has at most {REFERENCE_CHARS_MAX} characters")
        if not reference.isprintable() or not _FORBIDDEN.isdisjoint(reference):
            asked.refuse("a reference has no query, no escapes and no invisible characters")
        if not asked.kind:
            asked.refuse("a reference is secret://env/…, secret://file/… or secret://keyring/…")
        fault = _FAULTS[kind](asked.parts)
        if fault:
            asked.refuse(fault)
        return asked

    def error(self, reason: str) -> SecretUnresolved:
        return SecretUnresolved(self.reference, kind=self.kind, reason=reason)

    def refuse(self, reason: str) -> NoReturn:
        raise self.error(reason)


def _printable(reference: str) -> str:
    if reference.isprintable() and len(reference) <= REFERENCE_CHARS_MAX:
        return reference
    shown = reference[:_SHOWN_CHARS_MAX].encode("unicode_escape").decode("ascii")
    return f"{shown}…" if len(reference) > _SHOWN_CHARS_MAX else shown


def _fault_of_variable(parts: tuple[str, ...]) -> str:
    if len(parts) == 1 and parts[0].isascii() and parts[0].isidentifier():
        return ""
    return "it is secret://env/NAME, with a name of letters, digits and '_'"


def _fault_of_file(parts: tuple[str, ...]) -> str:
    if parts and not any(part in ("", ".", "..") for part in parts):
        return ""
    return "it is secret://file/relative/path, with no empty part, '.' or '..' in it"


def _fault_of_entry(parts: tuple[str, ...]) -> str:
    return "" if len(parts) == 2 and all(parts) else "it is secret://keyring/service/name"


_FAULTS: dict[str, Callable[[tuple[str, ...]], str]] = {
    "env": _fault_of_variable,
    "file": _fault_of_file,
    "keyring": _fault_of_entry,
}


# --- files -------------------------------------------------------------------------------


def _content_below(folder: str, asked: _Asked) -> bytes:
    """
    Up to one byte more than a secret may have, of the file that *asked* names below *folder*.

    Each part is opened in the one before it, so whatever is exchanged for a link on the way is found out.
    """
    from errno import ELOOP, ENOENT, ENOTDIR

    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as failed:
        reason = failed.strerror or type(failed).__name__
        raise asked.error(f"the folder of secrets, {folder}, cannot be read: {reason}") from failed
    last = len(asked.parts) - 1
    try:
        for number, part in enumerate(asked.parts):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            # Without waiting: a pipe would keep us until somebody writes into it.
            flags |= os.O_NONBLOCK | os.O_NOCTTY if number == last else os.O_DIRECTORY
            below = os.open(part, flags, dir_fd=place)
            place, above = below, place
            os.close(above)
        return _content(place, asked)
    except OSError as failed:
        if failed.errno == ENOENT:
            raise asked.error("there is no such file below the folder of secrets") from failed
        if failed.errno in (ELOOP, ENOTDIR):
            raise asked.error(
                "on the way is a symbolic link, which is not followed, or something that is no folder"
            ) from failed
        raise
    finally:
        os.close(place)


def _content(file: int, asked: _Asked) -> bytes:
    from stat import S_ISREG

    if not S_ISREG(os.fstat(file).st_mode):
        asked.refuse("it is not a regular file")
    content = b""
    while len(content) <= FILE_BYTES_MAX:
        piece = os.read(file, FILE_BYTES_MAX + 1 - len(content))
        if not piece:
            break
        content += piece
    return content


def _decoded(content: bytes) -> str | None:
    # No error of the decoder goes on: it holds what could not be decoded.
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- whose sources -----------------------------------------------------------------------

_bound: ContextVar[SecretSources | None] = ContextVar("realmconf_secret_sources", default=None)
_default: SecretSources | None = None


class Bound:
    """``with sources.bound():`` secrets that are made in here, and in this task or thread, remember *sources*."""

    __slots__ = ("_sources", "_token")

    def __init__(self, sources: SecretSources) -> None:
        self._sources = sources
        self._token: Token[SecretSources | None] | None = None

    def __enter__(self) -> SecretSources:
        self._token = _bound.set(self._sources)
        return self._sources

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _bound.reset(self._token)
            self._token = None


def default_sources() -> SecretSources:
    """
    The sources of a process that states none: any variable, any entry of the keyring, and the files below
    the folder that ``REALMCONF_SECRETS_FOLDER`` names, which is read once.
    """
    global _default
    if _default is None:
        _default = SecretSources(os.environ.get(FOLDER_VARIABLE) or None)
    return _default


# --- the value that hides ----------------------------------------------------------------


class Secret:
    """
    A secret, or a reference to one, that no ``repr``, format, log or JSON shows.

    Two are equal if they were made from the same text.  Where references lead is decided by the sources
    that were bound when it was made, else by those of the process; a pickle takes only the text along.
    """

    __slots__ = ("_sources", "_text")

    _text: str
    _sources: SecretSources | None

    def __init__(self, text: str | Secret, *, sources: SecretSources | None = None) -> None:
        if isinstance(text, Secret):
            sources = sources or text._sources
            text = text._text
        if not isinstance(text, str):
            raise InvalidArgument(f"a secret is text, not {type(text).__name__}")
        object.__setattr__(self, "_text", str.__str__(text))
        object.__setattr__(self, "_sources", sources or _bound.get())

    @property
    def reference(self) -> str | None:
        """The reference that it is; None for a literal."""
        return self._text if self._text.startswith(REFERENCE_PREFIX) else None

    def reveal(self) -> str:
        """
        The secret itself; a reference is resolved anew each time.

        Raises:
            SecretUnresolved: The reference leads nowhere.
        """
        if self.reference is None:
            return self._text
        return (self._sources or default_sources()).resolve(self._text)

    def __repr__(self) -> str:
        reference = self.reference
        return f"Secret({'…' if reference is None else _printable(reference)})"

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(
            self._text.encode("utf-8", "surrogatepass"),
            other._text.encode("utf-8", "surrogatepass"),
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Secret is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Secret is immutable")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (Secret, (self._text,))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _in_json, when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> dict[str, Any]:
        return dict(JSON_SCHEMA)


JSON_SCHEMA = {"type": "string", "format": "password", "writeOnly": True}
"""What a schema says of a ``Secret``."""


def stated(secret: Secret) -> str:
    """What a document has for *secret*: the literal, or the reference and never what it leads to."""
    return secret._text


def _in_json(secret: object) -> str:
    # The mark and no text of ours: sent back as a value, every write refuses it.
    if isinstance(secret, str):
        # Assigned to the field of a model, which made no secret of it.
        return MARK
    if not isinstance(secret, Secret):
        from pydantic_core import PydanticSerializationUnexpectedValue

        # Another member of a union is meant.
        raise PydanticSerializationUnexpectedValue("a Secret is wanted")
    return secret.reference or MARK


def reveal(value: object, sources: SecretSources | None = None) -> str:
    """
    The secret itself: of a ``Secret``, of pydantic's ``SecretStr`` or ``SecretBytes``, or of text.

    A reference is resolved by *sources*, else by those that a ``Secret`` remembers, else by those of the
    process; whatever else stands there is the secret.

    Raises:
        SecretUnresolved: The reference leads nowhere.
        InvalidArgument: *value* is none of these.
    """
    if isinstance(value, Secret):
        return Secret(value, sources=sources).reveal()
    get = getattr(value, "get_secret_value", None)
    text = value if get is None else get()
    if isinstance(text, bytes):
        text = _decoded(text)
    if not isinstance(text, str):
        del text
        raise InvalidArgument(f"a secret is text, and no {type(value).__name__} holds any")
    return Secret(text, sources=sources).reveal()
