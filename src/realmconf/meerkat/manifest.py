"""
``realm_manifest.json``: which realm a folder is, and which backend its sessions are in for ever.

Decides the form of both formats, v0.4's and format 2 of v0.8, and how a manifest comes to be: once, and never half.
What a backend is good for is not known here; that v0.8 opens no ``redb`` is for it to say.
"""

from __future__ import annotations

import json
import os

from realmconf.domain.names import RealmName
from realmconf.domain.record import Record
from realmconf.errors import (
    InvalidArgument,
    InvalidRealm,
    LockTimeout,
    OutcomeUnknown,
    RealmBackendMismatch,
    StoreCorrupt,
    StoreTooNew,
)
from realmconf.meerkat.disk import (
    CLOCK,
    place_new,
    read_file,
    remove,
    sync_folder,
    unwritable,
    write_temporary,
)
from realmconf.meerkat.manifestlock import manifest_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn

    from realmconf.meerkat.disk import Clock

MANIFEST = "realm_manifest.json"
TEMPORARY = ".realm_manifest.tmp."

FORMAT_MAX = 2
BACKENDS = ("redb", "sqlite", "jsonl", "memory")
"""And ``external:<name>``, of a provider."""
EXTERNAL = "external:"
BACKEND_DEFAULT = "jsonl"
"""The one that every release opens."""
ORIGINS = ("generated", "workspace", "explicit")
ORIGIN_UNKNOWN = "legacy_unknown"

PATIENCE_SECONDS = 2.0
"""How long an unparsable manifest is taken for one that somebody is just writing."""
RETRY_SECONDS = 0.01

_NONE: Mapping[str, Any] = {}


class Manifest(Record):
    """What one says."""

    realm_id: str
    backend: str
    """redb (v0.4) | sqlite, memory (v0.8) | jsonl | ``external:<name>``; or what a later release has."""
    origin: str = ORIGIN_UNKNOWN
    """generated | workspace | explicit | legacy_unknown"""
    created_at: str
    """Unix seconds, as text."""
    manifest_format: int = 1
    provider: str | None = None
    ephemeral_domains: tuple[str, ...] = ()
    others: Mapping[str, Any] = _NONE
    """Members that nobody knows, kept."""

    @property
    def created_at_seconds(self) -> int | None:
        """Unix seconds; None where the text says none."""
        stated = self.created_at
        return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the members of format 2 are left out where they say nothing."""
        stated: dict[str, Any] = {
            "realm_id": str(self.realm_id),
            "backend": self.backend,
            "origin": self.origin,
            "created_at": self.created_at,
        }
        if self.manifest_format != 1:
            stated["manifest_format"] = self.manifest_format
        if self.provider is not None:
            stated["provider"] = self.provider
        if self.ephemeral_domains:
            stated["ephemeral_domains"] = list(self.ephemeral_domains)
        return {**stated, **self.others}

    def to_bytes(self) -> bytes:
        """The content of the file."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False).encode()


_KNOWN = frozenset(Manifest.__fields__) - {"others"}


