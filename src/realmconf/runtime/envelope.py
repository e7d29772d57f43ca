"""
The wire form of a snapshot.

Decides the fields of an envelope and who is shown paths; redaction is a surface's part.
"""

from __future__ import annotations

from enum import Enum

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.metadata import ConfigResolvedPaths


class EnvelopePolicy(Enum):
    """Who an envelope is for: ``PUBLIC`` leaves ``resolved_paths`` out."""

    PUBLIC = "public"
    DIAGNOSTIC = "diagnostic"


class ConfigEnvelope(Record):
    """
    The wire form of one view of a snapshot.

    An envelope of the *effective* view is refused as input: writing it would copy inherited values down.
    ``config`` is None where the realm has no live document and the view is its own.
    """

    config: dict[str, Any] | None
    generation: int
    realm_id: str
    instance_id: str | None
    backend: str | None
    view: str
    """own | effective"""
    resolved_paths: ConfigResolvedPaths | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON: ``resolved_paths`` is left out where there are none."""
        fields: dict[str, Any] = {
            "config": self.config,
            "generation": self.generation,
            "realm_id": self.realm_id,
            "instance_id": self.instance_id,
            "backend": self.backend,
            "view": self.view,
        }
        if self.resolved_paths is not None:
            fields["resolved_paths"] = self.resolved_paths.to_dict()
        return fields

    def __repr__(self) -> str:
        return f"ConfigEnvelope(realm_id={self.realm_id!r}, generation={self.generation}, view={self.view!r})"
