"""
The schemas inside a JSON Schema (draft 2020-12): where they stand, and where references lead.

Decides which keywords hold schemas, which of those speak of the same place and which of members and
elements.  Knows nothing of what a schema may contain, and of whether a value fits one.  A reference leads
to a place in the same document or nowhere; nothing is ever fetched.
"""

from __future__ import annotations

from realmconf.domain.pointer import ROOT, Pointer, array_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from realmconf.domain.document import Document

REFERENCES = ("$ref", "$dynamicRef")
"""With one ``$id`` in a document, a dynamic reference leads where a plain one does."""

ALTERNATIVES = ("anyOf", "oneOf")

_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMA_MAPS = ("$defs", "definitions", "properties", "patternProperties", "dependentSchemas")
_SCHEMAS = (
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "unevaluatedItems",
    "contains",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
)


class Subschema:
    """One schema of a document: what it says (``raw``, an object or a boolean), and where it stands."""

    __slots__ = ("raw", "references", "where")

    def __init__(self, raw: Any, references: References, where: Pointer = ROOT) -> None:
        self.raw = raw
        self.references = references
        self.where = where

    @property
    def said(self) -> dict[str, Any]:
        """The keywords; a boolean has none."""
        return self.raw if isinstance(self.raw, dict) else {}

    def at(self, *parts: str | int) -> Subschema:
        """The schema below a keyword: ``at("properties", "host")``."""
        raw = self.raw
        for part in parts:
            raw = raw[part]
        return Subschema(raw, self.references, Pointer((*self.where, *map(str, parts))))

    def children(self) -> Iterator[Subschema]:
        """Every schema that stands directly inside this one."""
        for keyword in self.said:
            if keyword in _SCHEMAS:
                yield self.at(keyword)
            elif keyword in _SCHEMA_MAPS or keyword in _SCHEMA_LISTS:
                yield from self.listed(keyword)

    def listed(self, keyword: str) -> list[Subschema]:
        """The schemas in the array or object at *keyword*."""
        value = self.said.get(keyword)
        if isinstance(value, list):
            return [self.at(keyword, index) for index in range(len(value))]
        return [self.at(keyword, key) for key in value] if isinstance(value, dict) else []

    def referred(self) -> list[Subschema]:
        """Where the references of this schema lead; those that lead nowhere are left out."""
        found = []
        for keyword in REFERENCES:
            reference = self.said.get(keyword)
            if isinstance(reference, str):
                target = self.references.resolve(reference)
                if target is not None:
                    found.append(target)
        return found

    def certain(self) -> list[Subschema]:
        """The schemas that hold at the same place wherever this one does."""
        if not self.said.keys() & _CERTAIN:
            return []
        return [*self.referred(), *self.listed("allOf")]

    def same_place(self) -> list[Subschema]:
        """The schemas that may hold at the same place. (What is negated says nothing of it.)"""
        said = self.said
        if not said.keys() & _SAME_PLACE:
            return []
        found = self.certain()
        for keyword in (*ALTERNATIVES, "dependentSchemas"):
            found += self.listed(keyword)
        found += [self.at(keyword) for keyword in ("if", "then", "else") if keyword in said]
        return found

    def members(self, key: str) -> list[Subschema]:
        """What ``properties``, ``patternProperties`` and ``additionalProperties`` say of the member *key*."""
        said = self.said
        found = []
        properties = said.get("properties")
        if isinstance(properties, dict) and key in properties:
            found.append(self.at("properties", key))
        patterns = said.get("patternProperties")
        if isinstance(patterns, dict) and patterns:
            from realmconf.domain.schemas.engine import matches

            found += [
                self.at("patternProperties", pattern)
                for pattern in patterns
                if matches(pattern, key)
            ]
        if not found and "additionalProperties" in said:
            found.append(self.at("additionalProperties"))
        return found

    def elements(self, index: int | None) -> list[Subschema]:
        """What ``prefixItems`` and ``items`` say of the element *index*; None is one that nobody has numbered."""
        said = self.said
        prefix = said.get("prefixItems", [])
        if index is not None and index < len(prefix):
            return [self.at("prefixItems", index)]
        found = self.listed("prefixItems") if index is None else []
        return [*found, self.at("items")] if "items" in said else found


