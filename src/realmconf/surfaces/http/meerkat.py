"""
Meerkat's own routes, for one realm: ``GET``, ``PUT`` and ``PATCH /config``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realmconf.surfaces.http.problems import Problem

if TYPE_CHECKING:
    from realmconf.surfaces.http.incoming import Incoming
    from realmconf.surfaces.http.replies import Reply
    from realmconf.surfaces.http.server import Server

PATH = "/config"


async def get(server: Server, incoming: Incoming) -> Reply:
    """The envelope."""
    raise Problem("unknown_path", "not yet")


METHODS = {"GET": get}
