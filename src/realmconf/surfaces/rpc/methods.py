"""
What can be asked for: a method for each row of the table of operations, and those of the conversation itself.

Decides what the parameters of a request are: an object of all of them by name; or, where a row has a parameter
that is a whole body elsewhere (a document, a patch), that very thing.  Knows nothing of messages.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.domain.schemas.wording import quoted, suggestion
from realmconf.errors import InvalidArgument
from realmconf.runtime.operations.kinds import KINDS, check, schema_of
from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.runtime.operations.table import Parameter, call
from realmconf.runtime.operations.waiting import may_wait, wait_of
from realmconf.surfaces import answers
from realmconf.surfaces.rpc.messages import is_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from realmconf.runtime.operations.table import Operation
    from realmconf.runtime.operations.waiting import Wait
    from realmconf.surfaces.meerkat import Wire
    from realmconf.surfaces.rpc.conversation import Conversation

REALM = Parameter(
    name="realm",
    kind="realm",
    help="the realm; without it the one that was named or found when the process was started",
)


class Outcome(Record):
    """What a method answers."""

    result: Any
    then: Callable[[], None] | None = None
    """What begins when the answer is out."""


class Parked(Record):
    """A request that first waits for a change."""

    wait: Wait
    run: Callable[[], Outcome]
    """What answers it when the wait is over."""


class Method(Record):
    """One thing that can be asked for."""

    name: str
    summary: str
    details: str = ""
    parameters: tuple[Parameter, ...] = ()
    run: Callable[[Conversation, Mapping[str, Any]], Outcome | Parked]
    """Called with the parameters by name, which it checks."""
    may_wait: bool = False
    """Whether there are requests of it that wait for a change."""
    keeps_order: bool = False
    """Whether it is done after all such methods that were asked for before it."""
    whole: Parameter | None = None
    """The parameter that the parameters as a whole may be, if it is not among them."""

    def described(self) -> dict[str, Any]:
        """The method for whoever looks for it: its parameters as a JSON Schema."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {one.name: schema_of(one) for one in self.parameters},
            "required": [one.name for one in self.parameters if one.required],
            "additionalProperties": False,
        }
        shown: dict[str, Any] = {"name": self.name, "summary": self.summary}
        if self.details:
            shown["details"] = self.details
        shown["params"] = schema
        if self.whole is not None:
            shown["direct"] = self.whole.name
        return shown


# --- of the table ----------------------------------------------------------------------


def method_of(operation: Operation) -> Method:
    """The method that *operation* is."""
    return Method(
        name=operation.name,
        summary=operation.summary,
        details=operation.details,
        parameters=(REALM, *operation.parameters)
        if operation.on == "realm"
        else operation.parameters,
        run=_running(operation),
        may_wait=may_wait(operation),
        keeps_order=operation.writes or operation.role != "read",
        whole=whole_of(operation),
    )


def whole_of(operation: Operation) -> Parameter | None:
    """The parameter that an object without it is read as: one that must be given, and that HTTP takes as a body."""
    bare = {name for _, name in operation.route.bare} if operation.route is not None else set()
    return next(
        (
            parameter
            for parameter in operation.parameters
            if parameter.name in bare
            and parameter.required
            and KINDS[parameter.kind].schema.get("type") == "object"
        ),
        None,
    )