_CERTAIN = frozenset((*REFERENCES, "allOf"))
_SAME_PLACE = _CERTAIN | {*ALTERNATIVES, "dependentSchemas", "if", "then", "else"}


def closure(schemas: Iterable[Subschema], *, certain: bool = False) -> list[Subschema]:
    """
    All objects among *schemas* and what holds at the same place, each once.

    Later ones outweigh earlier ones, as they do in *schemas*; what a schema says itself outweighs what it
    refers to or combines.  With *certain*, only what holds wherever they do.
    """
    found: list[Subschema] = []
    seen: set[int] = set()
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema.raw, dict) or id(schema.raw) in seen:
            continue
        seen.add(id(schema.raw))
        found.append(schema)
        waiting += schema.certain() if certain else schema.same_place()
    found.reverse()
    return found


# --- references -----------------------------------------------------------------------


class References:
    """Where the references inside one schema document lead."""

    __slots__ = ("_anchors", "_known", "_root")

    def __init__(self, root: Document) -> None:
        self._root = root
        self._known: dict[str, Subschema | None] = {}
        self._anchors: dict[str, Subschema] | None = None

    @property
    def root(self) -> Subschema:
        """The whole document."""
        return Subschema(self._root, self)

    def everything(self) -> Iterator[Subschema]:
        """Every schema of the document, a schema before those inside it."""
        waiting = [self.root]
        while waiting:
            schema = waiting.pop()
            yield schema
            waiting += schema.children()

    def resolve(self, reference: str) -> Subschema | None:
        """The schema that *reference* (``#/$defs/a``, ``#anchor``, ``#``) means; None if it leads nowhere."""
        if reference not in self._known:
            self._known[reference] = self._resolve(reference)
        return self._known[reference]

    def _resolve(self, reference: str) -> Subschema | None:
        fragment = _decoded(reference[1:]) if reference.startswith("#") else None
        if fragment is None:
            return None
        if fragment and not fragment.startswith("/"):
            return self._anchored().get(fragment)
        raw: Any = self._root
        parts = [part.replace("~1", "/").replace("~0", "~") for part in fragment.split("/")[1:]]
        for part in parts:
            if isinstance(raw, dict) and part in raw:
                raw = raw[part]
            elif isinstance(raw, list) and (array_index(part) or 0) < len(raw) and part.isdigit():
                raw = raw[int(part)]
            else:
                return None
        return Subschema(raw, self, Pointer(parts)) if isinstance(raw, (dict, bool)) else None

    def _anchored(self) -> dict[str, Subschema]:
        if self._anchors is None:
            self._anchors = {}
            for schema in self.everything():
                for keyword in ("$anchor", "$dynamicAnchor"):
                    name = schema.said.get(keyword)
                    if isinstance(name, str):
                        self._anchors.setdefault(name, schema)
        return self._anchors


def _decoded(fragment: str) -> str | None:
    """A URI's fragment without its percent escapes; None if it has wrong ones."""
    head, *escaped = fragment.split("%")
    raw = head.encode()
    try:
        for piece in escaped:
            raw += bytes.fromhex(piece[:2].ljust(2, "?")) + piece[2:].encode()
        return raw.decode()
    except ValueError:
        return None


_REFERENCE_CHARS = frozenset("-._~!$&'()*+,;=:@/?%")


def escaped_reference(reference: str) -> str:
    """*reference* (``#…``) with the letters that a URI's fragment cannot have as %XX."""
    return "#" + "".join(
        letter
        if letter in _REFERENCE_CHARS or (letter.isascii() and letter.isalnum())
        else "".join(f"%{byte:02X}" for byte in letter.encode())
        for letter in reference[1:]
    )


def fragment(where: Pointer) -> str:
    """The reference that leads to *where*."""
    return escaped_reference("#" + str(where).replace("%", "%25"))