def parse_manifest(raw: bytes, *, path: str = MANIFEST) -> Manifest:
    """
    Read the content of a manifest; *path* is what errors call it.

    Raises:
        StoreTooNew: A later release wrote it, and may keep the realm's files elsewhere.
        StoreCorrupt: It is none.
    """

    def refuse(reason: str) -> NoReturn:
        raise StoreCorrupt(f"{path} is no manifest of a realm: {reason}")

    try:
        stated = json.loads(raw.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
        # What cannot be written again could not be kept.
        json.dumps(stated, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        refuse("it is not JSON")
    if not isinstance(stated, dict):
        refuse("it is no object")
    number = stated.get("manifest_format", 1)
    if type(number) is not int or number < 0:
        refuse("its manifest_format is no number of a format")
    if number > FORMAT_MAX:
        raise StoreTooNew(
            f"{path} is of format {number}, and this release knows {FORMAT_MAX} at most: use a newer one"
        )
    for name in ("realm_id", "backend", "created_at"):
        if not isinstance(stated.get(name), str) or not stated[name]:
            refuse(f"it has no text {name}")
    origin, provider = stated.get("origin", ORIGIN_UNKNOWN), stated.get("provider")
    domains = stated.get("ephemeral_domains", [])
    if not isinstance(origin, str):
        refuse("its origin is no text")
    if not isinstance(provider, str | None):
        refuse("its provider is no text")
    if not isinstance(domains, list) or not all(isinstance(one, str) for one in domains):
        refuse("its ephemeral_domains are no list of texts")
    return Manifest(
        realm_id=stated["realm_id"],
        backend=stated["backend"],
        origin=origin,
        created_at=stated["created_at"],
        manifest_format=number,
        provider=provider,
        ephemeral_domains=tuple(domains),
        others={name: value for name, value in stated.items() if name not in _KNOWN},
    )


def read_manifest(
    folder: str, *, patience_seconds: float = PATIENCE_SECONDS, clock: Clock = CLOCK
) -> Manifest | None:
    """
    The manifest of the realm in *folder*; None only if there is none, as after ``rkat config`` alone.

    One that does not parse may be half written by somebody else: it is read again for up to *patience_seconds*.

    Raises:
        StoreTooNew, StoreCorrupt: As ``parse_manifest``.
        StoreUnavailable: It cannot be read.
    """
    path = os.path.join(folder, MANIFEST)
    deadline = clock.monotonic_seconds() + patience_seconds
    while True:
        raw = read_file(path)
        if raw is None:
            return None
        try:
            return parse_manifest(raw, path=path)
        except StoreCorrupt:
            if clock.monotonic_seconds() >= deadline:
                raise
        clock.sleep_seconds(RETRY_SECONDS)


def ensure_manifest(
    folder: str,
    realm: str,
    *,
    backend: str | None = None,
    origin: str = "explicit",
    clock: Clock = CLOCK,
) -> Manifest:
    """
    The manifest of *realm* in *folder*, made if there is none: of any number that try at once, one makes it.

    Without a *backend* whichever it has is right, and a new one gets ``jsonl``.  After return it is on the disk.

    Raises:
        RealmBackendMismatch: It was made with another backend.
        InvalidRealm: No realm can have this name; or the folder is another realm's.
        InvalidArgument: There is no such backend or origin.
        LockTimeout: Another process is making it, and takes too long.
        OutcomeUnknown: It is made, and may not survive a power failure.
        StoreError: It cannot be read or made.
    """
    name = RealmName(realm)
    wanted = _new_manifest(name, backend or BACKEND_DEFAULT, origin, clock)
    found = read_manifest(folder, clock=clock)
    if found is None:
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise unwritable(error, folder) from error
        with manifest_lock(folder, clock=clock) as is_held:
            found = read_manifest(folder, clock=clock)
            if found is None and _put(folder, wanted, is_held, replaces=False):
                return wanted
        found = found or read_manifest(folder, clock=clock)
        if found is None:
            raise LockTimeout(waited_seconds=0.0)
    _check_pinned(found, realm=name, backend=backend, folder=folder)
    return found


def write_manifest(folder: str, manifest: Manifest, *, clock: Clock = CLOCK) -> None:
    """
    Replace the manifest in *folder*, whole, with its unknown members; realm and backend stay what they were.

    Raises:
        RealmBackendMismatch, InvalidRealm: It says another backend, or another realm, than the one that is there.
        LockTimeout, OutcomeUnknown, StoreError: As ``ensure_manifest``.
    """
    with manifest_lock(folder, clock=clock) as is_held:
        found = read_manifest(folder, clock=clock)
        if found is not None:
            _check_pinned(found, realm=manifest.realm_id, backend=manifest.backend, folder=folder)
        if not _put(folder, manifest, is_held, replaces=True):
            raise LockTimeout(waited_seconds=0.0)


def _new_manifest(realm: RealmName, backend: str, origin: str, clock: Clock) -> Manifest:
    provider = backend[len(EXTERNAL) :] if backend.startswith(EXTERNAL) else None
    if not provider and backend not in BACKENDS:
        known = ", ".join((*BACKENDS, f"{EXTERNAL}NAME"))
        raise InvalidArgument(f"there is no such backend: it is one of {known}")
    if origin not in ORIGINS:
        raise InvalidArgument(f"origin must be one of {', '.join(ORIGINS)}")
    return Manifest(
        realm_id=str(realm),
        backend=backend,
        origin=origin,
        created_at=str(int(clock.time_seconds())),
        manifest_format=1 if provider is None else 2,
        provider=provider,
    )


def _put(folder: str, manifest: Manifest, is_held: Callable[[], bool], *, replaces: bool) -> bool:
    """Put *manifest* in its place; False, and nothing changed, if somebody else has the place or the lock."""
    # A link to a file elsewhere stays one.
    path = os.path.realpath(os.path.join(folder, MANIFEST))
    home = os.path.dirname(path)
    try:
        temporary = write_temporary(home, TEMPORARY, manifest.to_bytes())
        try:
            if not is_held():
                return False
            if replaces:
                os.replace(temporary, path)
            elif not place_new(temporary, path):
                return False
        finally:
            remove(temporary)
    except OSError as error:
        raise unwritable(error, path) from error
    try:
        sync_folder(home)
    except OSError as error:
        reason = f"{path} is in its place, and {error.strerror}"
        raise OutcomeUnknown(None, realm=manifest.realm_id, reason=reason) from error
    return True


def _check_pinned(found: Manifest, *, realm: str, backend: str | None, folder: str) -> None:
    if found.realm_id != realm:
        raise InvalidRealm(
            f"{folder} is the folder of realm {found.realm_id[:64]!a}, and not of {realm[:64]!a}: "
            "their names are the same folder"
        )
    if backend is not None and found.backend != backend:
        raise RealmBackendMismatch(realm=realm, requested=backend, existing=found.backend)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
