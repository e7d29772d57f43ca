"""
Documents and patches as input: from a file, standard input or an argument.

Decides how TOML, JSON and YAML are told apart, how much is read, and what a printed envelope means
when it comes back.  What a document may contain is decided in the domain.
"""

from __future__ import annotations

import os

from realmconf.domain.names import LIMITS
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument, InvalidDocument, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, BinaryIO

    from realmconf.surfaces.cli.call import Call

INPUT_BYTES_MAX = 4 * LIMITS.document_bytes
"""Layout and comments may make a text this much larger than its canonical form."""

YAML_BYTES_MAX = 262_144
"""Its parser is slow; whoever has more has it as JSON too."""

STANDARD_INPUT = "-"
EFFECTIVE_VIEW = "effective view"
"""How the first line of a printed effective configuration ends."""

_ENVELOPE = {"config", "generation", "realm_id", "view"}
_ENVELOPE_MORE = {"instance_id", "backend", "resolved_paths", "changed", "rebased_from", "write_id"}
_ENVELOPE_MORE |= {"warnings", "etag", "exists", "lineage"}


class Input(Record):
    """What was given, parsed but not yet a document."""

    value: Any
    is_json: bool


class GivenDocument(Record):
    """A document as input."""

    document: Any
    is_json: bool
    realm: str | None = None
    generation: int | None = None
    """Of the envelope it came in: the state it was made from."""


def read_bytes(call: Call, file: str | None) -> bytes:
    """
    The content of *file*, or of standard input for None and ``-``.

    Raises:
        InvalidArgument: It cannot be read.
        LimitExceeded: It is longer than any document.
    """
    if file is None or file == STANDARD_INPUT:
        if call.input.isatty():
            call.say("reading standard input until its end (Ctrl-D)")
        return _bounded(call.input.buffer)
    try:
        with open(file, "rb") as opened:
            return _bounded(opened)
    except OSError as error:
        raise InvalidArgument(f"{file}: {os.strerror(error.errno or 0).lower()}") from error


def read_input(call: Call, *, file: str | None, toml: str | None, json: str | None) -> Input:
    """
    Whichever of the three was given, parsed; else standard input.

    A name ending in ``.json``, ``.toml``, ``.yaml`` or ``.yml`` says what a file is; else what starts with ``{`` is
    JSON (no TOML document does), and everything else TOML.
    """
    if toml is not None:
        return Input(value=_from_toml(toml), is_json=False)
    if json is not None:
        return Input(value=_from_json(json), is_json=True)
    return _parsed(read_bytes(call, file), name=(file or "").lower())


def read_json(call: Call, *, file: str | None, json: str | None) -> Any:
    """Like ``read_input`` where only JSON makes sense."""
    return _from_json(json if json is not None else read_bytes(call, file))


def read_schema(call: Call, *, file: str) -> Any:
    """
    Like ``read_input``, of a file or standard input.

    Raises:
        InvalidDocument: Also of an empty text, which for TOML is the schema that everything fits.
    """
    text = read_bytes(call, file)
    if not text.strip():
        raise InvalidDocument("the schema is empty; one that everything fits is {}", pointer="")
    return _parsed(text, name=file.lower()).value


