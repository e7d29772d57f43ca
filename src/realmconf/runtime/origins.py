"""
Where a model came from: the snapshots that a handle has given out.

Decides which of them a generation means, so that a model on its way back is
compared with the composition it was made from and never with another.
"""

from __future__ import annotations

from realmconf.domain.document import same
from realmconf.errors import InvalidArgument
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from realmconf.domain.names import RealmName
    from realmconf.domain.write import Expected
    from realmconf.runtime.snapshot import ConfigSnapshot

    _Given: TypeAlias = tuple[tuple[ConfigSnapshot[Config], ...], bool]
    """Snapshots of one generation, the newest last, and whether older ones were forgotten."""

GENERATIONS_KEPT = 64
"""Generations a handle remembers; an older model needs its snapshot as ``base``, or the history."""


ANCESTRIES_KEPT = 16
"""Compositions of one generation that a handle remembers: its ancestors may go on while it stands."""


class Origins(Generic[Config]):
    """The newest snapshots given out, by generation."""

    __slots__ = ("_given", "_realm")

    def __init__(self, realm: RealmName) -> None:
        self._realm = realm
        self._given: dict[int, _Given[Config]] = {}

    def remember(self, snapshot: ConfigSnapshot[Config]) -> None:
        """Note that *snapshot* was given out."""
        given = self._given
        generation = snapshot.generation
        # Of the same generation there may be another timeline, or another state of the ancestors.
        known = given.get(generation)
        if known is None:
            given[generation] = ((snapshot,), False)
        else:
            snapshots, forgot = known
            given[generation] = (
                (*snapshots[1 - ANCESTRIES_KEPT :], snapshot),
                forgot
                or (len(snapshots) >= ANCESTRIES_KEPT and not _same_origin(snapshots[0], snapshot)),
            )
        while len(given) > GENERATIONS_KEPT:
            # Another thread may have taken the oldest one away already.
            given.pop(next(iter(list(given))), None)

    def at(
        self, expected: Expected, *, showing: ConfigSnapshot[Config] | None = None
    ) -> ConfigSnapshot[Config] | None:
        """
        The snapshot that was given out at a generation, if any; *showing* if it is one of them.

        Raises:
            InvalidArgument: Several different ones were (another timeline, or a parent that went on), and a number
                does not tell them apart.
        """
        found, forgot = self._given.get(expected.generation, ((), False))
        digest = expected.digest
        if digest is not None:
            found = tuple(each for each in found if each.digest.startswith(digest))
        if showing is not None and any(each is showing for each in found):
            return showing
        if forgot:
            # The history knows what the handle does not any more.
            return None
        if not all(_same_origin(found[0], other) for other in found[1:]):
            raise InvalidArgument(
                f"generation {expected.generation} of realm {self._realm} has been several different ones: "
                "name the snapshot the model came from as base"
            )
        return found[-1] if found else None

    def showing(self, config: object) -> ConfigSnapshot[Config] | None:
        """The snapshot that shows the very object *config*, if it was given out with one."""
        for snapshots, _ in list(self._given.values()):
            for snapshot in snapshots:
                # No call for each: every write of a whole document asks all that are remembered.
                if snapshot._config is config:
                    return snapshot
        return None


def _same_origin(one: ConfigSnapshot[Any], other: ConfigSnapshot[Any]) -> bool:
    """Whether a model cannot tell which of the two it came from: an ancestor went on, and it made no difference."""
    if one.digest != other.digest or one.point.problem or other.point.problem:
        return False
    first, second = one.point.composed, other.point.composed
    return same(first.base, second.base) and first.schemas == second.schemas
