"""
What a server is told when it starts.
"""

from __future__ import annotations

from realmconf.domain.names import RealmName
from realmconf.domain.record import Record

BODY_BYTES_MAX = 4 * 1_048_576
HEADER_BYTES_MAX = 16 * 1_024
REQUEST_SECONDS = 10.0
"""Until a request must be there, and from then on until its body must be."""
RESPONSE_SECONDS = 30.0
"""How long an answer may wait for whoever reads it."""
CONNECTIONS_MAX = 4_096
"""Of one process."""


class Mount(Record):
    """An application of another surface: below which path, and where it is had from."""

    path: str
    make: str
    """``module:function``, imported when it is first asked for, and called with the client and *options*."""
    extra: str
    """What to install for it."""
    options: tuple[tuple[str, object], ...] = ()


class Settings(Record):
    """How a server is reached, and what it takes."""

    host: str = "127.0.0.1"
    """The address that it listens at."""
    hosts: tuple[str, ...] = ()
    """Names by which it may be reached besides."""
    origins: tuple[str, ...] = ()
    """Origins of pages that may ask besides its own."""
    is_public_https: bool = False
    """Whether others reach it over HTTPS, which somebody in front of it speaks: then cookies are for that alone."""
    meerkat_realm: RealmName | None = None
    """The realm that Meerkat's own routes are for."""
    meerkat_sessions: str | None = None
    """What ``storage.directory`` is there where nothing says it."""
    exposes_paths: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    request_seconds: float = REQUEST_SECONDS
    mounts: tuple[Mount, ...] = ()
    metrics_folder: str | None = None
    """Where several processes keep their counts together; None: there is one process."""