def read_document(
    call: Call, *, file: str | None, toml: str | None = None, json: str | None = None
) -> GivenDocument:
    """
    A whole document: bare, or in an envelope of its own view.

    Raises:
        InvalidArgument: It is an effective view: stored, it would copy every inherited value down.
        InvalidDocument: Not TOML, JSON or a document; or an empty standard input.
    """
    if toml is None and json is None:
        text = read_bytes(call, file)
        if not text.strip() and file in (None, STANDARD_INPUT):
            # More often a pipe whose other end failed than the wish for an empty document.
            raise InvalidDocument("standard input is empty; an empty document is --toml ''")
        given = _parsed(text, name=(file or "").lower())
        if not given.is_json and _first_line(text).endswith(EFFECTIVE_VIEW):
            raise _effective_refused()
    else:
        if toml is not None and _first_line(toml.encode()).endswith(EFFECTIVE_VIEW):
            raise _effective_refused()
        given = read_input(call, file=None, toml=toml, json=json)
    value = given.value
    if not isinstance(value, dict):
        raise InvalidDocument("a document is an object", pointer="")
    if not (value.keys() >= _ENVELOPE and value.keys() <= _ENVELOPE | _ENVELOPE_MORE):
        return GivenDocument(document=value, is_json=given.is_json)
    if value["view"] != "own":
        raise _effective_refused()
    generation = value["generation"]
    if type(generation) is not int or not 0 <= generation <= LIMITS.generation:
        raise InvalidArgument("the envelope's generation is not one")
    if not isinstance(value["config"], dict):
        raise InvalidDocument(
            "the envelope's config is no document, which is an object", pointer=""
        )
    return GivenDocument(
        document=value["config"],
        is_json=given.is_json,
        realm=str(value["realm_id"]),
        generation=generation,
    )


def _parsed(text: bytes, *, name: str) -> Input:
    if name.endswith((".yaml", ".yml")):
        return Input(value=_from_yaml(text), is_json=False)
    if name.endswith(".json") or (not name.endswith(".toml") and text.lstrip()[:1] == b"{"):
        return Input(value=_from_json(text), is_json=True)
    return Input(value=_from_toml(text), is_json=False)


def _bounded(stream: BinaryIO) -> bytes:
    content = stream.read(INPUT_BYTES_MAX + 1)
    if len(content) > INPUT_BYTES_MAX:
        raise LimitExceeded("input_bytes", len(content), maximum=INPUT_BYTES_MAX)
    return content


def _first_line(text: bytes) -> str:
    line = text.split(b"\n", 1)[0].strip()
    return line.decode("utf-8", "replace") if line.startswith(b"#") else ""


def _effective_refused() -> InvalidArgument:
    return InvalidArgument(
        "this is the effective view: storing it would copy inherited values into the realm; "
        "take the realm's own document with: realmconf get --own"
    )


def _from_toml(text: str | bytes) -> Any:
    from realmconf.domain.toml import parse_toml

    return parse_toml(text).document


def _from_json(text: str | bytes) -> Any:
    from realmconf.domain.jsontext import parse_json

    return parse_json(text)


def _from_yaml(text: bytes) -> Any:
    """
    One YAML document of plain values, without aliases, which a few lines of would fill any memory.

    Raises:
        InvalidDocument: It is none.
        StoreNotInstalled: The YAML library is an optional package.
    """
    try:
        from ruamel.yaml import YAML
    except ImportError:
        from realmconf.errors import StoreNotInstalled

        raise StoreNotInstalled("YAML input", extra="yaml") from None
    from ruamel.yaml.error import YAMLError

    if len(text) > YAML_BYTES_MAX:
        raise LimitExceeded("yaml_bytes", len(text), maximum=YAML_BYTES_MAX)
    try:
        decoded = text.decode("utf-8")
        _refuse_yaml_bombs(YAML(typ="safe", pure=True).parse(decoded))
        return YAML(typ="safe", pure=True).load(decoded)
    except UnicodeDecodeError:
        raise InvalidDocument("not UTF-8") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # Without the parser's own words: they quote the text.
        raise InvalidDocument(
            "not YAML of plain values",
            line=None if mark is None else mark.line + 1,
            column=None if mark is None else mark.column + 1,
        ) from None
    except (ValueError, OverflowError, RecursionError):
        raise InvalidDocument("a value is out of every range") from None


def _refuse_yaml_bombs(events: Iterable[Any]) -> None:
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in events:
        if isinstance(event, AliasEvent):
            raise InvalidDocument("YAML with aliases is not taken: write out what they stand for")
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > LIMITS.depth + 1:
            raise LimitExceeded("depth", depth, maximum=LIMITS.depth)
