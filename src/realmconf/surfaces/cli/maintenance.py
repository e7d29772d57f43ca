"""The commands that look after the store: export, import, backup, restore, compact, verify, purge."""

from __future__ import annotations

import os
from contextlib import nullcontext

from realmconf.domain.archive import LINE_CHARACTERS_MAX
from realmconf.domain.secrets import MARK
from realmconf.errors import InvalidArgument
from realmconf.surfaces import envelope
from realmconf.surfaces.cli.documents import STANDARD_INPUT
from realmconf.surfaces.cli.writing import write_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from realmconf.runtime.chain import Verified
    from realmconf.surfaces.cli.call import Call

LINE_BYTES_MAX = 4 * LINE_CHARACTERS_MAX
"""A longer line is cut, and refused for what is left of it."""

PROGRESS_STEP = 100
"""Revisions or realms between two signs of life."""


def export(call: Call) -> None:
    """Write the kept history as JSON Lines."""
    request = call.request
    realms = None if request.realm is None else [request.realm]
    lines = call.client.export(realms=realms, redacted=not request.show_secrets)
    if request.show_secrets:
        call.say(
            "warning: this export may hold secrets in clear text; keep it where only you can read it"
        )
    revisions = -1  # The first line is the header.
    incomplete = 0
    printed = request.file is None or request.file == STANDARD_INPUT
    with nullcontext() if printed else _new_private_file(request.file) as file:
        for line in lines:
            revisions += 1
            incomplete += MARK in line and not request.show_secrets
            if file is None:
                call.print(line)
            else:
                file.write(line + "\n")
    if incomplete:
        call.say(
            f"{incomplete} of {revisions} revisions have marks in place of secrets, so this export "
            "cannot be imported; --show-secrets makes one that can"
        )
    if not printed:
        _tell(call, {"path": request.file, "revisions": revisions}, f"{revisions} revisions")


def import_(call: Call) -> None:
    """Take an export in."""
    done = call.client.import_(
        _lines_of(call, call.request.file),
        progress=_progress(call, "revisions"),
        **write_options(call),
    )
    _tell(
        call,
        [
            {"realm": str(one.realm), "revisions": one.revisions, "generation": one.generation}
            for one in done
        ],
        *(f"{one.realm}: {one.revisions} revisions, generation={one.generation}" for one in done),
    )


def backup(call: Call) -> None:
    """Write a consistent copy of the store."""
    call.client.backup(call.request.file)
    _tell(call, {"path": call.request.file}, f"{call.request.file} is a copy of the whole store")


def restore(call: Call) -> None:
    """Bring the documents of a backup back as new generations."""
    done = call.client.restore(
        call.request.file, progress=_progress(call, "realms"), **write_options(call)
    )
    for one in done:
        call.warn(one.warnings)
    _tell(
        call,
        [envelope.receipt(one, veil=call.veil_of(one.realm_id)) for one in done],
        *(
            f"{one.realm_id}: generation={one.generation}{'' if one.changed else ' (the same already)'}"
            for one in done
        ),
    )


def compact(call: Call) -> None:
    """Remove old revisions."""
    request = call.request
    client = call.client
    if request.keep is not None or request.older_than is not None:
        done = client.compact(keep=request.keep, older_than=request.older_than, realm=request.realm)
    else:
        names = [request.realm] if request.realm else [one.realm for one in client.realms()]
        kept = {name: client.realm(name).policy.history_keep for name in names}
        if not any(kept.values()):
            raise InvalidArgument("no policy limits the history: give --keep or --older-than")
        done = [
            one
            for name, keep in kept.items()
            if keep is not None
            for one in client.compact(keep=keep, realm=name)
        ]
    _tell(
        call,
        [{"realm": str(one.realm), "floor": one.floor, "removed": one.removed} for one in done],
        *(
            f"{one.realm}: {one.removed} generations removed, the oldest is now {one.floor}"
            for one in done
        ),
    )
    if not done:
        call.say("nothing to remove")


def verify(call: Call) -> None:
    """
    Check the chain of digests of one realm or of all; the first bad revision ends it with an error.

    Of all: also those of the records that realmconf keeps for itself in a store in hand.
    """
    from realmconf.runtime.chain import verify_own
    from realmconf.runtime.server import server_of

    request = call.request
    client = call.client
    names = [request.realm] if request.realm else [one.realm for one in client.realms()]
    if not names:
        call.say("there is no realm yet")
    done = []
    for name in names:
        show = _progress(call, f"revisions of {name}")
        done.append(client.realm(name).verify(progress=show))
        if not done[-1].generation:
            call.say(f"realm {name} was never written")
    whole = request.realm is None and server_of(client.store) is None
    own = list(verify_own(client.store)) if whole else []
    _tell(
        call,
        [*({"realm": str(one.realm), **_extent(one)} for one in done)]
        + [{"own_record": str(one.realm), **_extent(one)} for one in own],
        *(f"{one.realm}: {_intact(one)}" for one in done),
        *(f"realmconf's own record {one.realm}: {_intact(one)}" for one in own),
    )


def _extent(one: Verified) -> dict[str, int]:
    return {"revisions": one.revisions, "generation": one.generation}


def _intact(one: Verified) -> str:
    return f"{one.revisions} revisions up to {one.generation} are intact"


def purge(call: Call) -> None:
    """Erase the document of an older generation, or one value of it."""
    request = call.request
    realm = call.realm()
    one = call.client.purge(realm.realm_id, request.generation, pointer=request.path)
    _tell(
        call,
        envelope.revision(one, veil=call.veil, with_document=False),
        f"generation {one.generation} of {realm.realm_id}: "
        + ("the value is" if request.path else "the document is")
        + " erased; copies made before (backups, exports) are not",
    )


# --- parts --------------------------------------------------------------------------


def _tell(call: Call, as_json: object, *lines: str) -> None:
    if call.json:
        call.print_json(as_json)
    else:
        call.print(*lines)


def _progress(call: Call, what: str) -> Callable[..., None]:
    """Signs of life for a person; nothing where nobody looks."""

    def show(count: int, _: int | None = None) -> None:
        if call.diagnostics_interactive and count % PROGRESS_STEP == 0:
            call.say(f"{count} {what} …")

    return show


def _lines_of(call: Call, path: str) -> Iterator[str]:
    try:
        with nullcontext(call.input.buffer) if path == STANDARD_INPUT else open(path, "rb") as file:
            # Bounded, so that a file without line ends is not read as a whole.
            while line := file.readline(LINE_BYTES_MAX):
                yield line.decode("utf-8")
    except OSError as error:
        raise InvalidArgument(f"{path}: {os.strerror(error.errno or 0).lower()}") from error
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path} is not UTF-8, so it is no export") from None


def _new_private_file(path: str) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidArgument(f"{path}: {os.strerror(error.errno or 0).lower()}") from error
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="\n")
