"""
What help, completion and the reference say of a command: the words of its operations, and the terminal's own.

Decides nothing but where a text comes from.  No command that runs needs it.
"""

from __future__ import annotations

from realmconf.runtime.operations.rows import OPERATIONS, WRITE_OPTIONS, WRITING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.runtime.operations.table import Operation, Parameter
    from realmconf.surfaces.cli.table import Command, Operand, Option

ALONE = ""
"""The word that chooses the operation of a command that is one."""


def operations_of(command: Command) -> dict[str, Operation]:
    """The operations that *command* is, by the word that chooses each: ``set`` of ``schema set``."""
    named = ((*(one.command or "").partition(" "), one) for one in OPERATIONS)
    return {word: one for name, _, word, one in named if name == command.name}


def summary_of(command: Command) -> str:
    """One line, in the imperative, without a full stop."""
    return command.summary or operations_of(command)[ALONE].summary


def details_of(command: Command) -> str:
    """What is to be known besides; may be empty."""
    operation = operations_of(command).get(ALONE)
    said = "" if operation is None else operation.details
    return " ".join(filter(None, (said, command.details)))


def actions_of(command: Command) -> dict[str, str]:
    """Of a command that is several operations, what each does, by the word that chooses it."""
    return {
        word: " ".join(filter(None, (f"{one.summary}.", one.details)))
        for word, one in operations_of(command).items()
        if word != ALONE
    }


def help_of(command: Command | None, argument: Option | Operand) -> str:
    """What one argument of *command* means; of none, what it means everywhere."""
    if argument.help or command is None:
        return argument.help
    name = parameter_name(argument)
    operations = operations_of(command)
    taking = {word: one for word, one in operations.items() if name in _names(one)}
    parameter = next((one.parameter(name) for one in taking.values()), None) or _shared(name)
    prefix, suffix = "", ""
    if ALONE not in operations and name not in WRITE_OPTIONS:
        prefix = f"with {' and '.join(taking)}: "
    if argument.repeats:
        suffix += "; may be repeated"
    if getattr(argument, "default", None):
        suffix += f" (default {argument.default})"  # type: ignore[union-attr]
    return f"{prefix}{parameter.help}{suffix}"


def parameter_name(argument: Option | Operand) -> str:
    """The parameter that *argument* gives, if an operation has it."""
    return argument.parameter or argument.destination


def _names(operation: Operation) -> list[str]:
    return [parameter.name for parameter in operation.parameters]


def _shared(name: str) -> Parameter:
    """A parameter of every write, for the commands that write and are no operation."""
    return next(parameter for parameter in WRITING if parameter.name == name)
