"""
The stream of a store: made where it is not there yet, and looked at before it is used.

Decides what a stream must be so that nothing is lost in it, and says of one that is not why it is refused.
"""

from __future__ import annotations

import os
from typing import Any

from realmconf.domain.record import Record
from realmconf.errors import StoreCorrupt, StoreReadOnly, StoreUnavailable
from realmconf.stores.nats import failures
from realmconf.stores.nats.asking import EXPECTED, last_message, put
from realmconf.stores.nats.failures import LostError, RefusedError, UnsentError
from realmconf.stores.nats.layout import FORMAT, check_format, check_number
from realmconf.stores.nats.wire import DeniedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.stores.nats.address import Address
    from realmconf.stores.nats.layout import Message, Subjects
    from realmconf.stores.nats.link import Link
    from realmconf.stores.nats.wire import Wire

VERSION_MIN = (2, 12)
"""From there on several messages can be put down at once, each on its own condition."""
KEY_BYTES = 32
BODY_BYTES_MIN = 320 << 10
"""For a document of 64 KiB, and all that may come with one."""


class Setting(Record):
    """What was found, or made."""

    __hidden__ = frozenset({"request_key"})

    request_key: bytes
    is_replicated: bool
    is_on_disk: bool
    body_bytes_max: int
    """Of one message."""
    is_limited: bool
    """Whether the stream may have so many bytes and no more."""


def wanted(address: Address, subjects: Subjects) -> dict[str, Any]:
    """The stream that we would make."""
    return {
        "name": address.stream,
        "description": "realmconf: configuration, versioned; let nothing else write to it",
        "subjects": list(subjects.all),
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "num_replicas": address.replicas or 1,
        "allow_direct": True,
        "allow_atomic": True,
        "allow_msg_ttl": True,
    }


async def opened(
    link: Link, address: Address, subjects: Subjects, *, read_only: bool, deadline: float
) -> Setting:
    """
    The stream of *address*, which is made unless *read_only*; by many at once, too.

    Raises:
        StoreUnavailable: It is not what it must be, or the server is too old.
        StoreReadOnly: It is not there, and is not to be made.
        StoreTooNew: A later release has made it.
    """
    wire = await link.wire(deadline)
    _check_server(wire, address)
    await _check_jetstream(wire, address, deadline)
    found = await _found(link, address, subjects, read_only=read_only, deadline=deadline)
    config = found["config"]
    taken = config.get("subjects", ())
    # Who brings a store up begins with these: to say what they should be would be to advise taking that back.
    check_number(subjects.format_taken(taken), address.place)
    if not set(subjects.all) <= set(taken):
        # A later release may name its subjects otherwise; what it has brought up is said to be so.
        await _check_later(link, address, subjects, deadline)
    _check(config, address, subjects)
    body_bytes_max = _body_bytes_max(wire, config)
    if body_bytes_max < BODY_BYTES_MIN:
        raise StoreUnavailable(
            f"{address.place} takes {body_bytes_max:,} bytes in one message, and a store needs {BODY_BYTES_MIN:,} "
            "(max_payload of the server, max_msg_size of the stream)",
            retryable=False,
        )
    key = await _key(
        link,
        address,
        subjects,
        read_only=read_only,
        is_empty=not found["state"]["messages"],
        deadline=deadline,
    )
    return Setting(
        request_key=key,
        is_replicated=config.get("num_replicas", 1) > 1,
        is_on_disk=config.get("storage") == "file",
        body_bytes_max=body_bytes_max,
        is_limited=config.get("max_bytes", -1) > 0,
    )


def _check_server(wire: Wire, address: Address) -> None:
    version = str(wire.server.get("version", "0"))
    numbers = tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())
    if numbers[:2] < VERSION_MIN:
        raise StoreUnavailable(
            f"{address.place}: the server is nats-server {version}; a store needs "
            f"{'.'.join(map(str, VERSION_MIN))} or later, which can put down several messages at once",
            retryable=False,
        )


async def _check_jetstream(wire: Wire, address: Address, deadline: float) -> None:
    """Say at once what no waiting would change; a server with others beside it may have it from them."""
    if wire.server.get("jetstream") or wire.server.get("cluster"):
        return
    try:
        await wire.ask("$JS.API.INFO", deadline=deadline)
    except UnsentError:
        raise failures.explain(
            RefusedError(failures.NOT_ENABLED_HERE, "nobody answers there"), address.place
        ) from None
    except (LostError, DeniedError):
        # Whoever asks next is told, or asks again.
        pass


