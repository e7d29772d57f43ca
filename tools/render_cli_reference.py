"""
The reference page of the command line, printed from the table of commands.

    python tools/render_cli_reference.py            write docs/reference/cli.md
    python tools/render_cli_reference.py --check    fail if the page is not what would be written
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from realmconf.errors import RealmconfError
from realmconf.surfaces.cli.commands import COMMANDS, GLOBAL_OPTIONS, GROUPS
from realmconf.surfaces.cli.table import Command, Option
from realmconf.surfaces.cli.usage import sentence
from realmconf.surfaces.cli.wording import actions_of, details_of, help_of, summary_of
from realmconf.surfaces.envelope import ANSWERS, Answer

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"

INTRODUCTION = """\
# The command line

<!-- Printed by tools/render_cli_reference.py from the table of commands; do not edit. -->

`realmconf [OPTIONS] COMMAND [ARGUMENTS]`. Options may stand before or after the command; `--` ends
them. A PATH is dotted (`agent.model`, with TOML quoting: `hosts."a.b".port`), or a JSON Pointer
if it starts with `/`.

The answer goes to standard output, everything said about it to standard error. Literals that look
secret (by the name of their key: `api_key`, `token`, `password`, …; by a schema; below `/realm`) are
printed as a mark. Sent back at its own place, the mark keeps the stored secret.
"""


def page() -> str:
    lines = [INTRODUCTION, "## Options of every command", "", *_options(GLOBAL_OPTIONS)]
    for group in GROUPS:
        lines += ["", f"## {group}"]
        for command in COMMANDS:
            if command.group == group:
                lines += ["", *_section(command)]
    lines += ["", *_exit_codes()]
    return "\n".join(lines) + "\n"


def _section(command: Command) -> Iterator[str]:
    words = ["realmconf", command.name]
    for operand in command.operands:
        label = operand.label + (" …" if operand.repeats else "")
        words.append(label if operand.required else f"[{label}]")
    yield f"### {command.name}"
    yield ""
    yield f"`{' '.join(words)}`"
    yield ""
    yield sentence(summary_of(command))
    if details_of(command):
        yield ""
        yield _text(details_of(command))
    actions = actions_of(command)
    if actions:
        yield ""
        yield from (f"- `{word}`: {_text(meaning)}" for word, meaning in actions.items())
    rows = [(operand.label, help_of(command, operand)) for operand in command.operands]
    if rows or command.options:
        yield ""
        yield "| argument | |"
        yield "|---|---|"
        yield from (_row(label, meaning) for label, meaning in rows)
        yield from (_row(_spelled(one), help_of(command, one)) for one in command.options)


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    yield "| option | |"
    yield "|---|---|"
    yield from (_row(_spelled(option), option.help) for option in options)


def _row(argument: str, meaning: str) -> str:
    return f"| `{_cell(argument)}` | {_cell(_text(meaning))} |"


def _spelled(option: Option) -> str:
    value = "|".join(option.choices) or option.label
    return ", ".join(option.names) + (f" {value}" if option.kind else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace("$", "\\$")


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes and errors"
    yield ""
    yield 'With `-o json` an error is `{"error": {"code": …, "message": …, …}}` on standard output.'
    yield ""
    yield "| exit | error | meaning | HTTP | JSON-RPC |"
    yield "|---|---|---|---|---|"
    yield "| 0 | | done | | |"
    yield "| 1 | `defect` | a defect of realmconf: please report it | | |"
    yield "| 2 | `usage` | the words do not form a command; nothing was attempted | | |"
    for error, answer in sorted(ANSWERS.items(), key=lambda row: (row[1].exit, row[0].code)):
        yield _error_row(error, answer)
    yield "| 130, 141, 143 | | ended by Ctrl-C, a closed pipe, SIGTERM | | |"


def _error_row(error: type[RealmconfError], answer: Answer) -> str:
    meaning = " ".join((error.__doc__ or "").strip().split("\n\n")[0].split()).rstrip(".")
    meaning = meaning.replace("``", "`")
    status = (
        f"{answer.status} ({answer.status_for_header})"
        if answer.status_for_header
        else answer.status
    )
    cells = (answer.exit, f"`{error.code}`", _cell(meaning), status, answer.rpc)
    return "| " + " | ".join("–" if cell is None else str(cell) for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    written = page()
    if arguments == ["--check"]:
        if PAGE.read_text("utf-8") == written:
            return 0
        print(f"{PAGE.name} is out of date: run tools/render_cli_reference.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
