"""
Several realms in one write: all or none, under one write id.

Decides the form of the parts; that they are appended together is the store's.
"""

from __future__ import annotations

from realmconf.domain.scope import refuse_command
from realmconf.domain.write import Write
from realmconf.errors import InvalidArgument, LimitExceeded
from realmconf.runtime import arguments, commands
from realmconf.runtime.outcome import commit, preview, refuse_inside_change, request_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client
    from realmconf.runtime.outcome import Request
    from realmconf.runtime.results import WriteResult
    from realmconf.runtime.runtime import ConfigRuntime

    Result = WriteResult[Mapping[str, Any]]


def transaction(
    client: Client, parts: Iterable[tuple[str, Mapping[str, Any]]], options: WriteOptions
) -> list[Result]:
    """Carry the parts out, or plan them; see ``Client.transaction``."""
    arguments.check_names(options)
    misplaced = sorted(options.keys() & {*commands.PART_OPTIONS, "base"})
    if misplaced:
        raise InvalidArgument(f"{misplaced[0]} belongs to a part of the transaction")
    shared = client.authorship(options)
    limits = client.limits
    handles: list[ConfigRuntime[Any]] = []
    requests: list[Request] = []
    for realm, part in _pairs(parts):
        handle = client.realm(realm)
        command, stated = commands.transaction_part(part, limits=limits)
        conditions = arguments.preconditions(handle.realm_id, stated, limits=limits)
        write = Write(realm=handle.realm_id, command=command, **shared, **conditions)
        if client.scope is not None:
            refuse_command(client.scope, command, realm=handle.realm_id)
        handles.append(handle)
        requests.append(request_of(write))
    _check_realms(client, requests)
    if arguments.flag(options.get("dry_run", False), name="dry_run"):
        refuse_inside_change(client.store)
        judged = preview(
            client.store,
            requests,
            lineages=client.lineages,
            world=client.world,
            limits=limits,
        )
        return [
            handle.writing.plan(request, found)
            for handle, request, found in zip(handles, requests, judged, strict=True)
        ]
    deadline = client.deadline(options.get("timeout"))
    done = commit(
        client.store,
        requests,
        lineages=client.lineages,
        world=client.world,
        limits=limits,
        deadline=deadline,
    )
    return [
        handle.writing.result(request, each)
        for handle, request, each in zip(handles, requests, done, strict=True)
    ]


def _pairs(parts: Iterable[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(parts, (str, bytes, dict)):
        raise InvalidArgument("a transaction is a list of (realm, part)")
    for pair in parts:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise InvalidArgument("a transaction is a list of (realm, part)")
        yield pair[0], pair[1]


def _check_realms(client: Client, requests: Sequence[Request]) -> None:
    if not requests:
        raise InvalidArgument("a transaction has at least one part")
    maximum = min(client.limits.transaction_realms, client.info.transaction_realms_max)
    if len(requests) > maximum:
        raise LimitExceeded("transaction_realms", len(requests), maximum=maximum)
    named = [request.realm for request in requests]
    twice = next((realm for realm in named if named.count(realm) > 1), None)
    if twice is not None:
        raise InvalidArgument(f"realm {twice} is in the transaction twice")
