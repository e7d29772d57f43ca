"""
Why a configuration does not fit its schema: every violation at once, by place.

Decides which keyword is to blame where the library has said no.  Which of several forms was meant is for
``domain.forms``, the words for ``domain.schemas.wording``.

The library answers yes or no for one schema and one value; its own reports are not used, because they
quote values, and because their number doubles with each alternative that contains another one.
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.schemas import wording
from realmconf.domain.schemas.engine import INTEGER_FORM, fits_keywords, matches
from realmconf.domain.schemas.forms import Found, meant
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.schemas.subschemas import ALTERNATIVES, References
from realmconf.domain.secrets import looks_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.schemas.engine import Engine
    from realmconf.domain.schemas.subschemas import Subschema

VIOLATIONS_MAX = 100
"""So many at once are enough to work on."""

_STEPS_MAX = 100_000
"""Some ten microseconds each."""

_NO_KEYWORD = "schema"
"""Who is to blame where that cannot be told."""


class _Enough(Exception):
    """As much was found, or as many steps were taken, as one explanation may have."""


def explain(engine: Engine, schema: Document, config: Document) -> tuple[dict[str, str], ...]:
    """
    In what *config* does not fit *schema*, for which *engine* says that it does not: pointer, keyword, message.

    At most ``VIOLATIONS_MAX``, sorted; at least one.
    """
    found = _Explaining(engine).of(References(schema).root, config, ROOT)
    words = _Words(schema, config)
    told = {(str(one.place), one.keyword, words.of(one)) for one in found}
    return tuple(
        {"pointer": pointer, "keyword": keyword, "message": message}
        for pointer, keyword, message in sorted(told)[:VIOLATIONS_MAX]
    )


class _Words:
    """What is said of violations in one configuration."""

    def __init__(self, schema: Document, config: Document) -> None:
        self._shape = Shape.of((schema,))
        self._config = config
        self._missing: dict[Pointer, list[str]] = {}

    def of(self, found: Found) -> str:
        if found.keyword in ("additionalProperties", "unevaluatedProperties"):
            parent = found.place.parent
            keys = self._shape.at(parent).keys
            return wording.unknown_key(found.place[-1], self._missing_keys(parent), keys)
        return wording.message(
            found.keyword,
            found.wanted,
            secret=found.keyword in wording.TELLING and self._secret(found.place),
        )

    def _missing_keys(self, place: Pointer) -> list[str]:
        """The names that the object at *place* could have and has not."""
        if place not in self._missing:
            present: Any = place.resolve(self._config)
            keys = self._shape.at(place).keys
            self._missing[place] = [key for key in keys if key not in present]
        return self._missing[place]

    def _secret(self, place: Pointer) -> bool:
        shape = self._shape
        return looks_secret(place) or (
            shape.has_secrets
            and (shape.secret or any((shape := shape.step(part)).secret for part in place))
        )


# --- the search ------------------------------------------------------------------------------


class _Case:
    """A value at a place, and a schema into which it does not fit."""

    __slots__ = ("found", "place", "said", "schema", "value")

    def __init__(self, schema: Subschema, value: Value, place: Pointer) -> None:
        self.schema = schema
        self.said = schema.said
        self.value = value
        self.place = place
        self.found: list[Found] = []

    @property
    def keys(self) -> list[str]:
        """The value's, sorted, if it is an object."""
        return sorted(self.value) if isinstance(self.value, dict) else []

    @property
    def elements(self) -> list[Any]:
        """The value's, if it is an array."""
        return self.value if isinstance(self.value, list) else []

    def add(self, keyword: str, wanted: Any = None, *, at: str | None = None) -> None:
        """Blame *keyword*, here or at the member *at*."""
        place = self.place if at is None else self.place.child(at)
        self.found.append(Found(place, keyword, wanted))


