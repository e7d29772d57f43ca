"""The embedded store: realms in a folder of this machine, shared by any number of processes, with no server."""

from __future__ import annotations

import os

from realmconf.errors import InvalidArgument, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.names import Limits
    from realmconf.stores.embedded.store import EmbeddedStore


def open_store(
    location: str,
    *,
    options: Mapping[str, str],
    limits: Limits,
    read_only: bool = False,
    recover: bool = False,
) -> EmbeddedStore:
    """
    Open the root *location*; it is made by the first write, so for reading alone it must be there.

    Options, which count where the store is made: ``working_copies=on|plain|off``, whether realms have a
    ``config.toml``; a plain one has no first line that names its generation.

    Raises:
        InvalidArgument: An unknown option.
        StoreUnavailable: Something that is no folder stands there; or nothing, and *read_only*.
        HistoryMissing: The record is gone, but something shows that there was one.
        StoreError: It cannot be opened.
    """
    from realmconf.stores.embedded.store import EmbeddedStore

    unknown = set(options) - {"working_copies"}
    if unknown:
        raise InvalidArgument(f"the embedded store has no option {', '.join(sorted(unknown))}")
    choice = options.get("working_copies")
    if choice not in (None, "on", "plain", "off"):
        raise InvalidArgument("working_copies is on, plain or off")
    if not os.path.isdir(location):
        # Read as a store that was never written, either would give everybody defaults.
        if os.path.lexists(location):
            raise StoreUnavailable(f"{location} is not a folder, so there is no store in it")
        if read_only:
            raise StoreUnavailable(f"there is no store at {location}")
    return EmbeddedStore(
        location,
        limits=limits,
        read_only=read_only,
        recover=recover,
        working_copies=choice != "off",
        headers=choice != "plain",
    )
