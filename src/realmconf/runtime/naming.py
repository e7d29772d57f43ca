"""
A realm's document under another name: renamed with its history, or copied without.

Decides what either makes of the document's section about itself; moving the
history is the store's.
"""

from __future__ import annotations

from realmconf.domain.lineage import with_own_section
from realmconf.domain.names import case_twin
from realmconf.domain.scope import refuse_command
from realmconf.domain.write import Place, Write
from realmconf.errors import GenerationConflict, InvalidArgument, RealmNotFound
from realmconf.runtime import arguments
from realmconf.runtime.descendants import left_behind
from realmconf.runtime.outcome import Request, commit, preview, refuse_inside_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client
    from realmconf.runtime.outcome import Judge
    from realmconf.runtime.results import WriteResult
    from realmconf.stores.protocol import Applied, ReadView

    Result = WriteResult[Mapping[str, Any]]


def rename(client: Client, old: RealmName, new: RealmName, options: WriteOptions) -> Result:
    """Move *old*'s history to *new*; see ``Client.rename``."""
    shared = _shared(client, "rename", old, new, options)
    if old.folded == new.folded:
        raise case_twin(new)
    conditions = arguments.preconditions(old, options, limits=client.limits)

    def place(view: ReadView) -> Write:
        current = view.head(new).generation
        if current:
            reason = "the name has a history of its own"
            raise GenerationConflict(0, current, realm=new, reason=reason)
        revision = _live(view, old)
        document = with_own_section(revision.document or {}, old, new)
        command = Place(document=document, kind="rename", previous=revision)
        return Write(realm=new, command=command, **shared)

    def leave(_: ReadView) -> Write:
        command = Place(document=None, kind="rename")
        return Write(realm=old, command=command, **shared, **conditions)

    identity = ["rename", str(old), str(new), shared["message"]]
    requests = [_request(new, shared, place, identity), _request(old, shared, leave, identity)]
    result = _carry_out(
        client,
        requests,
        options,
        apply=lambda judge, deadline: client.store.rename(old, new, judge, deadline=deadline),
    )
    for notice in left_behind(client, old, new):
        result.warn(notice.code, notice.message)
    return result


def copy(client: Client, source: RealmName, target: RealmName, options: WriteOptions) -> Result:
    """Write *source*'s document and policy to *target*; see ``Client.copy``."""
    shared = _shared(client, "copy", source, target, options)
    conditions = arguments.preconditions(target, options, limits=client.limits)
    if conditions.get("expected") is None:
        conditions["create"] = True

    def place(view: ReadView) -> Write:
        revision = _live(view, source)
        document = with_own_section(revision.document or {}, source, target)
        lineages = client.lineages
        command = Place(
            document=document,
            kind="copy",
            policy=revision.policy,
            schema_digest=revision.schema_digest,
            # What was secret there is secret here.
            schemas=lineages.schemas_in(view, lineages.schemas_of(source, view)),
        )
        return Write(realm=target, command=command, **shared, **conditions)

    identity = ["copy", str(source), str(target), shared["message"]]
    return _carry_out(client, [_request(target, shared, place, identity)], options)


def _shared(
    client: Client, kind: str, first: RealmName, second: RealmName, options: WriteOptions
) -> dict[str, Any]:
    arguments.check_names(options)
    if first == second:
        raise InvalidArgument(f"realm {first} is given as both names")
    if client.scope is not None:
        refuse_command(client.scope, Place(document=None, kind=kind), realm=second)
    return client.authorship(options)


def _live(view: ReadView, realm: RealmName) -> Revision:
    revision = view.head(realm).revision
    if revision is None:
        raise RealmNotFound(realm=realm)
    if revision.document is None:
        raise RealmNotFound(realm=realm, reason="has no document")
    return revision


def _request(
    realm: RealmName,
    shared: Mapping[str, Any],
    prepare: Callable[[ReadView], Write],
    identity: object,
) -> Request:
    return Request(
        realm=realm,
        write_id=shared["write_id"],
        write_id_given=shared["write_id_given"],
        author=shared["author"],
        prepare=prepare,
        identity=lambda: identity,
        is_placed=True,
    )


def _carry_out(
    client: Client,
    requests: Sequence[Request],
    options: WriteOptions,
    *,
    apply: Callable[[Judge, float], Sequence[Applied]] | None = None,
) -> Result:
    """Commit or plan; the result is that of the first request."""
    writing = client.realm(requests[0].realm).writing
    if arguments.flag(options.get("dry_run", False), name="dry_run"):
        refuse_inside_change(client.store)
        judged = preview(
            client.store,
            requests,
            lineages=client.lineages,
            world=client.world,
            limits=client.limits,
        )
        return writing.plan(requests[0], judged[0])
    deadline = client.deadline(options.get("timeout"))
    done = commit(
        client.store,
        requests,
        lineages=client.lineages,
        world=client.world,
        limits=client.limits,
        deadline=deadline,
        apply=None if apply is None else lambda judge: apply(judge, deadline),
    )
    return writing.result(requests[0], done[0])
