"""``explain``: where a value of the configuration comes from, what it shadows, and who masks it."""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.unread import unread
from realmconf.surfaces.cli.formats import toml_value
from realmconf.surfaces.cli.history import shortened, since
from realmconf.surfaces.cli.terminal import moment, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.explaining import Provenance
    from realmconf.surfaces.cli.call import Call
    from realmconf.surfaces.veil import Veil

COLUMNS = ("realm", "generation", "time (utc)", "author", "message")


def explain(call: Call) -> None:
    """Print the origin of one value, or of each value below a place."""
    snapshot = call.realm().get()
    answer = call.ask("config/explain", path=str(call.request.path or ""))
    call.warn(snapshot.warnings)
    if call.json:
        call.print_json(call.as_json("config/explain", answer))
        return
    found, veil = answer.provenance, call.veil
    if found.parts:
        call.print(*_table_of_parts(call, found.parts, veil=veil))
    else:
        call.print(*_one_value(call, found, veil=veil))


def _one_value(call: Call, found: Provenance, *, veil: Veil) -> Iterator[str]:
    terminal = call.terminal
    yield terminal.paint(printable(_headline(found, veil=veil)), "bold")
    stated = [] if found.realm is None else [("stated by", found)]
    others = [(_role(one), one) for one in found.shadowed]
    if stated or others:
        yield from terminal.table(
            ("", *COLUMNS, "value"),
            (
                (role, *_origin(one), _value(unread(one, "value"), one.pointer, veil))
                for role, one in (*stated, *others)
            ),
        )
    if found.default is not ABSENT:
        yield f"the schema's default: {printable(_value(found.default, found.pointer, veil))}"


def _headline(found: Provenance, *, veil: Veil) -> str:
    name = found.pointer.dotted or "(everything)"
    if unread(found, "value") is not ABSENT:
        return f"{name} = {_value(unread(found, 'value'), found.pointer, veil)}"
    masked = "" if found.masked_by is None else f": {found.masked_by} masks what is inherited"
    return f"{name} has no value{masked}"


def _role(one: Provenance) -> str:
    return "shadows" if one.masked_by is None else f"masked by {one.masked_by}"


def _table_of_parts(call: Call, parts: Sequence[Provenance], *, veil: Veil) -> list[str]:
    """One line for each value, with the realms in whose place it stands."""
    return call.terminal.table(
        (*COLUMNS, "shadows", "value"),
        (
            (
                *_origin(one),
                ", ".join(str(other.realm) for other in one.shadowed),
                f"{one.pointer.dotted} = {_value(unread(one, 'value'), one.pointer, veil)}",
            )
            for one in parts
        ),
    )


def _origin(one: Provenance) -> tuple[str, ...]:
    if one.realm is None or one.generation is None:
        return ("", "", "", "", "")
    return (
        str(one.realm),
        since(one.generation, at_least=one.at_least),
        moment(one.created_at or ""),
        one.author or "",
        shortened(one.message or ""),
    )


def _value(value: Any, pointer: Pointer, veil: Veil) -> str:
    return toml_value(veil.over(value, pointer))