async def _found(
    link: Link, address: Address, subjects: Subjects, *, read_only: bool, deadline: float
) -> Mapping[str, Any]:
    name = address.stream

    async def look(wire: Wire, until: float) -> Mapping[str, Any]:
        return await wire.ask_json(f"$JS.API.STREAM.INFO.{name}", None, deadline=until)

    async def make(wire: Wire, until: float) -> Mapping[str, Any]:
        return await wire.ask_json(
            f"$JS.API.STREAM.CREATE.{name}", wanted(address, subjects), deadline=until
        )

    try:
        try:
            return await link.repeated(look, deadline=deadline)
        except RefusedError as refused:
            if refused.number != failures.NO_STREAM:
                raise
        if read_only:
            raise StoreReadOnly(
                f"{address.place}: there is no such stream, and a store opened for reading only is not made"
            )
        try:
            return await link.repeated(make, deadline=deadline)
        except RefusedError as refused:
            if refused.number != failures.NAME_TAKEN:
                raise
            # Somebody else has made it meanwhile, perhaps with more replicas.
            return await link.repeated(look, deadline=deadline)
    except RefusedError as refused:
        raise failures.explain(refused, address.place) from None


async def _check_later(link: Link, address: Address, subjects: Subjects, deadline: float) -> None:
    async def look(wire: Wire, until: float) -> Message | None:
        return await last_message(wire, address.stream, subjects.marker("format"), deadline=until)

    form = await link.repeated(look, deadline=deadline)
    if form is not None:
        check_format(form.body, address.place)


def _check(config: Mapping[str, Any], address: Address, subjects: Subjects) -> None:
    """Refuse a stream that would lose something, or that is not whole."""
    faults = []
    missing = [one for one in subjects.all if one not in config.get("subjects", ())]
    if missing:
        faults.append(f"its subjects must have {' and '.join(missing)} among them")
    if config.get("retention", "limits") != "limits":
        faults.append("its retention must be limits: what somebody has read must stay")
    if config.get("max_age", 0):
        faults.append("max_age must be 0: it would forget what was written")
    faults += [
        f"{name} must be unlimited: it would forget what was written"
        for name in ("max_msgs", "max_msgs_per_subject")
        if config.get(name, -1) > 0
    ]
    if config.get("discard", "old") != "new" and config.get("max_bytes", -1) > 0:
        faults.append(
            "with max_bytes its discard policy must be new: else the oldest is forgotten when it is full"
        )
    faults += [
        f"{name} must not be set: history is compacted, and secrets are erased"
        for name in ("sealed", "deny_delete", "deny_purge")
        if config.get(name)
    ]
    faults += [
        f"it must have no {name}: what is written to it comes from us alone"
        for name in ("mirror", "sources", "subject_transform")
        if config.get(name)
    ]
    if config.get("allow_rollup_hdrs"):
        faults.append(
            "allow_rollup_hdrs must not be set: whoever may put one message down anywhere could remove all others"
        )
    faults += [
        f"{name} must be set"
        for name in ("allow_atomic", "allow_direct", "allow_msg_ttl")
        if not config.get(name)
    ]
    if faults:
        raise StoreUnavailable(
            f"{address.place} is not fit for a store: {'; '.join(faults)}. Change it (nats stream edit), or name "
            "another stream",
            retryable=False,
        )


def _body_bytes_max(wire: Wire, config: Mapping[str, Any]) -> int:
    most = int(wire.server.get("max_payload", 1_048_576))
    own = config.get("max_msg_size", -1)
    return most if own < 0 else min(most, own)


async def _key(
    link: Link,
    address: Address,
    subjects: Subjects,
    *,
    read_only: bool,
    is_empty: bool,
    deadline: float,
) -> bytes:
    """The store's own secret; the first who comes makes it, and the format with it, in a stream that was empty."""

    async def look(wire: Wire, until: float) -> bytes | None:
        form = await last_message(wire, address.stream, subjects.marker("format"), deadline=until)
        if form is not None:
            check_format(form.body, address.place)
        elif not is_empty:
            # Whoever makes a store begins with its format.
            raise _foreign(address)
        key = await last_message(wire, address.stream, subjects.marker("key"), deadline=until)
        return None if key is None else key.body

    while True:
        key = await link.repeated(look, deadline=deadline)
        if key is not None:
            return key
        if read_only:
            raise StoreReadOnly(f"{address.place}: the stream has no store in it yet")

        async def make(wire: Wire, until: float) -> None:
            for what, body in (("format", str(FORMAT).encode()), ("key", os.urandom(KEY_BYTES))):
                try:
                    await put(wire, subjects.marker(what), body, {EXPECTED: "0"}, deadline=until)
                except RefusedError as refused:
                    if refused.number not in failures.OVERTAKEN:
                        raise

        try:
            await link.repeated(make, deadline=deadline)
        except RefusedError as refused:
            raise failures.explain(refused, address.place) from None


def _foreign(address: Address) -> StoreCorrupt:
    return StoreCorrupt(
        f"{address.place}: the stream holds something else, or is damaged; name another stream"
    )
