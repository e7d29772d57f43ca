"""
Whether a realm has an effective configuration, and whether that fits: what ``status`` says besides the working copy.

Decides only how it is told; what fits is decided in the domain.
"""

from __future__ import annotations

from realmconf.domain.admit import violations_of
from realmconf.domain.record import Record
from realmconf.errors import RealmMoved
from realmconf.surfaces.cli.terminal import printable, violation_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.errors import RealmconfError
    from realmconf.surfaces.cli.call import Call


class Validity(Record):
    """How it stands with one realm's composed configuration."""

    problem: RealmconfError | None = None
    """Why there is none."""
    violations: tuple[Mapping[str, str], ...] = ()

    @property
    def state(self) -> str:
        """One word for it."""
        if isinstance(self.problem, RealmMoved):
            return "moved"
        if self.problem is not None:
            return "lineage_error"
        return "invalid" if self.violations else "valid"


def validity_of(call: Call, realm: RealmName) -> Validity:
    """How it stands with *realm* now; changes nothing, so a hand edit that waits is not part of it."""
    point = call.client.lineages.point(realm, adopt=False)
    if point.head.moved_to is not None:
        return Validity(problem=RealmMoved(point.head.moved_to, realm=realm))
    if point.problem is not None:
        return Validity(problem=point.problem)
    return Validity(violations=violations_of(point.composed))


def validity_as_json(validity: Validity) -> dict[str, Any]:
    """The members of ``status`` that tell of it."""
    from realmconf.surfaces.envelope import error_object

    return {
        "effective": validity.state,
        "violations": [dict(one) for one in validity.violations],
        "lineage_error": None if validity.problem is None else error_object(validity.problem),
    }


def validity_lines(call: Call, validity: Validity) -> list[str]:
    """What a person should know of it: nothing, where all is well."""
    if validity.problem is not None:
        what = printable(str(validity.problem))
        advice = "realmconf parent set NAME, or parent unset"
        if isinstance(validity.problem, RealmMoved):
            advice = f"ask the store {printable(validity.problem.to)}"
    elif validity.violations:
        what = "it does not fit its schema"
        advice = "change these here, or where they come from: realmconf explain PATH"
    else:
        return []
    state = call.terminal.paint(validity.state, "red")
    return [
        f"  effective configuration: {state} ({what})",
        *(f"    {line}" for line in violation_lines(validity.violations)),
        f"  to do: {advice}",
    ]
