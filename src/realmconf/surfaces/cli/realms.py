"""The commands about realms as a whole: realms, rename, copy, policy."""

from __future__ import annotations

from realmconf.domain.names import LIMITS
from realmconf.errors import InvalidArgument
from realmconf.surfaces.cli.values import count
from realmconf.surfaces.cli.writing import print_result, refuse_options_of_writes, write_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.runtime.operations.results import Page
    from realmconf.surfaces.cli.call import Call


def realms(call: Call) -> None:
    """List the realms of the store, by name or as a tree."""
    found = _page(call, after=call.request.after, limit=call.request.limit)
    if call.json:
        call.print_json(call.as_json("realm/list", found))
        return
    if call.request.tree:
        from realmconf.surfaces.cli.lineage import tree

        call.print(*tree(call, found.entries))
        return
    call.print(
        *call.terminal.table(
            ("realm", "generation", "document"),
            ((str(one.realm), str(one.generation), _document(one)) for one in found.entries),
        )
    )


def _document(entry: Any) -> str:
    """What a line of the list says of a realm's document."""
    if entry.moved_to is not None:
        return f"in {entry.moved_to}"
    return "yes" if entry.exists else "deleted"


def _page(call: Call, *, after: str | None, limit: int | None) -> Page:
    """As many realms as were asked for, which may be more than a page; without a limit all of them."""
    entries: list[Any] = []
    while True:
        wanted = LIMITS.history_page if limit is None else limit - len(entries)
        wanted = min(wanted, LIMITS.history_page)
        page: Page = call.ask("realm/list", after=after, limit=wanted)
        entries += page.entries
        after = page.after
        if after is None or len(entries) == limit:
            return page.replace(entries=tuple(entries))


def rename(call: Call) -> None:
    """Move a realm's history to a new name."""
    _place(call, "realm/rename")


def copy(call: Call) -> None:
    """Start a realm with another one's document."""
    _place(call, "realm/copy")


def _place(call: Call, name: str) -> None:
    request = call.request
    found = call.ask(name, realm=request.old, to=request.new, **write_options(call))
    print_result(call, found.result, others=(found.source,))


def policy(call: Call) -> None:
    """Show or set what the realm asks of its writers."""
    request = call.request
    if request.action == "set":
        if not request.settings:
            raise InvalidArgument("policy set needs at least one KEY=VALUE")
        settings = dict(map(_setting, request.settings))
        print_result(call, call.ask("policy/set", policy=settings, **write_options(call)))
        return
    if request.settings:
        raise InvalidArgument("policy show takes no settings")
    refuse_options_of_writes(call)
    found = call.ask("policy/get")
    if call.json:
        call.print_json(call.as_json("policy/get", found))
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
