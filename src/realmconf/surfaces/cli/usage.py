"""
What argparse is for here: to say what is wrong with unusual words, and to print usage and help.

Builds the parser of the one command that was called.  ``parsing`` takes the usual words without it,
because loading and building it costs more than a read; whatever has anything unusual in it comes here.
"""

from __future__ import annotations

import argparse

from realmconf.surfaces.cli.commands import BY_NAME, COMMANDS, GLOBAL_OPTIONS, GROUPS
from realmconf.surfaces.cli.parsing import HelpWanted, UsageError
from realmconf.surfaces.cli.wording import actions_of, details_of, help_of, summary_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from realmconf.surfaces.cli.table import Command, Option


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would exit, and asks for the terminal's width only to print help."""

    width = 80

    def _get_formatter(self) -> argparse.HelpFormatter:
        # argparse makes a formatter for every argument it is given, and without a width
        # each of them asks the terminal for it.
        return argparse.HelpFormatter(self.prog, width=self.width - 2)

    def error(self, message: str) -> NoReturn:
        reason = message.replace("unrecognized arguments: -- ", "unrecognized arguments: ")
        raise UsageError(reason, usage=self.format_usage().strip())


def judged(command: Command, named: Sequence[str], plain: Sequence[str]) -> dict[str, Any]:
    """
    The texts that options (*named*, each with its value in one word) and operands (*plain*) give.

    Raises:
        UsageError: They do not form this command.
    """
    return vars(_parser_of(command).parse_args([*named, "--", *plain] if plain else [*named]))


def usage_of(command: Command) -> str:
    """The lines that say how *command* is called."""
    return _parser_of(command).format_usage().strip()


def page_of(command: Command) -> str:
    """What ``realmconf COMMAND --help`` prints."""
    from shutil import get_terminal_size
    from textwrap import fill

    parser = _parser_of(command)
    parser.width = get_terminal_size().columns
    text = parser.format_help()
    for word, meaning in actions_of(command).items():
        said = fill(f"{word}: {meaning}", width=parser.width - 2, subsequent_indent="    ")
        text += f"\n{said}\n"
    return text


def _parser_of(command: Command) -> _Parser:
    """The argparse parser of one command, global options included."""
    parser = _Parser(
        prog=f"realmconf {command.name}",
        description=sentence(summary_of(command)),
        epilog=details_of(command) or None,
        allow_abbrev=False,
    )
    for operand in command.operands:
        count = {(True, False): None, (False, False): "?", (False, True): "*", (True, True): "+"}
        parser.add_argument(
            operand.destination,
            metavar=operand.label,
            nargs=count[operand.required, operand.repeats],
            choices=operand.choices or None,
            help=help_of(command, operand).replace("%", "%%"),
        )
    for option in command.options:
        _add_option(parser, option, meaning=help_of(command, option))
    everywhere = parser.add_argument_group("options of every command")
    for option in GLOBAL_OPTIONS:
        _add_option(everywhere, option, meaning=option.help)
    return parser


def sentence(summary: str) -> str:
    """*summary* with a capital and a full stop."""
    return f"{summary[0].upper()}{summary[1:]}."


def _add_option(parser: argparse._ActionsContainer, option: Option, *, meaning: str) -> None:
    names = list(option.names)
    meaning = meaning.replace("%", "%%")
    if option.kind is None:
        parser.add_argument(*names, dest=option.destination, action="store_true", help=meaning)
    else:
        parser.add_argument(
            *names,
            dest=option.destination,
            metavar=option.label,
            action="append" if option.repeats else "store",
            choices=option.choices or None,
            default=option.default,
            help=meaning,
        )


# --- without a command, or with a wrong one -------------------------------------------

USAGE = "usage: realmconf [OPTIONS] COMMAND …   (realmconf --help lists the commands)"


def overview() -> str:
    """What ``realmconf --help`` prints."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        "usage: realmconf [OPTIONS] COMMAND …",
        "",
        "Live, typed, versioned configuration for programs that run as several processes.",
    ]
    for group in GROUPS:
        lines += ["", f"{group}:"]
        lines += [
            f"  {command.name:{width}}  {summary_of(command)}"
            for command in COMMANDS
            if command.group == group
        ]
    lines += ["", "Options, before or after the command:"]
    for option in GLOBAL_OPTIONS:
        spelled = ", ".join(option.names) + f" {option.label}"
        lines.append(f"  {spelled:21}  {option.help}")
    lines += [
        f"  {'--version':21}  print the version",
        "",
        "realmconf COMMAND --help says what a command takes.",
        "",
        "Exit codes: 0 done, 2 usage, 3 conflict, 4 invalid, 5 not there, 6 store, 7 outcome unknown, 8 not permitted,",
        '9 secret, 1 a defect of realmconf. With -o json an error is {"error": {"code": …}} on standard output.',
        "",
    ]
    return "\n".join(lines)


def without_command(words: Sequence[str]) -> NoReturn:
    """
    Raises:
        HelpWanted: The version or the overview was asked for.
        UsageError: Nothing was, or an option that there is not.
    """
    if "--version" in words:
        from importlib.metadata import version

        raise HelpWanted(f"realmconf {version('realmconf')}\n")
    if "-h" in words or "--help" in words:
        raise HelpWanted(overview())
    known = {name for option in GLOBAL_OPTIONS for name in option.names}
    values_of = {word for word, before in zip(words[1:], words, strict=False) if before in known}
    for word in words:
        if word.partition("=")[0] not in known and word not in values_of:
            raise UsageError(f"there is no option {word!r}, and no command was given", usage=USAGE)
    raise UsageError("no command was given", usage=USAGE)


def unknown_command(name: str) -> UsageError:
    """The error for *name*, which is no command, with what was probably meant."""
    from difflib import get_close_matches

    near = get_close_matches(name, BY_NAME, n=1)
    proposal = f"; did you mean {near[0]}?" if near else ""
    return UsageError(f"there is no command {name!r}{proposal}", usage=USAGE)