class _Explaining:
    """One search. It never explains the same schema at the same place twice."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[Pointer, Pointer], list[Found]] = {}
        self._steps_left = _STEPS_MAX

    def of(self, schema: Subschema, value: Value, place: Pointer) -> list[Found]:
        """Why *value*, which stands at *place*, does not fit *schema*."""
        if schema.raw is False:
            return [Found(place, _holder(schema.where))]
        key = (schema.where, place)
        known = self._known.get(key)
        if known is not None:
            return known
        case = _Case(schema, value, place)
        self._known[key] = case.found
        try:
            self._search(case)
        except (_Enough, RecursionError):
            # What was found until then is true, and a full stack only means that nobody looks closer.
            pass
        if not case.found:
            case.add(_NO_KEYWORD)
        return case.found

    def _search(self, case: _Case) -> None:
        if "type" in case.said:
            self.single(case, "type")
            if case.found:
                # Whatever else is asked of it is asked of a value of that type.
                return
        for keyword, rule in _RULES.items():
            if keyword in case.said:
                rule(self, case, keyword)
        for keyword, rule in _LAST_RULES.items():
            # Where something else fails nothing is evaluated, so only now can this be to blame.
            if keyword in case.said and not case.found:
                rule(self, case, keyword)

    # --- questions, each of which is counted ---------------------------------------------

    def fits(self, schema: Subschema, value: Value) -> bool:
        """Whether *value* fits *schema*."""
        size = len(value) if isinstance(value, (dict, list, str)) else 0
        self._step(1 + size // 16)
        return self._engine.part_fits(schema.where, value)

    def _step(self, steps: int = 1) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise _Enough

    def blame(self, case: _Case, schema: Subschema, at: str | None = None) -> None:
        """Add what *schema* finds wrong with the value of *case*, or with its part *at*."""
        self._step()
        value, place = case.value, case.place
        if at is not None:
            value, place = Pointer((at,)).resolve(value), place.child(at)
        if not self.fits(schema, value):
            case.found += self.of(schema, value, place)
            if len(case.found) >= VIOLATIONS_MAX:
                raise _Enough

    # --- rules of the same place -------------------------------------------------------------

    def single(self, case: _Case, keyword: str) -> None:
        """A keyword that looks at the value alone."""
        self._step()
        if not fits_keywords(case.value, {keyword: case.said[keyword]}):
            case.add(keyword, case.said[keyword])

    def referred(self, case: _Case, keyword: str) -> None:
        target = case.schema.references.resolve(case.said[keyword])
        # No schema is taken with a reference that leads nowhere.
        assert target is not None
        self.blame(case, target)

    def all_of(self, case: _Case, keyword: str) -> None:
        for schema in case.schema.listed(keyword):
            self.blame(case, schema)

    def alternatives(self, case: _Case, keyword: str) -> None:
        forms = case.schema.listed(keyword)
        fitting = sum([self.fits(form, case.value) for form in forms])
        if not fitting:
            branches = [self.of(form, case.value, case.place) for form in forms]
            case.found += meant(keyword, branches, case.place)
        elif keyword == "oneOf" and fitting > 1:
            case.add(keyword, fitting)

    def negated(self, case: _Case, keyword: str) -> None:
        if self.fits(case.schema.at(keyword), case.value):
            case.add(keyword)

    def conditional(self, case: _Case, keyword: str) -> None:
        branch = "then" if self.fits(case.schema.at(keyword), case.value) else "else"
        if branch in case.said:
            self.blame(case, case.schema.at(branch))

    def dependent_schemas(self, case: _Case, keyword: str) -> None:
        for key in case.keys:
            if key in case.said[keyword]:
                self.blame(case, case.schema.at(keyword, key))

    # --- rules of objects ----------------------------------------------------------------------

    def required(self, case: _Case, keyword: str) -> None:
        if isinstance(case.value, dict):
            for key in case.said[keyword]:
                if key not in case.value:
                    case.add(keyword, at=key)

    def dependent_required(self, case: _Case, keyword: str) -> None:
        for key in case.keys:
            for other in case.said[keyword].get(key, ()):
                if other not in case.value:
                    case.add(keyword, key, at=other)

    def properties(self, case: _Case, keyword: str) -> None:
        for key in case.keys:
            if key in case.said[keyword]:
                self.blame(case, case.schema.at(keyword, key), key)

    def patterns(self, case: _Case, keyword: str) -> None:
        for pattern in sorted(case.said[keyword]):
            for key in case.keys:
                self._step()
                if matches(pattern, key):
                    self.blame(case, case.schema.at(keyword, pattern), key)

    def additional(self, case: _Case, keyword: str) -> None:
        named = case.said.get("properties", {})
        patterns = case.said.get("patternProperties", {})
        for key in case.keys:
            self._step(len(patterns))
            if key not in named and not any(matches(pattern, key) for pattern in patterns):
                self.blame(case, case.schema.at(keyword), key)

    def names(self, case: _Case, keyword: str) -> None:
        for key in case.keys:
            self._step()
            if not self.fits(case.schema.at(keyword), key):
                case.add(keyword, at=key)

    # --- rules of arrays -----------------------------------------------------------------------

    def prefix(self, case: _Case, keyword: str) -> None:
        for index, schema in enumerate(case.schema.listed(keyword)[: len(case.elements)]):
            self.blame(case, schema, str(index))

    def items(self, case: _Case, keyword: str) -> None:
        first = len(case.said.get("prefixItems", ()))
        for index in range(first, len(case.elements)):
            self.blame(case, case.schema.at(keyword), str(index))

    def contains(self, case: _Case, keyword: str) -> None:
        if isinstance(case.value, list):
            wanted = case.schema.at(keyword)
            count = sum([self.fits(wanted, element) for element in case.value])
            if count < case.said.get("minContains", 1):
                case.add(keyword)
            elif count > case.said.get("maxContains", count):
                case.add("maxContains")

    # --- rules of what nothing else speaks of ----------------------------------------------------

    def unevaluated_keys(self, case: _Case, keyword: str) -> None:
        applied = self._applied(case)
        if any(keyword in one.said for one in applied[1:]):
            return
        for key in case.keys:
            self._step(len(applied))
            if not any(one.members(key) for one in applied):
                self.blame(case, case.schema.at(keyword), key)

    def unevaluated_elements(self, case: _Case, keyword: str) -> None:
        applied = self._applied(case)
        if any(keyword in one.said for one in applied[1:]):
            return
        contained = [one.at("contains") for one in applied if "contains" in one.said]
        for index, element in enumerate(case.elements):
            self._step(len(applied))
            if not any(one.elements(index) for one in applied) and not any(
                self.fits(one, element) for one in contained
            ):
                self.blame(case, case.schema.at(keyword), str(index))

    def _applied(self, case: _Case) -> list[Subschema]:
        """The schema of *case*, whose value fits but for this, and all at the same place that it fits too."""
        applied: list[Subschema] = []
        waiting = [case.schema]
        while waiting:
            schema = waiting.pop()
            said = schema.said
            applied.append(schema)
            waiting += schema.certain()
            for keyword in ALTERNATIVES:
                waiting += [form for form in schema.listed(keyword) if self.fits(form, case.value)]
            if "dependentSchemas" in said:
                present = [key for key in case.keys if key in said["dependentSchemas"]]
                waiting += [schema.at("dependentSchemas", key) for key in present]
            if "if" in said:
                holds = self.fits(schema.at("if"), case.value)
                branches = ("if", "then") if holds else ("else",)
                waiting += [schema.at(branch) for branch in branches if branch in said]
        return applied


_HOLDERS = frozenset(
    (
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "prefixItems",
        "items",
        "unevaluatedItems",
    )
)


def _holder(where: Pointer) -> str:
    """The keyword that holds the schema at *where*, which is false."""
    for keyword in reversed(where[-2:]):
        if keyword in _HOLDERS:
            return keyword
    return "not"


# --- which rule serves which keyword -----------------------------------------------------------

if TYPE_CHECKING:
    _Rule = Callable[[_Explaining, _Case, str], None]

_RULES: dict[str, _Rule] = {
    "$ref": _Explaining.referred,
    "$dynamicRef": _Explaining.referred,
    **dict.fromkeys(
        (
            "enum",
            "const",
            "minimum",
            "exclusiveMinimum",
            "maximum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "minItems",
            "maxItems",
            "uniqueItems",
            INTEGER_FORM,
            "minProperties",
            "maxProperties",
        ),
        _Explaining.single,
    ),
    "required": _Explaining.required,
    "dependentRequired": _Explaining.dependent_required,
    "properties": _Explaining.properties,
    "patternProperties": _Explaining.patterns,
    "additionalProperties": _Explaining.additional,
    "propertyNames": _Explaining.names,
    "prefixItems": _Explaining.prefix,
    "items": _Explaining.items,
    "contains": _Explaining.contains,
    "allOf": _Explaining.all_of,
    "anyOf": _Explaining.alternatives,
    "oneOf": _Explaining.alternatives,
    "not": _Explaining.negated,
    "if": _Explaining.conditional,
    "dependentSchemas": _Explaining.dependent_schemas,
}

_LAST_RULES: dict[str, _Rule] = {
    "unevaluatedProperties": _Explaining.unevaluated_keys,
    "unevaluatedItems": _Explaining.unevaluated_elements,
}
