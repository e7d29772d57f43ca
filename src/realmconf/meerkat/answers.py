"""
What Meerkat answers where nothing is stated, and what it refuses to write, on its own wire.

Decides which schema speaks for a realm there: its own, and ``OPEN_SCHEMA`` where it has none; and that under Meerkat's
schemas the rules and the names of skills are checked as well, which no schema can say.
"""

from __future__ import annotations

import os
from functools import lru_cache

from realmconf.domain.schemas.filling import filled
from realmconf.domain.schemas.schema import schema_digest, violations
from realmconf.domain.schemas.shape import Shape
from realmconf.errors import SchemaViolation
from realmconf.meerkat.roots import MARKER
from realmconf.meerkat.rules import validate
from realmconf.meerkat.schema import OPEN_SCHEMA, SCHEMA
from realmconf.meerkat.skills import Skills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.document import Document
    from realmconf.meerkat.words import Said

    Schemas = tuple[tuple[str, Document], ...]

_OPEN_DIGEST = schema_digest(OPEN_SCHEMA)
_OURS = {schema_digest(SCHEMA): SCHEMA, _OPEN_DIGEST: OPEN_SCHEMA}


def sessions_folder(context: str, environment: Mapping[str, str]) -> str | None:
    """
    Where a process that runs in the folder *context* has its sessions, if ``storage.directory`` says nothing.

    In the nearest folder ``.rkat`` from there upwards, else in that of ``HOME``; None where there is neither.
    """
    folder = os.path.abspath(context)
    while not os.path.isdir(os.path.join(folder, MARKER)):
        above = os.path.dirname(folder)
        if above == folder:
            home = environment.get("HOME")
            return None if home is None else os.path.join(home, MARKER, "sessions")
        folder = above
    return os.path.join(folder, MARKER, "sessions")


def shape_of(schemas: Schemas, *, sessions: str | None) -> Shape | None:
    """
    What holds where nothing is stated in a realm that *schemas* govern; None: what they say, and nothing else.

    *sessions* is what ``sessions_folder`` has found.
    """
    if not schemas:
        return _shape(_OPEN_DIGEST, sessions)
    digest = schemas[-1][0]
    return _shape(digest, sessions) if all(one in _OURS for one, _ in schemas) else None


@lru_cache(maxsize=32)
def _shape(digest: str, sessions: str | None) -> Shape:
    schema = _OURS[digest]
    return Shape.of((schema if sessions is None else _with_sessions(schema, sessions),))


def _with_sessions(schema: Said, sessions: str) -> Said:
    storage = schema["properties"]["storage"]
    directory = {**storage["properties"]["directory"], "default": sessions}
    storage = {**storage, "properties": {**storage["properties"], "directory": directory}}
    return {**schema, "properties": {**schema["properties"], "storage": storage}}


def without_old_key(patch: Document, config: Document) -> Document:
    """*patch*, which where it names another provider than *config* takes away what is the old one's and unstated."""
    change, provider = patch.get("provider"), config.get("provider")
    if not isinstance(change, dict) or not isinstance(provider, dict):
        return patch
    if change.get("type", provider.get("type")) == provider.get("type"):
        return patch
    removed = dict.fromkeys(set(provider) - {"type"})
    return {**patch, "provider": {**removed, **change}}


def check(config: Document, schemas: Schemas) -> None:
    """
    Refuse a composed *config*, of a realm that *schemas* govern, that the original would not write, or not read again.

    Whether it fits *schemas* is decided elsewhere; where others than Meerkat's are among them, they have the last word.

    Raises:
        SchemaViolation: It does not fit ``OPEN_SCHEMA``, or breaks a rule.
    """
    shape = shape_of(schemas, sessions=None)
    if shape is None:
        return
    if not schemas:
        found = violations(_OPEN_DIGEST, OPEN_SCHEMA, config)
        if found:
            raise SchemaViolation(found)
    whole = filled(config, shape)
    validate(whole)
    Skills.of(whole)
