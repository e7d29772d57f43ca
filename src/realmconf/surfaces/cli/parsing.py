"""
From the words of a command line to a command and its values, with argparse.

Decides where options may stand: global ones before or after the command, every
option before or after the operands, ``--`` ends them.  Builds the parser of the one
command that was called, because building all of them costs more than a read.
"""

from __future__ import annotations

import argparse

from realmconf.surfaces.cli.commands import BY_NAME, COMMANDS, GLOBAL_OPTIONS, GROUPS
from realmconf.surfaces.cli.values import PARSERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from realmconf.surfaces.cli.table import Command, Option


class UsageError(Exception):
    """The words do not form a command; nothing was attempted."""

    def __init__(self, reason: str, *, usage: str) -> None:
        super().__init__(reason)
        self.usage = usage


class HelpWanted(Exception):
    """Help was asked for; carries its text."""


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


class Request:
    """A command and its values: one attribute for each of its options and operands, None where not given."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, command: Command, values: dict[str, Any]) -> None:
        self.command = command
        self.__dict__.update(values)


def read(words: Sequence[str]) -> Request:
    """
    Parse *words*.

    Raises:
        HelpWanted: ``--help`` or ``--version``.
        UsageError: An unknown command or option, a missing or superfluous argument, or a contradiction.
        RealmconfError: An argument is not of its form.
    """
    place = _command_at(words)
    if place is None:
        _without_command(words)
    command = BY_NAME.get(words[place])
    if command is None:
        raise UsageError(_unknown(words[place]), usage=USAGE)
    options = (*command.options, *GLOBAL_OPTIONS)
    named, plain = _sort_words([*words[:place], *words[place + 1 :]], options)
    if "-h" in named or "--help" in named:
        raise HelpWanted(help_of(command))
    parser = parser_of(command)
    given = vars(parser.parse_args([*named, "--", *plain] if plain else named))
    for rivals in command.exclusive:
        stated = [name for name in rivals if given.get(name)]
        if len(stated) > 1:
            raise UsageError(
                " and ".join(_spelled(command, name) for name in stated) + " contradict each other",
                usage=parser.format_usage().strip(),
            )
    return Request(command, _valued(command, options, given))


def wants_json(words: Sequence[str]) -> bool:
    """Whether errors are to be JSON, found out without a valid command line."""
    for place, word in enumerate(words):
        if word in ("-o", "--output"):
            return list(words[place + 1 : place + 2]) == ["json"]
        if word in ("-ojson", "-o=json", "--output=json"):
            return True
        if word == "--":
            break
    return False


# --- words -----------------------------------------------------------------------


def _takes_value(options: Sequence[Option]) -> dict[str, Option]:
    return {name: option for option in options if option.kind for name in option.names}


def _command_at(words: Sequence[str]) -> int | None:
    """The position of the first word that is neither an option nor the value of one."""
    valued = _takes_value(GLOBAL_OPTIONS)
    place = 0
    while place < len(words):
        if not words[place].startswith("-"):
            return place
        place += 2 if words[place] in valued else 1
    return None


def _sort_words(words: Sequence[str], options: Sequence[Option]) -> tuple[list[str], list[str]]:
    """
    Take *words* apart into options, each with its value in one word, and operands.

    argparse itself does neither: it takes the value of ``-m -x`` for an option, and an optional
    operand after an option for one too many.
    """
    valued = _takes_value(options)
    named: list[str] = []
    plain: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            plain += waiting
        elif len(word) < 2 or word[0] != "-" or word[1].isdigit() or word[1] == ".":
            plain.append(word)
        elif word in valued:
            value = next(waiting, None)
            long = "--" + valued[word].destination.replace("_", "-")
            named.append(word if value is None else f"{long}={value}")
        else:
            named.append(word)
    return named, plain


def _valued(command: Command, options: Sequence[Option], given: dict[str, Any]) -> dict[str, Any]:
    kinds = {option.destination: option.kind for option in options if option.kind}
    kinds |= {operand.destination: operand.kind for operand in command.operands}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or name not in kinds:
            values[name] = value
        elif isinstance(value, list):
            values[name] = tuple(PARSERS[kinds[name]](item) for item in value)
        else:
            values[name] = PARSERS[kinds[name]](value)
    return values


def _spelled(command: Command, destination: str) -> str:
    for option in command.options:
        if option.destination == destination:
            return option.names[-1]
    return next(operand.label for operand in command.operands if operand.destination == destination)


# --- parsers and help ----------------------------------------------------------------


def parser_of(command: Command) -> _Parser:
    """The argparse parser of one command, global options included."""
    parser = _Parser(
        prog=f"realmconf {command.name}",
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=command.details or None,
        allow_abbrev=False,
    )
    for operand in command.operands:
        count = {(True, False): None, (False, False): "?", (False, True): "*", (True, True): "+"}
        parser.add_argument(
            operand.destination,
            metavar=operand.label,
            nargs=count[operand.required, operand.repeats],
            choices=operand.choices or None,
            help=operand.help,
        )
    for option in command.options:
        _add_option(parser, option)
    everywhere = parser.add_argument_group("options of every command")
    for option in GLOBAL_OPTIONS:
        _add_option(everywhere, option)
    return parser


def _add_option(parser: argparse._ActionsContainer, option: Option) -> None:
    names = list(option.names)
    meaning = option.help.replace("%", "%%")
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


def help_of(command: Command) -> str:
    """What ``realmconf COMMAND --help`` prints."""
    from shutil import get_terminal_size

    parser = parser_of(command)
    parser.width = get_terminal_size().columns
    return parser.format_help()


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
            f"  {command.name:{width}}  {command.summary}"
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


def _without_command(words: Sequence[str]) -> NoReturn:
    if "--version" in words:
        from importlib.metadata import version

        raise HelpWanted(f"realmconf {version('realmconf')}\n")
    if "-h" in words or "--help" in words:
        raise HelpWanted(overview())
    raise UsageError("no command was given", usage=USAGE)


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, BY_NAME, n=1)
    return f"there is no command {name!r}" + (f"; did you mean {near[0]}?" if near else "")
