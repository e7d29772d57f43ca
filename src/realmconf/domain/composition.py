"""
Who wins: the configuration that a chain of realms gives, root first.

Decides the fold, and nothing else does.  What is inherited, without what the realm masks, then
the realm's own document on top; so what a child inherits is what its parent's own readers see.
Objects merge by key, scalars and arrays replace, unless a schema at or above the realm says
otherwise of a place.  Knows nothing of stores, and of what a value means.

    global   {"agent": {"model": "m1", "retries": 3}}
    org      {"agent": {"retries": 5}}                   unset: agent.model
    team     {"agent": {"tools": ["a"]}}
    team is  {"agent": {"retries": 5, "tools": ["a"]}}
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.lineage import SECTION, links, own_section
from realmconf.domain.schemas.shape import NOTHING, Shape
from realmconf.errors import InvalidDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.lineage import HeadLike
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Revision

COMPOSED_KEPT = 4_096
"""Realms whose composition one composer remembers."""
SHAPES_KEPT = 64
"""Combinations of schemas of which is remembered what they say."""


# --- one member -------------------------------------------------------------------------


def own_config(realm: str, document: Document | None) -> Document:
    """
    What *document* states of configuration: all of it but the realm's section about itself.

    ``[realm.<own name>]`` says where a realm stands among others and is no configuration.
    """
    if document is None:
        return {}
    section = document.get(SECTION)
    if not isinstance(section, dict) or realm not in section:
        return document
    others = {name: value for name, value in section.items() if name != realm}
    config = {name: value for name, value in document.items() if name != SECTION}
    return {**config, SECTION: others} if others else config


class Composed:
    """
    What one realm's readers see, and what it is made of.

    ``parent`` is what the realm inherits from, None for the root of a chain.
    """

    __slots__ = (
        "_base",
        "_config",
        "_masks",
        "_own",
        "_shape",
        "parent",
        "realm",
        "revision",
        "schemas",
    )

    def __init__(
        self,
        realm: RealmName,
        revision: Revision | None,
        parent: Composed | None,
        schemas: tuple[tuple[str, Document], ...],
    ) -> None:
        self.realm = realm
        self.revision = revision
        self.parent = parent
        self.schemas = schemas
        """Those that govern it with their digests, root's first."""
        self._masks: tuple[Pointer, ...] | None = None
        self._own: Document | None = None
        self._base: Document | None = None
        self._config: Document | None = None
        self._shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """What the schemas at or above the realm say."""
        if self._shape is None:
            inherited = NOTHING if self.parent is None else self.parent.shape
            known = 0 if self.parent is None else len(self.parent.schemas)
            # Most realms bring no schema of their own, and share what was found out for their parent.
            self._shape = inherited if len(self.schemas) == known else _shape_of(self.schemas)
        return self._shape

    @property
    def masks(self) -> tuple[Pointer, ...]:
        """The places whose inherited value the realm does not take."""
        if self._masks is None:
            self._masks = _masks(self.revision)
        return self._masks

    @property
    def own(self) -> Document:
        """What the realm itself states of configuration."""
        if self._own is None:
            revision = self.revision
            # An older generation of a realm that was renamed speaks of itself by its name of then.
            self._own = {} if revision is None else own_config(revision.realm, revision.document)
        return self._own

    @property
    def base(self) -> Document:
        """What the realm takes of what it inherits."""
        if self._base is None:
            inherited: Document = {} if self.parent is None else self.parent.config
            self._base = without(inherited, self.masks, self.shape) if self.masks else inherited
        return self._base

    @property
    def config(self) -> Document:
        """The configuration, to be treated as frozen: it shares parts with documents and other compositions."""
        if self._config is None:
            base, own = self.base, self.own
            # What the schemas say is not found out where there is nothing to merge.
            self._config = combine(base, own, self.shape) if base and own else own or base
        return self._config

    def with_document(self, document: Document | None) -> Composed:
        """The same realm in the same place, stating *document* instead."""
        revision = None if self.revision is None else self.revision.replace(document=document)
        changed = Composed(self.realm, revision, self.parent, self.schemas)
        if revision is None:
            changed._own = own_config(self.realm, document)
        return changed


