"""
From the words of a command line to a command and its values.

Decides where options may stand: global ones before or after the command, every
option before or after the operands, ``--`` ends them.  Words without anything unusual are taken as they
are; about all others argparse decides, in ``usage``, which is loaded for them alone.
"""

from __future__ import annotations

from realmconf.surfaces.cli.commands import BY_NAME, GLOBAL_OPTIONS
from realmconf.surfaces.cli.values import PARSERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from realmconf.surfaces.cli.table import Command, Operand, Option


class UsageError(Exception):
    """The words do not form a command; nothing was attempted."""

    def __init__(self, reason: str, *, usage: str) -> None:
        super().__init__(reason)
        self.usage = usage


class HelpWanted(Exception):
    """Help was asked for; carries its text."""


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
        from realmconf.surfaces.cli.usage import without_command

        without_command(words)
    command = BY_NAME.get(words[place])
    if command is None:
        from realmconf.surfaces.cli.usage import unknown_command

        raise unknown_command(words[place])
    options = (*command.options, *GLOBAL_OPTIONS)
    named, plain = _sort_words([*words[:place], *words[place + 1 :]], options)
    if "-h" in named or "--help" in named:
        from realmconf.surfaces.cli.usage import page_of

        raise HelpWanted(page_of(command))
    given = taken(command, named, plain)
    if given is None:
        from realmconf.surfaces.cli.usage import judged

        given = judged(command, named, plain)
    for rivals in command.exclusive:
        stated = [name for name in rivals if given.get(name)]
        if len(stated) > 1:
            raise contradiction(command, *(_spelled(command, name) for name in stated))
    return Request(command, _valued(command, options, given))


def contradiction(command: Command, *arguments: str) -> UsageError:
    """The error for *arguments* of *command*, as they are spelled, that cannot be given together."""
    from realmconf.surfaces.cli.usage import usage_of

    return UsageError(" and ".join(arguments) + " contradict each other", usage=usage_of(command))


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


def taken(command: Command, named: Sequence[str], plain: Sequence[str]) -> dict[str, Any] | None:
    """
    The texts that usual words give, exactly as ``usage.judged`` would; None where it is to decide.

    Usual is an option of the table by its long name, with its value in the same word, and one operand
    for each of the command's.
    """
    values = _operands_taken(command.operands, plain)
    if values is None:
        return None
    by_name: dict[str, Option] = {}
    for option in (*command.options, *GLOBAL_OPTIONS):
        values[option.destination] = False if option.kind is None else option.default
        by_name |= dict.fromkeys(option.names, option)
    for word in named:
        name, separator, text = word.partition("=")
        known = by_name.get(name)
        if known is None or not name.startswith("--") or bool(separator) != bool(known.kind):
            return None
        if known.choices and text not in known.choices:
            return None
        if known.kind is None:
            values[known.destination] = True
        elif known.repeats:
            values[known.destination] = [*(values[known.destination] or ()), text]
        else:
            values[known.destination] = text
    return values


def _operands_taken(operands: Sequence[Operand], plain: Sequence[str]) -> dict[str, Any] | None:
    required = [operand.required for operand in operands]
    if not sum(required) <= len(plain) <= len(operands):
        return None
    # An operand that may be left out before one that may not: which of them a word is needs more than counting.
    if required != sorted(required, reverse=True) or any(operand.repeats for operand in operands):
        return None
    values: dict[str, Any] = {operand.destination: None for operand in operands}
    for operand, text in zip(operands, plain, strict=False):
        if text == "--" or (operand.choices and text not in operand.choices):
            return None
        values[operand.destination] = text
    return values


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
