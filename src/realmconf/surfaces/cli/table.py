"""
What a command is made of: the records that the table of commands consists of.

Parser, help, completion and the reference page are all made from these, so that
what exists once is written once.  Knows nothing of argparse, nor of what a command does.
"""

from __future__ import annotations

from realmconf.domain.record import Record


class Option(Record):
    """A named argument: ``-n/--limit N``; a switch if it takes no value."""

    names: tuple[str, ...]
    help: str = ""
    """One line, without a full stop; empty: what the parameter's row says."""
    parameter: str = ""
    """The parameter of the operation that it gives; empty: that of its own name, if there is one."""
    kind: str | None = None
    """What its value is, by the names in ``values.PARSERS``; None for a switch."""
    label: str = ""
    """How help writes the value."""
    choices: tuple[str, ...] = ()
    default: str | None = None
    repeats: bool = False
    """May be given several times; its values are collected."""

    @property
    def destination(self) -> str:
        """The attribute that holds its value: the first long name."""
        long = next(name for name in self.names if name.startswith("--"))
        return long[2:].replace("-", "_")


class Operand(Record):
    """A positional argument: ``PATH``."""

    destination: str
    label: str
    kind: str
    help: str = ""
    parameter: str = ""
    required: bool = True
    repeats: bool = False
    choices: tuple[str, ...] = ()


class Command(Record):
    """One row of the table: what ``realmconf <name>`` takes, and the function that does it."""

    name: str
    group: str
    summary: str = ""
    """One line, in the imperative, without a full stop; empty: the summary of the operation that it is."""
    details: str = ""
    """What an operation's row does not say, since it is so on a command line only."""
    run: str
    """``module:function``; imported when the command is called, and not before."""
    operands: tuple[Operand, ...] = ()
    options: tuple[Option, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    """Destinations of which at most one may be given."""
    needs: tuple[str, ...] = ()
    """Packages that it cannot do without, and that not every installation has."""
    extra: str = ""
    """What to install for them: ``pip install 'realmconf[extra]'``."""
