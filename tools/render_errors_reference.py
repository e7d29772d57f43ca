"""
The reference page of the errors, printed from the table that all surfaces answer by.

    python tools/render_errors_reference.py            write docs/reference/errors.md
    python tools/render_errors_reference.py --check    fail if the page is not what would be written
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from realmconf.errors import RealmconfError
from realmconf.surfaces.envelope import ANSWERS, Answer
from realmconf.surfaces.http.problems import KINDS
from realmconf.surfaces.rpc import messages

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "errors.md"

INTRODUCTION = """\
# Errors

<!-- Printed by tools/render_errors_reference.py from the table that all surfaces answer by; do not edit. -->

An error is the same one on every surface: an object with `code`, `message`, `retryable` and the members that are
named here. Programs compare `code`, which is stable; `message` is for people. `retryable` says whether the very
same request, with the same write id, may succeed later. No member and no message quotes a value of a configuration.

| where | it is |
|---|---|
| in Python | an exception of `realmconf` with these members as attributes; all are `RealmconfError` |
| [over HTTP](../http.md#errors) | `application/problem+json`: the object, and `type`, `title`, `status` and `detail` |
| [by JSON-RPC](../json-rpc.md#errors) | `error`, with the object as `data` |
| [for agents](../agents.md) | the answer of a tool with `isError`, with the object as its text and content |
| [on the command line](cli.md#exit-codes-and-errors) | an exit code and a line; with `-o json` also `{"error": {…}}` |

A status in brackets is that of a precondition that came in a header.
"""

OWN_CODES = (
    (messages.PARSE_ERROR, "parse_error", "The message is not JSON"),
    (messages.INVALID_REQUEST, "invalid_request", "The message is no request of JSON-RPC 2.0"),
    (messages.METHOD_NOT_FOUND, "method_not_found", "There is no such method"),
    (messages.CANCELLED, "cancelled", "The request was withdrawn before anything was done for it"),
    (messages.INTERNAL_ERROR, "defect", "A defect of realmconf: please report it"),
)
"""What JSON-RPC refuses before any operation is asked for, or cannot answer."""


def page() -> str:
    return "\n".join([INTRODUCTION, *_errors(), "", *_problems(), "", *_own_codes(), ""])


def _errors() -> Iterator[str]:
    yield "| code | means | HTTP | JSON-RPC | exit | members |"
    yield "|---|---|---|---|---|---|"
    for error, answer in sorted(ANSWERS.items(), key=lambda row: (row[0].code, row[0].__name__)):
        cells = (
            f"`{error.code}`<br>`{error.__name__}`",
            _meaning(error) + (" *(retryable)*" if error.retryable else ""),
            _status(answer),
            "–" if answer.rpc is None else str(answer.rpc),
            str(answer.exit),
            ", ".join(f"`{name}`" for name in _members(error)),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _meaning(error: type[RealmconfError]) -> str:
    first = (error.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(first.split()).rstrip(".").replace("``", "`")


def _status(answer: Answer) -> str:
    if answer.status is None:
        return "–"
    in_header = answer.status_for_header
    return str(answer.status) if in_header is None else f"{answer.status} ({in_header})"


def _members(error: type[RealmconfError]) -> list[str]:
    """The members that classes of *error* declare, those of the most general one first."""
    found: dict[str, None] = {}
    for one in reversed(error.__mro__):
        if issubclass(one, RealmconfError) and one is not RealmconfError:
            found.update(dict.fromkeys(vars(one).get("__annotations__", ())))
    return list(found)


def _problems() -> Iterator[str]:
    yield "## Of HTTP alone"
    yield ""
    yield "Their `type`, `/problems/NAME`, says more than their `code`, which is the nearest of those above."
    yield ""
    yield "| name | means | status | code |"
    yield "|---|---|---|---|"
    for kind in sorted(KINDS.values(), key=lambda one: (one.status, one.name)):
        yield f"| `{kind.name}` | {kind.title} | {kind.status} | `{kind.code}` |"


def _own_codes() -> Iterator[str]:
    yield "## Of JSON-RPC alone"
    yield ""
    yield "| code of JSON-RPC | `code` | means |"
    yield "|---|---|---|"
    yield from (f"| {number} | `{code}` | {meaning} |" for number, code, meaning in OWN_CODES)


def main(arguments: list[str]) -> int:
    written = page()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text("utf-8") == written:
            return 0
        print(f"{PAGE.name} is out of date: run tools/render_errors_reference.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
