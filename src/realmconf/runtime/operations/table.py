"""
What a row of the table of operations says, and how a call of one is checked.

Commands, routes, the OpenAPI document, methods, tools and the reference page are made from these records.  Knows
nothing of any transport.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from realmconf.runtime.operations.session import Session


class Parameter(Record):
    """One argument of an operation, by name."""

    name: str
    kind: str
    """A key of ``kinds.KINDS``: what it may be, as JSON and as text."""
    help: str
    """One line, without a full stop."""
    required: bool = False
    choices: tuple[str, ...] = ()
    default: object = None
    """What it is when it is not given, for readers of the reference; applied by what the row runs."""


class Route(Record):
    """Where HTTP has an operation."""

    method: str
    path: str
    """Below the server's root, with ``{name}`` for what comes from the path."""
    bare: tuple[tuple[str, str], ...] = ()
    """Media types whose body as a whole is one parameter: pairs of both. ``application/json`` is always an object
    of all parameters."""
    query: tuple[str, ...] = ()
    """Parameters of a request with a body that may also come in the query."""


class Operation(Record):
    """One thing that can be asked for."""

    name: str
    """``noun/verb``: the JSON-RPC method, and its name in every other place."""
    group: str
    summary: str
    """One line, in the imperative, without a full stop."""
    details: str = ""
    run: str
    """``module:function`` in this package, called with a session and the arguments by name."""
    role: str
    """What the caller needs: read | write | admin."""
    on: str = "realm"
    """What the role is needed for: the realm named by ``realm``, every realm (``store``), or each realm that is
    found or named in the arguments (``each``), which what the row runs sees to."""
    parameters: tuple[Parameter, ...] = ()
    answer: str
    """A key of ``surfaces.answers.SHAPES``."""
    writes: bool = False
    """Whether it changes the store; such an operation takes the options of writes among its parameters."""
    streams: bool = False
    """Whether the answer is a stream of steps, for which ``run`` gives where it starts."""
    route: Route | None = None
    tool: str | None = None
    """The MCP tool."""
    methods: bool = True
    """Whether JSON-RPC has it."""
    command: str | None = None
    """The command of the command line, with the word that chooses among several: ``get``, ``schema set``."""

    @property
    def takes(self) -> frozenset[str]:
        """The names of its parameters, ``realm`` included where it concerns one."""
        named = frozenset(parameter.name for parameter in self.parameters)
        return named | {"realm"} if self.on == "realm" else named

    def parameter(self, name: str) -> Parameter:
        """The parameter of this name, which it has."""
        return next(parameter for parameter in self.parameters if parameter.name == name)


def call(operation: Operation, session: Session, arguments: Mapping[str, Any]) -> Any:
    """
    Do what *operation* says for the caller of *session*, whose rights are asked first.

    *arguments* are JSON values by name; one that is None counts as not given.

    Raises:
        NotPermitted: The caller lacks the role; nothing was looked at.
        InvalidArgument: An argument is missing, unknown, or not of its kind.
        RealmconfError: As what the row runs.
    """
    given = prepared(operation, session, arguments)
    return function_of(operation)(session, **given)


def prepared(
    operation: Operation, session: Session, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments as what the row runs takes them: checked, after the caller's right was."""
    from realmconf.runtime.operations.kinds import check

    unknown = sorted(arguments.keys() - operation.takes)
    if unknown:
        raise InvalidArgument(f"{operation.name} has no parameter {str(unknown[0])[:100]!a}")
    given: dict[str, Any] = {}
    if operation.on == "realm":
        realm = session.named(arguments.get("realm"))
        session.require(operation, realm)
        given["realm"] = realm
    else:
        session.require(operation, None)
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if value is not None:
            given[parameter.name] = check(parameter, value)
        elif parameter.required:
            raise InvalidArgument(f"{operation.name} needs {parameter.name}")
    return given


def function_of(operation: Operation) -> Callable[..., Any]:
    """The function that does it."""
    module, _, name = operation.run.partition(":")
    found: Callable[..., Any] = getattr(__import__(module, fromlist=[name]), name)
    return found