_shapes: dict[tuple[str, ...], Shape] = {}


def _shape_of(schemas: tuple[tuple[str, Document], ...]) -> Shape:
    """What they say together; a schema never changes, so what was found out once is kept for the next write."""
    digests = tuple([digest for digest, _ in schemas])
    shape = _shapes.get(digests)
    if shape is None:
        if len(_shapes) >= SHAPES_KEPT:
            _shapes.clear()
        shape = _shapes[digests] = Shape.of([schema for _, schema in schemas])
    return shape


def _masks(revision: Revision | None) -> tuple[Pointer, ...]:
    if revision is None:
        return ()
    own = own_section(revision.realm, revision.document)
    if not own or not own.get("unset"):
        return ()
    try:
        return links(revision.realm, revision.document).unset
    except InvalidDocument:
        # Not to be written, and yet there (another program, an older build): it masks nothing.
        return ()


# --- a chain ----------------------------------------------------------------------------


class Composer:
    """
    Composes chains, and remembers the newest composition of each realm for those who inherit from it.

    *schema_of* gives the schema with a digest; it never changes.  Safe to share between threads: what one
    overwrites is only made again.
    """

    def __init__(self, schema_of: Callable[[str], Document]) -> None:
        self._schema_of = schema_of
        self._known: dict[RealmName, Composed] = {}

    def compose(self, heads: Sequence[HeadLike], names: Sequence[RealmName]) -> Composed:
        """The composition of a chain, given head first; ``names`` are those of its members."""
        known = self._known.get(names[0])
        composed = None if known is None else known.parent
        if not _is_of(composed, heads, names):
            composed = None
            for head, realm in zip(heads[:0:-1], names[:0:-1], strict=True):
                composed = self._member(realm, head.revision, composed)
        return self._member(names[0], heads[0].revision, composed)

    def _member(
        self, realm: RealmName, revision: Revision | None, parent: Composed | None
    ) -> Composed:
        known = self._known.get(realm)
        if (
            known is not None
            and known.parent is parent
            and _same_revision(known.revision, revision)
        ):
            return known
        schemas = () if parent is None else parent.schemas
        digest = None if revision is None or revision.document is None else revision.schema_digest
        if digest is not None:
            schemas = (*schemas, (digest, self._schema_of(digest)))
        composed = Composed(realm, revision, parent, schemas)
        if len(self._known) >= COMPOSED_KEPT:
            self._known.clear()
        self._known[realm] = composed
        return composed


def _is_of(
    inherited: Composed | None, heads: Sequence[HeadLike], names: Sequence[RealmName]
) -> bool:
    """Whether *inherited* is what all in a chain but the first compose to, as few writes change."""
    for head, realm in zip(heads[1:], names[1:], strict=True):
        if inherited is None or inherited.revision is not head.revision or inherited.realm != realm:
            return False
        inherited = inherited.parent
    return inherited is None


def _same_revision(one: Revision | None, other: Revision | None) -> bool:
    if one is None or other is None:
        return one is other
    if one is other:
        return True
    if not one.digest:
        # It is only tried, and the next one that is tried has no digest either.
        return False
    # A purge leaves the digest as it was, and takes from the document.
    return one.digest == other.digest and (
        one.document is other.document or not (one.purged or other.purged)
    )


# --- the fold ----------------------------------------------------------------------------


def combine(inherited: Document, own: Document, shape: Shape = NOTHING) -> Document:
    """*own* on top of *inherited*; neither is changed, and the result shares what it can."""
    if not own or not inherited:
        return own or inherited
    if (
        SECTION in own
        and isinstance(inherited.get(SECTION), dict)
        and isinstance(own[SECTION], dict)
    ):
        # What stands below /realm (credentials, for one) is never spliced from two owners.
        own = {**own, SECTION: {**inherited[SECTION], **own[SECTION]}}
        inherited = {key: value for key, value in inherited.items() if key != SECTION}
    return _shaped(inherited, own, shape) if shape.has_merges else _plain(inherited, own)


