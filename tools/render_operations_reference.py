"""
The reference page of the operations, printed from their table.

    python tools/render_operations_reference.py            write docs/reference/operations.md
    python tools/render_operations_reference.py --check    fail if the page is not what would be written
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from realmconf.runtime.operations.kinds import KINDS
from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.runtime.operations.table import Operation, Parameter, Route
from realmconf.surfaces.answers import SHAPES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "operations.md"

INTRODUCTION = """\
# Operations

<!-- Printed by tools/render_operations_reference.py from the table of operations; do not edit. -->

What can be asked of a realmconf server, of `realmconf rpc`, of `realmconf mcp` and of the command line: the same
operations, with the same parameters, rights, answers and errors.

- HTTP takes what is in the path from there, and all else from the query, or from the JSON object that is the body. With
  the media types named here one parameter is the body as a whole.
- JSON-RPC takes all parameters as an object.
- On the command line they are options and operands, as [its own reference](cli.md) has them.

Operations that concern a realm take `realm` too. Without it they concern the realm that the surface was started with,
if there is one.

A role is needed in the realm, unless something else is said; `admin` implies `write`, which implies `read`. Secrets are
shown as marks to whoever does not have the role `secrets`. What each error is called, and its status, code and exit
code, is in [the table of errors](errors.md).
"""

NEEDED_FOR = {
    "realm": "`{role}`",
    "store": "`{role}` in every realm",
    "each": "`{role}`, in each realm that the operation finds or names",
}
"""How the page says what a role is needed for."""


def page() -> str:
    lines = [INTRODUCTION]
    for group in dict.fromkeys(operation.group for operation in OPERATIONS):
        lines += [f"## {group}", ""]
        for operation in OPERATIONS:
            if operation.group == group:
                lines += [*_section(operation), ""]
    return "\n".join(lines)


def _section(operation: Operation) -> Iterator[str]:
    yield f"### {operation.name}"
    yield ""
    yield f"{operation.summary[0].upper()}{operation.summary[1:]}."
    if operation.details:
        yield ""
        yield operation.details
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {title} | {_cell(text)} |" for title, text in _facts(operation))
    if operation.parameters:
        yield ""
        yield "| parameter | is | |"
        yield "|---|---|---|"
        yield from map(_row, operation.parameters)


def _facts(operation: Operation) -> Iterator[tuple[str, str]]:
    yield "role", NEEDED_FOR[operation.on].format(role=operation.role)
    if operation.route is not None:
        yield "HTTP", "; ".join(_route(operation.route))
    if operation.methods:
        yield "JSON-RPC", f"`{operation.name}`"
    if operation.tool is not None:
        yield "MCP", f"`{operation.tool}`"
    if operation.command is not None:
        name = operation.command.partition(" ")[0]
        yield "command", f"[`realmconf {operation.command}`](cli.md#{name})"
    yield "answer", _answer(operation)


def _route(route: Route) -> Iterator[str]:
    yield f"`{route.method} {route.path}`"
    yield from (f"`{media}` is `{name}`" for media, name in route.bare)
    if route.query:
        yield "also in the query: " + ", ".join(f"`{name}`" for name in route.query)


def _answer(operation: Operation) -> str:
    text = (SHAPES[operation.answer].__doc__ or "").strip().split("\n\n")[0]
    said = " ".join(text.split()).replace("``", "`")
    return f"a stream; of each step: {said}" if operation.streams else said


def _row(parameter: Parameter) -> str:
    form = "one of " + ", ".join(parameter.choices) if parameter.choices else ""
    form = form or KINDS[parameter.kind].says
    if parameter.required:
        form += "; required"
    if parameter.default is not None:
        form += f"; {json.dumps(parameter.default)} if not given"
    return f"| `{parameter.name}` | {_cell(form)} | {_cell(parameter.help)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main(arguments: list[str]) -> int:
    written = page().rstrip("\n") + "\n"
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text("utf-8") == written:
            return 0
        print(f"{PAGE.name} is out of date: run tools/{Path(__file__).name}", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
