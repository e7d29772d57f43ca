"""The commands about who inherits from whom: parent, and realms as a tree."""

from __future__ import annotations

from realmconf.domain.names import GLOBAL
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument
from realmconf.surfaces.cli.writing import print_result, refuse_options_of_writes, write_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.surfaces.cli.call import Call


def parent(call: Call) -> None:
    """Show, set or take away the realm that this one inherits from."""
    request = call.request
    if request.action == "set":
        if request.name is None:
            raise InvalidArgument("parent set needs the NAME of a realm")
        named = str(request.name)
        print_result(call, call.ask("realm/set_parent", parent=named, **write_options(call)))
        return
    if request.name is not None:
        raise InvalidArgument(f"parent {request.action} takes no NAME")
    if request.action == "unset":
        print_result(call, call.ask("realm/unset_parent", **write_options(call)))
        return
    refuse_options_of_writes(call)
    _show(call)


def _show(call: Call) -> None:
    found = call.ask("realm/get_parent")
    snapshot = found.snapshot
    call.warn(snapshot.warnings)
    if call.json:
        call.print_json(call.as_json("realm/get_parent", found))
        return
    lineage = ",".join(one.realm for one in snapshot.lineage)
    call.print(f"parent={found.named or ''}", f"lineage={lineage}")


# --- the tree ------------------------------------------------------------------------------


class Branch(Record):
    """One realm in the tree: how deep it stands, and why it stands there if that is not as it should be."""

    entry: Any
    depth: int
    problem: str = ""


def tree(call: Call, entries: Iterable[Any]) -> list[str]:
    """The live realms among *entries*, each below the one that it inherits from."""
    return call.terminal.table(
        ("realm", "generation", ""),
        (
            (
                "  " * branch.depth + str(branch.entry.realm),
                str(branch.entry.generation),
                branch.problem,
            )
            for branch in branches([one for one in entries if one.exists])
        ),
    )


def branches(entries: list[Any]) -> Iterator[Branch]:
    """
    *entries* as a tree, ``global`` at its root, children by name.

    A realm whose parent is not there stands at the left, as do those that inherit from themselves, each with what
    it inherits from it.
    """
    known = {one.realm: one for one in entries}
    children: dict[RealmName | None, list[Any]] = {}
    lost = []
    for one in entries:
        above = _above(one, known)
        if above is not None and above not in known:
            lost.append(one)
        else:
            children.setdefault(above, []).append(one)
    seen: set[RealmName] = set()

    def below(top: Any, problem: str = "") -> Iterator[Branch]:
        # Not by recursion: no rule limits how many may inherit from each other where parents are broken.
        waiting = [Branch(entry=top, depth=0, problem=problem)]
        while waiting:
            branch = waiting.pop()
            if branch.entry.realm in seen:
                continue
            seen.add(branch.entry.realm)
            yield branch
            waiting += [
                Branch(entry=child, depth=branch.depth + 1)
                for child in reversed(children.get(branch.entry.realm, []))
            ]

    for one in children.get(None, []):
        yield from below(one)
    for one in lost:
        yield from below(one, f"its parent {one.parent} does not exist")
    for one in entries:
        if one.realm not in seen:
            yield from below(one, f"inherits from itself, by way of {one.parent}")


def _above(entry: Any, known: dict[RealmName, Any]) -> RealmName | None:
    """Whom *entry* stands below; None for a root."""
    if entry.realm == GLOBAL:
        return None
    if entry.parent is None or entry.parent == GLOBAL:
        return GLOBAL if GLOBAL in known else None
    parent: RealmName = entry.parent
    return parent
