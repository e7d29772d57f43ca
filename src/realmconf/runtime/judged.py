"""
A handle whose writes are judged by more than schemas: by a function, in the store's turn, on what they come to.

Decides only when it is called; what it refuses is its own matter.  Nothing can come between the verdict and the commit,
which a look beforehand cannot promise.
"""

from __future__ import annotations

from realmconf.errors import SchemaViolation
from realmconf.runtime.adapter import PLAIN
from realmconf.runtime.fitting import Fitting
from realmconf.runtime.runtime import ConfigRuntime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.names import RealmName
    from realmconf.domain.write import Append
    from realmconf.runtime.client import Client
    from realmconf.runtime.lineages import Point


class _Judging(Fitting["Mapping[str, Any]"]):
    """No type; the configuration that a write leads to is shown to *judge*."""

    __slots__ = ("_judge",)

    def __init__(self, realm: RealmName, judge: Callable[[Composed], None]) -> None:
        super().__init__(realm, PLAIN, on_invalid="raise", invalid_call=None)
        self._judge = judge

    @property
    def is_plain(self) -> bool:
        return False

    def load(self, snapshot: Any) -> Mapping[str, Any]:
        return self._adapter.load(snapshot.composed)

    def check(self, decided: Append, point: Point) -> None:
        revision = decided.revision
        if revision.document is None or revision.kind in ("policy", "schema"):
            return
        if point.problem is not None:
            # Nobody can tell what it is part of; own documents are not held up by that.
            return
        try:
            self._judge(point.composed)
        except SchemaViolation as found:
            raise SchemaViolation(found.violations, realm=self._realm) from None


def judged(
    client: Client, realm: RealmName, judge: Callable[[Composed], None]
) -> ConfigRuntime[Mapping[str, Any]]:
    """
    A handle of *client* on *realm*, through which nothing is written that *judge* refuses.

    *judge* is called in the store's turn, maybe several times, and raises ``SchemaViolation``.
    """
    return ConfigRuntime(client, realm, _Judging(realm, judge))
