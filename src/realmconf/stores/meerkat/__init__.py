"""
Meerkat's own files as a store, live beside programs that know nothing of us: ``meerkat:///root[?global=PATH]``.

Decides what the options of its URL are; everything else is its modules'.
"""

from __future__ import annotations

import os

from realmconf.errors import InvalidArgument
from realmconf.stores.meerkat.layout import Layout, global_folder
from realmconf.stores.meerkat.lockfile import STALE_SECONDS, TIMEOUT_SECONDS, Timing
from realmconf.stores.meerkat.store import MeerkatStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.names import Limits

__all__ = ["MeerkatStore", "open_store"]

_SECONDS = {"lock_seconds": TIMEOUT_SECONDS, "stale_seconds": STALE_SECONDS}
"""Options that change Meerkat's own figures: only where every program at the root has the same ones."""


def open_store(
    location: str,
    *,
    options: Mapping[str, str],
    limits: Limits,
    read_only: bool = False,
    recover: bool = False,
) -> MeerkatStore:
    """
    The store of the root at *location*.

    Raises:
        InvalidArgument: No absolute path, or an option that there is not.
    """
    if not location.startswith("/"):
        raise InvalidArgument("meerkat:// takes an absolute path, as in meerkat:///home/me/realms")
    unknown = sorted(options.keys() - {"global", *_SECONDS})
    if unknown:
        raise InvalidArgument(f"meerkat:// has no option {unknown[0][:100]!a}")
    timeout_seconds, stale_seconds = (
        _positive(options, name, usual) for name, usual in _SECONDS.items()
    )
    root = os.path.normpath(location)
    return MeerkatStore(
        Layout(root, global_folder=global_folder(options.get("global"))),
        url=_url(root, options),
        limits=limits,
        read_only=read_only,
        timing=Timing(timeout_seconds=timeout_seconds, stale_seconds=stale_seconds),
    )


def _positive(options: Mapping[str, str], name: str, usual: float) -> float:
    stated = options.get(name)
    if stated is None:
        return usual
    try:
        seconds = float(stated)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise InvalidArgument(f"the option {name} of meerkat:// is a number of seconds")
    return seconds


def _url(root: str, options: Mapping[str, str]) -> str:
    from urllib.parse import quote, urlencode

    query = urlencode(sorted(options.items()))
    return f"meerkat://{quote(root)}" + (f"?{query}" if query else "")
