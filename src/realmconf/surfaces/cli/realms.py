"""The commands about realms as a whole: realms, rename, copy, policy."""

from __future__ import annotations

from realmconf.errors import InvalidArgument
from realmconf.surfaces.cli.values import count
from realmconf.surfaces.cli.writing import print_result, refuse_options_of_writes, write_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.surfaces.cli.call import Call


def realms(call: Call) -> None:
    """List the realms of the store, by name or as a tree."""
    found = call.client.realms(after=call.request.after, limit=call.request.limit)
    if call.json:
        call.print_json(
            [
                {
                    "realm": str(one.realm),
                    "generation": one.generation,
                    "exists": one.exists,
                    "parent": one.parent,
                }
                for one in found
            ]
        )
        return
    if call.request.tree:
        from realmconf.surfaces.cli.lineage import tree

        call.print(*tree(call, found))
        return
    call.print(
        *call.terminal.table(
            ("realm", "generation", "document"),
            (
                (str(one.realm), str(one.generation), "yes" if one.exists else "deleted")
                for one in found
            ),
        )
    )


def rename(call: Call) -> None:
    """Move a realm's history to a new name."""
    request = call.request
    result = call.client.rename(request.old, request.new, **write_options(call))
    print_result(call, result, source=request.old)


def copy(call: Call) -> None:
    """Start a realm with another one's document."""
    request = call.request
    result = call.client.copy(request.old, request.new, **write_options(call))
    print_result(call, result, source=request.old)


def policy(call: Call) -> None:
    """Show or set what the realm asks of its writers."""
    request = call.request
    realm = call.realm()
    if request.action == "set":
        if not request.settings:
            raise InvalidArgument("policy set needs at least one KEY=VALUE")
        result = realm.set_policy(**dict(map(_setting, request.settings)), **write_options(call))
        print_result(call, result)
        return
    if request.settings:
        raise InvalidArgument("policy show takes no settings")
    refuse_options_of_writes(call)
    found = realm.policy
    if call.json:
        call.print_json(
            {
                "require_generation": found.require_generation,
                "history_keep": found.history_keep,
            }
        )
        return
    kept = "all" if found.history_keep is None else str(found.history_keep)
    call.print(
        f"require_generation={str(found.require_generation).lower()}", f"history_keep={kept}"
    )


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if name == "require_generation" and value in ("true", "false"):
        return name, value == "true"
    if name == "history_keep" and equals:
        return name, None if value == "all" else count(value)
    raise InvalidArgument(
        "a policy setting is require_generation=true, require_generation=false, "
        "history_keep=N or history_keep=all"
    )
