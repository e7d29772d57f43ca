"""
What the validating library is asked, and within which bounds.

Decides the options it runs with: no network and no files, formats are checked, and no pattern costs more
than a bounded number of steps.  Knows nothing of our words for what does not fit.  The library is loaded
by the first question and not before, because that takes longer than reading a realm.
"""

from __future__ import annotations

from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.subschemas import References, fragment
from realmconf.errors import InvalidDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import jsonschema_rs

    from realmconf.domain.document import Document, Value

BACKTRACKS_MAX = 20_000
"""Steps back that one match may take; what needs more counts as not matching."""

PATTERN_BYTES_MAX = 10_485_760
"""Of one compiled pattern."""

PATTERN_BYTES_USUAL = 65_536
"""What nearly every pattern stays below, compiled."""

INTEGER_FORM = "x-integer"
"""Ours: whether a number has to be written as an integer, and not as 5.0, which JSON Schema calls one as well."""

_PATTERN_CACHE_BYTES_MAX = 262_144
_PATTERNS_KEPT = 4_096
_ENGINES_KEPT = 32
_BASE = "urn:realmconf:schema"


def validator(
    schema: Document,
    *,
    registry: jsonschema_rs.Registry | None = None,
    pattern_bytes: int = PATTERN_BYTES_MAX,
) -> jsonschema_rs.Draft202012Validator:
    """
    *schema*, compiled.

    Raises:
        jsonschema_rs.ValidationError: It is no schema, a pattern in it does not compile or is larger
            than *pattern_bytes*, or a reference leads nowhere.
    """
    from jsonschema_rs import Draft202012Validator, FancyRegexOptions

    patterns = FancyRegexOptions(
        backtrack_limit=BACKTRACKS_MAX,
        size_limit=pattern_bytes,
        dfa_size_limit=_PATTERN_CACHE_BYTES_MAX,
    )
    return Draft202012Validator(
        schema,
        validate_formats=True,
        offline=True,
        pattern_options=patterns,
        registry=registry,
        keywords={INTEGER_FORM: _IntegerForm},
    )


class _IntegerForm:
    """The keyword ``INTEGER_FORM``, as the library calls it."""

    def __init__(self, _parent: object, wanted: object, _where: object) -> None:
        self._is_wanted = wanted is True

    def validate(self, value: object) -> None:
        if self._is_wanted and isinstance(value, float):
            raise ValueError(INTEGER_FORM)


def compiles(pattern: str, *, pattern_bytes: int = PATTERN_BYTES_MAX) -> bool:
    """Whether the library takes *pattern*, and within *pattern_bytes*."""
    from jsonschema_rs import ValidationError

    try:
        validator({"pattern": pattern}, pattern_bytes=pattern_bytes)
    except ValidationError:
        return False
    return True


class Engine:
    """One schema that passed ``check_schema``, compiled; and all schemas in it, once one of them is asked for."""

    __slots__ = ("_parts", "_schema", "_whole")

    def __init__(self, schema: Document) -> None:
        """
        Compile *schema*.

        Raises:
            InvalidDocument: The library, in this version, cannot apply it; ``pointer`` says what.
        """
        from jsonschema_rs import ValidationError

        # With no name of its own, nothing in it can stand for another document.
        self._schema = {keyword: value for keyword, value in schema.items() if keyword != "$id"}
        self._parts: jsonschema_rs.Draft202012Validator | None = None
        try:
            self._whole = validator(self._schema)
        except ValidationError as error:
            where = Pointer(map(str, error.instance_path))
        else:
            return
        raise InvalidDocument("the schema cannot be applied", pointer=str(where))

    def fits(self, value: Value) -> bool:
        """Whether *value* is valid."""
        return self._whole.is_valid(value)

    def part_fits(self, where: Pointer, value: Value) -> bool:
        """Whether *value* is valid under the schema that stands at *where*."""
        if self._parts is None:
            self._parts = self._compiled_parts()
        return self._parts.is_valid({str(where): value})

    def _compiled_parts(self) -> jsonschema_rs.Draft202012Validator:
        """
        A schema of objects that have, at the name of a part, what fits it.

        To compile parts one by one would compile what they refer to again for each.
        """
        from jsonschema_rs import Draft202012, Registry

        parts = References(self._schema).everything()
        selector = {
            "properties": {
                str(part.where): {"$ref": _BASE + fragment(part.where)} for part in parts
            },
            # With it the library looks up the keys of the value, else those of the schema.
            "additionalProperties": False,
        }
        registry = Registry([(_BASE, self._schema)], draft=Draft202012)
        return validator(selector, registry=registry)


_engines: dict[str, Engine] = {}


def engine(digest: str, schema: Document) -> Engine:
    """The engine of *schema*, which has this *digest*; those used last are kept."""
    found = _engines.pop(digest, None) or Engine(schema)
    _engines[digest] = found
    while len(_engines) > _ENGINES_KEPT:
        # Another thread may have made the room already.
        _engines.pop(next(iter(list(_engines)), ""), None)
    return found


# --- single questions ---------------------------------------------------------------------


def fits_keywords(value: Value, keywords: dict[str, Any]) -> bool:
    """Whether *value* is valid under *keywords*, which refer to nothing."""
    return validator(keywords).is_valid(value)


_patterns: dict[str, jsonschema_rs.Draft202012Validator] = {}


def matches(pattern: str, text: str) -> bool:
    """
    Whether *pattern* is found in *text*.

    So it counts too where the library cannot tell, because the pattern does not compile or takes too many
    steps: for who asks whether *text* names a secret, that is the safe side.
    """
    plain = _plain_match(pattern, text)
    return _engine_match(pattern, text) if plain is None else plain


def _plain_match(pattern: str, text: str) -> bool | None:
    """The answer for patterns like ``^x-``, ``_key$`` and ``.*``, for which the library need not be loaded."""
    start, end = pattern.startswith("^"), pattern.endswith("$")
    inner = pattern[start : len(pattern) - end]
    if inner == ".*" and start and end:
        # A dot is no end of a line.
        return True if text.isprintable() else None
    if inner in ("", ".*") and not (start and end):
        return True
    if not inner.replace("_", "a").replace("-", "a").isalnum() or not inner.isascii():
        return None
    if start and end:
        return text == inner
    if start:
        return text.startswith(inner)
    return text.endswith(inner) if end else inner in text


def _engine_match(pattern: str, text: str) -> bool:
    from jsonschema_rs import ValidationError, ValidationErrorKind

    compiled = _patterns.get(pattern)
    if compiled is None:
        if len(_patterns) >= _PATTERNS_KEPT:
            _patterns.clear()
        try:
            compiled = _patterns[pattern] = validator({"pattern": pattern})
        except ValidationError:
            return True
    if compiled.is_valid(text):
        return True
    return not any(
        isinstance(error.kind, ValidationErrorKind.Pattern) for error in compiled.iter_errors(text)
    )
