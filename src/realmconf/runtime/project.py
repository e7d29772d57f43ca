"""
A project's own folder of realms, ``<project>/.realmconf/``: how it is made, and made usable in a fresh clone.

Decides what ``init`` writes and when working copies without a record are those of a clone.  A clone
brings the working copies and not the record; nothing else than ``init`` starts a record beside them.
"""

from __future__ import annotations

import os

from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.record import Record
from realmconf.domain.workfile import read_header
from realmconf.domain.write import Place, Write
from realmconf.errors import (
    HistoryMissing,
    InvalidArgument,
    InvalidDocument,
    InvalidRealm,
    StoreReadOnly,
    WorkingCopyBroken,
)
from realmconf.runtime.client import Client, Imported
from realmconf.runtime.locate import PROJECT_FILE, PROJECT_FOLDER, project_realm
from realmconf.runtime.outcome import Request, commit
from realmconf.stores.registry import open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document

RECORD_FOLDER = ".store"
WORKING_COPY = "config.toml"
IGNORED = (
    f"# The history stays on this machine; the working copies are shared.\n/{RECORD_FOLDER}/\n"
)


class Project(Record):
    """What ``make_project`` found or made."""

    root: str
    """The store: the project's ``.realmconf`` folder."""
    realm: RealmName
    made: bool
    """Whether it is new."""


class CloneCopy(Record):
    """A working copy without a record: what it says of itself, and what it states."""

    realm: RealmName
    path: str
    text: str
    document: Document
    generation: int
    """By its first line; 0 if that is gone."""


def make_project(folder: str, *, realm: RealmName | None, default: RealmName) -> Project:
    """
    Make ``.realmconf/`` in *folder*, or complete it; its ``project.toml`` names *realm*, else *default*.

    Raises:
        InvalidArgument: The project is of another realm already.
        StoreReadOnly: The folder cannot be written.
    """
    root = os.path.join(folder, PROJECT_FOLDER)
    project_file = os.path.join(root, PROJECT_FILE)
    try:
        os.makedirs(root, mode=0o700, exist_ok=True)
        stated = project_realm(folder)
        if stated is not None and realm is not None and stated != realm:
            raise InvalidArgument(f"this project's realm is {stated}; change it in {project_file}")
        named = realm if realm is not None else default if stated is None else RealmName(stated)
        if stated is None:
            _write_new(project_file, f'realm = "{named}"\n')
        _write_new(os.path.join(root, ".gitignore"), IGNORED)
    except OSError as error:
        raise StoreReadOnly(f"cannot make {root}: {error.strerror}") from error
    return Project(root=root, realm=named, made=stated is None)


def clone_copies(root: str) -> list[CloneCopy]:
    """
    The working copies of a fresh clone: of a root that has some and no trace of a record.

    Empty where there is a record, or a trace of a lost one, which is for a backup to mend.

    Raises:
        WorkingCopyBroken: One of them is no document; mend it first.
    """
    record = os.path.join(root, RECORD_FOLDER)
    if os.path.isdir(record) and os.listdir(record):
        return []
    return [copy for name in sorted(os.listdir(root)) if (copy := _copy_in(root, name)) is not None]


def take_in(
    root: str, copies: list[CloneCopy], *, author: str | None, message: str
) -> list[Imported]:
    """
    Start the record of *root* with *copies*, each above the generation that its first line names.

    So no number is used twice, neither here nor where the clone came from.  Comments stay.
    """
    taken = []
    store = open_store(root, limits=LIMITS, recover=True)
    with Client(store, author=author, surface="cli") as client:
        for copy in copies:
            generation = _take_in(client, copy, message=message)
            taken.append(Imported(realm=copy.realm, revisions=1, generation=generation))
            client.realm(copy.realm).restyle(copy.text)
        client.publish()
    return taken


def _take_in(client: Client, copy: CloneCopy, *, message: str) -> int:
    shared = client.authorship({"message": message})
    command = Place(document=copy.document, kind="import", generation_min=copy.generation + 1)
    write = Write(realm=copy.realm, command=command, **shared)
    request = Request(
        realm=copy.realm,
        write_id=write.write_id,
        write_id_given=False,
        author=write.author,
        prepare=lambda _: write,
        identity=lambda: ["clone", str(copy.realm), copy.generation],
        write=write,
    )
    store: Any = client.store
    deadline = client.deadline(None)
    done = commit(
        store,
        [request],
        lineages=client.lineages,
        world=client.world,
        limits=client.limits,
        deadline=deadline,
        apply=lambda judge: store.resolve(copy.realm, judge, deadline=deadline),
    )[0]
    # Also where a retry found what an attempt of unknown outcome had made.
    return client.realm(copy.realm).writing.result(request, done).generation


def _copy_in(root: str, name: str) -> CloneCopy | None:
    from realmconf.domain.toml import parse_toml

    path = os.path.join(root, name, WORKING_COPY)
    if name.startswith(".") or os.path.islink(path) or not os.path.isfile(path):
        return None
    try:
        realm = RealmName(name)
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        document = parse_toml(text).document
    except InvalidRealm:
        return None
    except UnicodeDecodeError:
        raise WorkingCopyBroken(realm=name, path=path, reason="not UTF-8") from None
    except InvalidDocument as invalid:
        raise WorkingCopyBroken(
            realm=name, path=path, reason=invalid.reason, line=invalid.line, column=invalid.column
        ) from invalid
    except OSError as error:
        raise HistoryMissing(f"{path} cannot be read: {error.strerror}") from error
    header = read_header(text)
    generation = header.generation if header is not None and header.realm == realm else 0
    return CloneCopy(realm=realm, path=path, text=text, document=document, generation=generation)


def _write_new(path: str, text: str) -> None:
    """Write a file that is not there yet; one that is stays as it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