def _plain(inherited: Document, own: Document) -> Document:
    merged = dict(inherited)
    for key, item in own.items():
        if type(item) is dict:
            current = merged.get(key)
            if current and type(current) is dict:
                item = _plain(current, item)
        merged[key] = item
    return merged


def _shaped(inherited: Document, own: Document, shape: Shape) -> Document:
    merged = dict(inherited)
    for key, item in own.items():
        current = merged.get(key, ABSENT)
        if current is not ABSENT:
            item = _value(current, item, shape.member(key))
        merged[key] = item
    return merged


def _value(inherited: Value, own: Value, shape: Shape) -> Value:
    if isinstance(inherited, dict) and isinstance(own, dict) and shape.merge != "replace":
        return _shaped(inherited, own, shape)
    if isinstance(inherited, list) and isinstance(own, list):
        if shape.merge_key is not None:
            return keyed(inherited, own, shape)
        if shape.merge == "append":
            return [*inherited, *own]
    return own


def keyed(inherited: list[Any], own: list[Any], shape: Shape) -> list[Any]:
    """Elements of the same key merged in the inherited order, new ones behind."""
    elements = list(inherited)
    for place, element in zip(partners(inherited, own, shape.merge_key), own, strict=True):
        if place is None:
            elements.append(element)
        else:
            elements[place] = _value(inherited[place], element, shape.element(place))
    return elements


def partners(inherited: Sequence[Value], own: Iterable[Value], key: str | None) -> list[int | None]:
    """
    For each element of *own* the place of the inherited one with the same *key*.

    Each inherited element is taken once; an element without the key, or whose key is no scalar, stands for itself.
    """
    places: dict[object, int] = {}
    for place, element in enumerate(inherited):
        name = _name(element, key)
        if name is not None:
            places.setdefault(name, place)
    return [None if (name := _name(one, key)) is None else places.pop(name, None) for one in own]


def _name(element: Value, key: str | None) -> object | None:
    """What an element is known by; 1, 1.0 and true are three."""
    value = element.get(key, ABSENT) if isinstance(element, dict) else ABSENT
    if value is ABSENT or isinstance(value, (dict, list)):
        return None
    return (type(value), value)


# --- masks ---------------------------------------------------------------------------------


def without(config: Document, masks: Iterable[Pointer], shape: Shape = NOTHING) -> Document:
    """
    *config* without what stands at the *masks*; *config* itself if nothing does.

    An element of an array is named by its key where a schema gives one, and cannot be masked elsewhere: an index
    means another element as soon as somebody adds one.
    """
    tree: dict[Any, Any] = {}
    for mask in masks:
        branch = tree
        for part in mask:
            branch = branch.setdefault(part, {})
        branch[_GONE] = True
    found: Document = _without(config, tree, shape)
    return found


_GONE = object()
"""In a tree of masks: what stands here is masked. Longer masks below say nothing more."""


def _without(value: Value, tree: dict[Any, Any], shape: Shape) -> Value:
    if isinstance(value, dict):
        places: dict[Any, str] = {part: part for part in tree if part in value}
    elif isinstance(value, list):
        found = {part: element_named(value, part, shape.merge_key) for part in tree}
        places = {place: part for part, place in found.items() if place is not None}
    else:
        return value
    kept = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    for place, part in places.items():
        if _GONE in tree[part]:
            del kept[place]
        else:
            kept[place] = _without(value[place], tree[part], shape.step(str(place)))
    if len(kept) == len(value) and all(kept[place] is value[place] for place in places):
        return value
    return kept if isinstance(value, dict) else list(kept.values())


def element_named(elements: Sequence[Value], part: str, key: str | None) -> int | None:
    """The place of the element whose *key* reads *part*."""
    if key is None:
        return None
    for place, element in enumerate(elements):
        name = element.get(key, ABSENT) if isinstance(element, dict) else ABSENT
        if isinstance(name, (str, int)) and not isinstance(name, bool) and str(name) == part:
            return place
    return None