def named(operation: Operation, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    The arguments by name that *params* are.

    Raises:
        InvalidArgument: They are neither all named nor the one thing as a whole: something is there that is an
            argument's name, and nobody can tell whether it is meant as one.
    """
    whole = whole_of(operation)
    if whole is None or whole.name in params:
        return params
    # No document has a text there, so a text names the realm.
    has_realm = isinstance(params.get("realm"), str)
    stated = {name: value for name, value in params.items() if name != "realm" or not has_realm}
    if not stated:
        return params
    reserved = WHOLES | operation.takes - {"realm"}
    doubtful = next((name for name in stated if name in reserved), None)
    if doubtful is not None:
        raise InvalidArgument(
            f"{operation.name} needs {whole.name} where {doubtful} is given; if that is part of it, "
            f'send {{"{whole.name}": {{…}}}}'
        )
    if whole.name in DOCUMENTS and len(stated) <= len(operation.takes):
        # Of so few, one may be a slip of the pen in what wraps a document: the rest of what stands there is not
        # missing because somebody wants it gone.
        _refuse_slips(operation, whole.name, stated)
    return {whole.name: stated, **({"realm": params["realm"]} if has_realm else {})}


def _refuse_slips(operation: Operation, whole: str, stated: Iterable[str]) -> None:
    for name in stated:
        meant = suggestion(name, (whole, "expected_generation"))
        if meant:
            raise InvalidArgument(
                f"{operation.name} has no parameter {quoted(name)}{meant}; if it is part of the {whole}, "
                f'send {{"{whole}": {{…}}}}'
            )


WHOLES = frozenset(
    whole.name for operation in OPERATIONS if (whole := whole_of(operation)) is not None
)
"""What can be the parameters as a whole of any method."""
DOCUMENTS = frozenset(("config", "patch"))
"""Those of them whose members may have any name."""


def _running(
    operation: Operation,
) -> Callable[[Conversation, Mapping[str, Any]], Outcome | Parked]:
    if operation.streams:
        return _following(operation)
    return _waiting(operation) if may_wait(operation) else _answering(operation)


def _waiting(
    operation: Operation,
) -> Callable[[Conversation, Mapping[str, Any]], Outcome | Parked]:
    answering = _answering(operation)

    def run(conversation: Conversation, params: Mapping[str, Any]) -> Outcome | Parked:
        wait = wait_of(operation, conversation.session, params)
        if wait is None:
            return answering(conversation, params)
        return Parked(wait=wait, run=lambda: answering(conversation, wait.again))

    return run


def _answering(operation: Operation) -> Callable[[Conversation, Mapping[str, Any]], Outcome]:
    def run(conversation: Conversation, params: Mapping[str, Any]) -> Outcome:
        if conversation.wire is not None and _is_meerkats(operation, params):
            return Outcome(result=_by_wire(operation, conversation, conversation.wire, params))
        return Outcome(
            result=answers.answer(operation, conversation.session, named(operation, params))
        )

    return run


def _is_meerkats(operation: Operation, params: Mapping[str, Any]) -> bool:
    """Whether a request is one of those that Meerkat has: it names no realm, and asks for no view."""
    if operation.name == "config/get":
        return not params
    # No document has a text there, so a text names the realm.
    return operation.name in ("config/set", "config/patch") and not isinstance(
        params.get("realm"), str
    )


def _by_wire(
    operation: Operation, conversation: Conversation, wire: Wire, params: Mapping[str, Any]
) -> dict[str, Any]:
    session = conversation.session
    if operation.name == "config/get":
        return wire.get(session)
    write = wire.put if operation.name == "config/set" else wire.patch
    return write(session, dict(params))


def _following(operation: Operation) -> Callable[[Conversation, Mapping[str, Any]], Outcome]:
    def run(conversation: Conversation, params: Mapping[str, Any]) -> Outcome:
        watching = call(operation, conversation.session, params)
        subscription = conversation.subscriptions.subscribe(operation, watching)
        return Outcome(
            result={"subscription": subscription.id, "cursor": watching.cursor},
            then=subscription.start,
        )

    return run


# --- of the conversation ---------------------------------------------------------------


def _unwatch(conversation: Conversation, params: Mapping[str, Any]) -> Outcome:
    given = _checked(UNWATCH, params)
    conversation.subscriptions.end(given["subscription"])
    return Outcome(result={"subscription": given["subscription"]})


def _cancel(conversation: Conversation, params: Mapping[str, Any]) -> Outcome:
    given = _checked(CANCEL, params)
    if not is_id(given["id"]):
        raise InvalidArgument("id must be a string, a number or null")
    return Outcome(result={"cancelled": conversation.cancel(given["id"])})


def _list(_: Conversation, params: Mapping[str, Any]) -> Outcome:
    _checked(LIST, params)
    return Outcome(result={"methods": [method.described() for method in METHODS.values()]})


def _checked(method: Method, params: Mapping[str, Any]) -> dict[str, Any]:
    """*params*, if they are those of *method*."""
    unknown = sorted(params.keys() - {one.name for one in method.parameters})
    if unknown:
        raise InvalidArgument(f"{method.name} has no parameter {unknown[0][:100]!a}")
    missing = [one.name for one in method.parameters if one.required and one.name not in params]
    if missing:
        raise InvalidArgument(f"{method.name} needs {missing[0]}")
    return {one.name: check(one, params[one.name]) for one in method.parameters}


UNWATCH = Method(
    name="config/unwatch",
    summary="end a subscription; after the answer nothing more comes of it",
    parameters=(
        Parameter(name="subscription", kind="count", required=True, help="what config/watch gave"),
    ),
    run=_unwatch,
)
CANCEL = Method(
    name="rpc/cancel",
    summary="withdraw a request that waits, for others or for a change",
    details="What is being done goes on. Whoever has sent the request is answered that it was cancelled.",
    parameters=(Parameter(name="id", kind="value", required=True, help="the id of the request"),),
    run=_cancel,
)
LIST = Method(
    name="rpc/methods",
    summary="list the methods",
    details="`direct` names the parameter that params as a whole may be, where it is not among them.",
    run=_list,
)

METHODS: dict[str, Method] = {
    **{operation.name: method_of(operation) for operation in OPERATIONS if operation.methods},
    **{method.name: method for method in (UNWATCH, CANCEL, LIST)},
}
