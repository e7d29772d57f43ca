"""
What is said to callers on other machines of files on this one: their names below the store's folder, and no more.

Decides how a path is left out of what was worded for whoever has the store in hand.
"""

from __future__ import annotations

import os

from realmconf.domain.names import GLOBAL
from realmconf.errors import RealmconfError, WorkingCopyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.runtime.client import Client
    from realmconf.stores.protocol import Notice

FOLDER = "the folder of the store"


def notices_afar(given: Iterable[Notice]) -> tuple[Notice, ...]:
    """Warnings without ``path``, whose texts name a realm's file as ``team/config.toml``."""
    return tuple(
        one
        if one.path is None
        else one.replace(message=_without(one.message, _root(one.path)), path=None)
        for one in given
    )


def error_afar(error: RealmconfError, client: Client) -> RealmconfError:
    """*error*, whose text and fields do not tell where the store of *client* is."""
    roots = _roots(client)
    if isinstance(error, WorkingCopyError):
        roots = roots or [_root(error.path)]
    text = f"{error} {getattr(error, 'path', '')}"
    if not any(root in text for root in roots):
        return error
    found = error.to_dict()
    fields: dict[str, Any] = {
        name: _without_all(value, roots) if isinstance(value, str) else getattr(error, name)
        for name, value in found.items()
        if name not in ("code", "message", "retryable")
    }
    told = type(error).__new__(type(error))
    RealmconfError.__init__(told, _without_all(str(error), roots), **fields)
    told.retryable = error.retryable
    return told.with_traceback(error.__traceback__)


def _roots(client: Client) -> list[str]:
    """The folders of the store of *client*, inner ones first: that of ``global`` may be elsewhere."""
    paths = client.store.paths(GLOBAL)
    found = {paths[name] for name in ("root",) if name in paths}
    if "config_path" in paths:
        found.add(_root(paths["config_path"]))
    return sorted(found, key=len, reverse=True)


def _without_all(text: str, roots: Iterable[str]) -> str:
    for root in roots:
        text = _without(text, root)
    return text


def _root(path: str) -> str:
    """The store's folder: of a working copy, or of what was set aside beside it."""
    return os.path.dirname(os.path.dirname(path))


def _without(text: str, root: str) -> str:
    return text.replace(os.path.join(root, ""), "").replace(root, FOLDER)
