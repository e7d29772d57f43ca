"""
``token``: make, list and end the tokens that a server takes.

Decides how a new token is handed over: alone on standard output, so that it can be piped to where it is kept, and
never again.  What a token may be for is decided below.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument
from realmconf.surfaces.cli.terminal import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.runtime.tokens import Token
    from realmconf.surfaces.cli.call import Call

FOR_CREATE = ("realms", "role", "path", "name", "expires")


def token(call: Call) -> None:
    """Make, list or end a token."""
    request = call.request
    action = request.action
    if action != "create":
        _refuse(action, (f"--{name}" for name in FOR_CREATE if getattr(request, name) is not None))
    if action != "revoke":
        _refuse(action, () if request.id is None else ("ID",))
    {"create": _create, "list": _list, "revoke": _revoke}[action](call)


def _refuse(action: str, given: Iterable[str]) -> None:
    for name in given:
        raise InvalidArgument(f"token {action} takes no {name}")


def _create(call: Call) -> None:
    request = call.request
    if request.realms is None or request.role is None:
        raise InvalidArgument(
            "token create needs --realms PATTERN (* is all of them) and --role read, write, admin or secrets"
        )
    made = call.ask(
        "token/create",
        realms=list(request.realms),
        roles=list(request.role),
        paths=None if request.path is None else [str(path) for path in request.path],
        name=request.name,
        expires=request.expires,
    )
    if call.json:
        call.print_json(call.as_json("token/create", made))
    else:
        call.print(made.text)
    call.say(
        f"token {made.token.id}: {_rights(made.token)}; {_end(made.token)}",
        "this is the only time that it is shown: keep it where only its user can read it",
        "a program gives it as $REALMCONF_TOKEN, or as the header Authorization: Bearer TOKEN",
        f"to end it: realmconf token revoke {made.token.id}",
    )


def _list(call: Call) -> None:
    found = call.ask("token/list")
    if call.json:
        call.print_json(call.as_json("token/list", found))
        return
    if not found:
        call.say("there is no token; to make one: realmconf token create --realms '*' --role read")
        return
    now = call.client.world.timestamp()
    call.print(
        *call.terminal.table(
            ("id", "name", "roles", "realms", "paths", "expires (utc)", "made by", "made (utc)"),
            (_row(one, now=now) for one in found),
        )
    )


def _row(one: Token, *, now: str) -> tuple[str, ...]:
    if one.expires_at is None:
        end = "never"
    else:
        end = moment(one.expires_at) + (" (over)" if one.expires_at <= now else "")
    return (
        one.id,
        one.name,
        ", ".join(one.roles),
        ", ".join(one.realms),
        ", ".join(map(str, one.paths)) or "all",
        end,
        one.created_by,
        moment(one.created_at),
    )


def _revoke(call: Call) -> None:
    if call.request.id is None:
        raise InvalidArgument("token revoke needs the ID of a token, as token list shows it")
    ended = call.ask("token/revoke", id=call.request.id)
    if call.json:
        call.print_json(call.as_json("token/revoke", ended))
    else:
        call.print(f"{ended.token.id} is revoked")
        if ended.also:
            call.say(f"revoked with it, since they were made with it: {', '.join(ended.also)}")


def _rights(one: Any) -> str:
    below = f" below {', '.join(map(str, one.paths))}" if one.paths else ""
    return f"{', '.join(one.roles)} in {', '.join(one.realms)}{below}"


def _end(one: Token) -> str:
    return "it never ends" if one.expires_at is None else f"it ends {moment(one.expires_at)} UTC"
