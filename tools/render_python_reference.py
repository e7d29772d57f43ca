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
from realmconf import errors
from realmconf.runtime import arguments
from realmconf.runtime.client import Client, Imported
from realmconf.runtime.results import WatchedSnapshot
from realmconf.runtime.runtime import ConfigRuntime
from realmconf.runtime.snapshot import LineageMember
from realmconf.runtime.watch import Subscription, Watch
from realmconf.stores import protocol

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python.md"

INTRODUCTION = """\
# The Python interface

<!-- Printed by tools/render_python_reference.py from the library itself; do not edit. -->

Everything here is imported from `realmconf`. Writes take, besides what is shown, the
[options of a write](#options-of-a-write) by keyword. Whatever is wrong is a [typed error](#errors), imported
from `realmconf` too, and then nothing was changed, unless it is `OutcomeUnknown`.

`AsyncClient` and `AsyncConfigRuntime` have the same names, awaited; a property needs no await except `policy`,
`parent` and `schema`, `watch()` is an async iterator, and callbacks may be coroutines.
"""

TOPICS = (
    (
        "[realms that inherit](../composition.md)",
        (ConfigRuntime, ("parent", "set_parent", "explain", "at", "watch", "on_change")),
        (Client, ("descendants",)),
        (realmconf.ConfigSnapshot, ("lineage", "cursor")),
        (realmconf.Plan, ("descendants", "effective_changes")),
    ),
    (
        "[schemas](../schema.md)",
        (
            ConfigRuntime,
            ("schema", "set_schema", "unset_schema", "publish_schema", "validate"),
        ),
        (Client, ("realm",)),
    ),
    (
        "[secrets](../secrets.md)",
        (realmconf.ConfigSnapshot, ("secret",)),
        (Client, ("secrets",)),
        (realmconf.Secret, ("reveal",)),
        (realmconf.SecretSources, ("resolve", "bound")),
    ),
)
"""What a page tells of, and the members with which that is done."""

ERRORS = """\
Each has its `code`, `retryable` (whether the same request may succeed when it is sent again), the fields below,
`to_dict()`, and a text for people, which quotes no value of a configuration. Exit codes and statuses stand
[with the commands](cli.md#exit-codes-and-errors)."""

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
            WatchedSnapshot,
            LineageMember,
            protocol.Notice,
            realmconf.Provenance,
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
    ("A store", [realmconf.TaggedStore]),
    ("Secrets", [realmconf.Secret, realmconf.SecretSources, realmconf.reveal]),
    ("Places and limits", [realmconf.Pointer, realmconf.Limits]),
]
INTERNAL = {
    ConfigRuntime: {"snapshot_of", "writing"},
    Client: {"authorship", "deadline"},
    realmconf.ConfigSnapshot: {"record", "composed", "point", "shows", "warn"},
    realmconf.WriteResult: {"before"},
    WatchedSnapshot: {"is_legible"},
    Watch: {"pause"},
}
"""Public to the library's own modules only."""

CONSTRUCTED = (realmconf.Secret, realmconf.SecretSources, realmconf.TaggedStore)
"""Classes of which users make instances."""


def page() -> str:
    lines = [INTRODUCTION, "| about | |", "|---|---|", *map(_topic, TOPICS), ""]
    for title, members in SECTIONS:
        lines += [f"## {title}", ""]
        for member in members:
            lines += _class(member) if isinstance(member, type) else _function(member, "###")
    lines += ["## Options of a write", "", "| option | |", "|---|---|"]
    lines += [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in _option_fields()]
    lines += ["", "## Errors", "", ERRORS, "", "| error | code | fields | |", "|---|---|---|---|"]
    lines += map(_error, _tree(errors.RealmconfError))
    return "\n".join(lines).rstrip() + "\n"


def _topic(topic: tuple[Any, ...]) -> str:
    title, *owners = topic
    named = []
    for cls, members in owners:
        for member in members:
            # A member that was renamed ends the run.
            getattr(cls, member)
            named.append(f"`{cls.__name__}.{member}`")
    return f"| {title} | {', '.join(named)} |"


def _class(cls: type) -> Iterator[str]:
    yield f"### {cls.__name__}"
    yield ""
    if cls in CONSTRUCTED:
        yield f"`{cls.__name__}{_signature(cls.__init__)}`"
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


def _tree(cls: type[errors.RealmconfError]) -> Iterator[type[errors.RealmconfError]]:
    """*cls* and all that come from it, each before those that come from it."""
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


def _error(cls: type[errors.RealmconfError]) -> str:
    base = cls.__bases__[0]
    inherits = "" if base in (Exception, errors.RealmconfError) else f" ({base.__name__})"
    named = ", ".join(f"`{name}`" for name in _error_fields(cls))
    meaning = _inline(" ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split()))
    code = "" if meaning.startswith(("Abstract", "The root")) else f"`{cls.code}`"
    return f"| `{cls.__name__}`{inherits} | {code} | {named} | {_cell(meaning)} |"


def _error_fields(cls: type[errors.RealmconfError]) -> list[str]:
    """What the class's own constructor gives to the root of the tree; of one without, what it annotates."""
    if "__init__" not in vars(cls):
        return list(inspect.get_annotations(cls))
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls.__init__)))
    return [
        keyword.arg or ""
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__"
        for keyword in call.keywords
        if keyword.arg
    ]


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
