"""
The reference page of the Python interface, printed from signatures and docstrings.

    python tools/render_python_reference.py            write docs/reference/python.md
    python tools/render_python_reference.py --check    fail if the page is not what would be written
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import realmconf
from realmconf.runtime import arguments
from realmconf.runtime.client import Client, Imported
from realmconf.runtime.runtime import ConfigRuntime
from realmconf.runtime.watch import Subscription, Watch
from realmconf.stores import protocol

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python.md"

INTRODUCTION = """\
# The Python interface

<!-- Printed by tools/render_python_reference.py from the library itself; do not edit. -->

Everything here is imported from `realmconf`. Writes take, besides what is shown, the
[options of a write](#options-of-a-write) by keyword. Whatever is wrong is a
[typed error](cli.md#exit-codes-and-errors), imported from `realmconf` too, and then nothing was changed, unless it
is `OutcomeUnknown`.

`AsyncClient` and `AsyncConfigRuntime` have the same names, awaited; a property needs no await except
`policy`, `watch()` is an async iterator, and callbacks may be coroutines.
"""

SECTIONS: list[tuple[str, list[Any]]] = [
    ("Opening", [realmconf.connect, realmconf.open, realmconf.aconnect]),
    ("One realm", [ConfigRuntime]),
    ("A client", [Client]),
    (
        "What comes back",
        [
            realmconf.ConfigSnapshot,
            realmconf.WriteResult,
            realmconf.Plan,
            realmconf.Revision,
            realmconf.Change,
            realmconf.ConfigEnvelope,
            realmconf.ConfigStoreMetadata,
            realmconf.ConfigResolvedPaths,
            realmconf.StoreInfo,
            realmconf.Policy,
            realmconf.Committed,
            realmconf.Void,
            realmconf.Pending,
            Watch,
            Subscription,
            Imported,
            protocol.RealmEntry,
            protocol.Compaction,
            protocol.WorkingCopyState,
        ],
    ),
    ("Places and limits", [realmconf.Pointer, realmconf.Limits]),
]
INTERNAL = {
    ConfigRuntime: {"snapshot_of", "typed", "shared", "store_metadata", "writing", "is_lenient"},
    Client: {"authorship", "deadline"},
    realmconf.ConfigSnapshot: {"record", "composed", "warn"},
    Watch: {"pause"},
    Subscription: set(),
}
"""Public to the library's own modules only."""


def page() -> str:
    lines = [INTRODUCTION]
    for title, members in SECTIONS:
        lines += [f"## {title}", ""]
        for member in members:
            lines += _class(member) if isinstance(member, type) else _function(member, "###")
    lines += ["## Options of a write", "", "| option | |", "|---|---|"]
    lines += [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in _option_fields()]
    return "\n".join(lines).rstrip() + "\n"


def _class(cls: type) -> Iterator[str]:
    yield f"### {cls.__name__}"
    yield ""
    yield _prose(cls.__doc__)
    yield ""
    fields = list(_fields(cls))
    if fields:
        yield "| field | |"
        yield "|---|---|"
        yield from (f"| `{_cell(name)}` | {_cell(text)} |" for name, text in fields)
        yield ""
    for name, member in vars(cls).items():
        if name.startswith("_") or name in INTERNAL.get(cls, ()):
            continue
        if isinstance(member, property):
            yield f"#### {name}"
            yield ""
            yield _prose(member.__doc__)
            yield ""
        elif isinstance(member, classmethod) or inspect.isfunction(member):
            yield from _function(getattr(cls, name), "####")


def _function(function: Any, level: str) -> Iterator[str]:
    yield f"{level} {function.__name__}"
    yield ""
    yield f"`{function.__name__}{_signature(function)}`"
    yield ""
    yield _prose(function.__doc__)
    yield ""


def _signature(function: Any) -> str:
    """Names and defaults; the types are in the code, where an editor shows them."""
    shown = []
    starred = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "cls", "world"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        if parameter.kind is parameter.VAR_KEYWORD:
            shown.append(f"**{parameter.name}")
        elif parameter.default is parameter.empty:
            shown.append(parameter.name)
        else:
            shown.append(f"{parameter.name}={_default(parameter.default)}")
    return f"({', '.join(shown)})"


def _default(value: object) -> str:
    if isinstance(value, (str, int, float, bool, type(None))):
        return repr(value)
    return "…"


def _fields(cls: type) -> Iterator[tuple[str, str]]:
    """The annotated fields of a record or class, each with the string that stands below it."""
    tree = ast.parse(inspect.getsource(cls))
    body = tree.body[0].body  # type: ignore[attr-defined]
    yield from _described(body)


def _option_fields() -> Iterator[tuple[str, str]]:
    # The options exist for type checkers only, so they are read from the source.
    tree = ast.parse(inspect.getsource(arguments))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "WriteOptions":
            yield from _described(node.body)


def _described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for index, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        if name.startswith("_"):
            continue
        following = body[index + 1] if index + 1 < len(body) else None
        text = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = " ".join(str(following.value.value).split())
        shown = f"{name}: {ast.unparse(node.annotation)}"
        yield shown, _inline(text)


def _prose(docstring: str | None) -> str:
    """A docstring as Markdown: its contract, and what it raises as a list."""
    text, _, raises = inspect.cleandoc(docstring or "").partition("Raises:\n")
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    shown = "\n\n".join(_inline(part) for part in paragraphs if part)
    if raises:
        entries = re.split(r"\n(?=    [A-Z])", "\n" + raises.rstrip())
        listed = [" ".join(entry.split()) for entry in entries if entry.strip()]
        shown += "\n\nRaises:\n\n" + "\n".join(
            f"- `{names}`: {_inline(reason)}"
            for names, _, reason in (entry.partition(": ") for entry in listed)
        )
    return shown


def _inline(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", text).replace("<", "&lt;")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments_given: list[str]) -> int:
    written = page()
    if arguments_given == ["--check"]:
        if PAGE.read_text("utf-8") == written:
            return 0
        print(f"{PAGE.name} is out of date: run tools/render_python_reference.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
