"""
Which store, which realm and which author, when none is named.

The only place that reads the environment, once per call and at the edge.  Decides
by precedence alone and says which rule decided; opens nothing and creates nothing.
"""

from __future__ import annotations

import os
import sys

from realmconf.domain.names import RealmName, workspace_realm
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_FOLDER = ".realmconf"
PROJECT_FILE = "project.toml"
PROJECT_FILE_BYTES_MAX = 65_536


class Located(Record):
    """A store and a realm, and by which rule each was found: for telling a person."""

    store: str
    store_by: str
    """argument | REALMCONF_STORE | project | user"""
    realm: RealmName
    realm_by: str
    """argument | REALMCONF_REALM | project | workspace"""
    project: str | None
    """The folder that has a ``.realmconf`` folder, if any."""


def locate(
    *,
    store: str | None = None,
    realm: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Located:
    """
    Find the store and the realm for a program that runs in *folder*.

    Raises:
        InvalidRealm: The name found is none.
        InvalidArgument: ``project.toml`` cannot be read.
    """
    environment = os.environ if environment is None else environment
    folder = current_folder() if folder is None else folder
    project = find_project(folder)
    store_found, store_by = _store(store, environment, project)
    realm_found, realm_by = _realm(realm, environment, project, folder)
    return Located(
        store=store_found,
        store_by=store_by,
        realm=RealmName(realm_found),
        realm_by=realm_by,
        project=project,
    )


def locate_store(*, environment: Mapping[str, str] | None = None, folder: str | None = None) -> str:
    """The store's URL when none is named."""
    environment = os.environ if environment is None else environment
    project = find_project(current_folder() if folder is None else folder)
    return _store(None, environment, project)[0]


def current_folder() -> str:
    """
    The folder this process runs in.

    Raises:
        InvalidArgument: It was removed.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidArgument("the current folder was removed: change to one that exists") from None


def find_project(folder: str) -> str | None:
    """The nearest folder, from *folder* upwards, that has a ``.realmconf`` folder."""
    current = os.path.abspath(folder)
    while True:
        if os.path.isdir(os.path.join(current, PROJECT_FOLDER)):
            return current
        above = os.path.dirname(current)
        if above == current:
            return None
        current = above


def _store(
    given: str | None, environment: Mapping[str, str], project: str | None
) -> tuple[str, str]:
    if given is not None:
        return given, "argument"
    named = environment.get("REALMCONF_STORE")
    if named:
        return named, "REALMCONF_STORE"
    if project is not None:
        return os.path.join(project, PROJECT_FOLDER), "project"
    return user_store(environment), "user"


def _realm(
    given: str | None, environment: Mapping[str, str], project: str | None, folder: str
) -> tuple[str, str]:
    if given is not None:
        return given, "argument"
    named = environment.get("REALMCONF_REALM")
    if named:
        return named, "REALMCONF_REALM"
    if project is not None:
        stated = project_realm(project)
        if stated is not None:
            return stated, "project"
    return workspace_realm(os.path.realpath(project or folder)), "workspace"


def project_realm(project: str) -> str | None:
    """What ``realm`` says in the project's ``project.toml``; None if there is no such file or key."""
    path = os.path.join(project, PROJECT_FOLDER, PROJECT_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(PROJECT_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as unreadable:
        raise InvalidArgument(f"{path} cannot be read: {type(unreadable).__name__}") from unreadable
    if len(text) > PROJECT_FILE_BYTES_MAX:
        raise InvalidArgument(f"{path} is too large for what it is")
    for line in text.splitlines():
        # The usual file names the realm in its first statement: no TOML parser is loaded for that.
        if line.strip() and not line.lstrip().startswith("#"):
            plain = _plain_realm(line)
            if plain is not None:
                return plain
            break
    return _parsed_realm(path, text)


def _plain_realm(line: str) -> str | None:
    """The name in *line* if it is ``realm = "name"`` and no more than a comment, else None."""
    key, _, rest = line.partition("=")
    stated = rest.partition("#")[0].strip(" \t")
    name = stated[1:-1]
    plain = name.isascii() and name.replace("-", "a").replace("_", "a").isalnum()
    quoted = stated in (f'"{name}"', f"'{name}'")
    return name if key.strip(" \t") == "realm" and plain and quoted else None


def _parsed_realm(path: str, text: str) -> str | None:
    from tomllib import TOMLDecodeError, loads

    try:
        stated = loads(text).get("realm")
    except (TOMLDecodeError, RecursionError) as broken:
        raise InvalidArgument(f"{path} is not TOML") from broken
    if stated is not None and not isinstance(stated, str):
        raise InvalidArgument(f"{path}: realm must be text")
    return stated


def user_store(environment: Mapping[str, str] | None = None) -> str:
    """The platform's folder for a user's own data."""
    environment = os.environ if environment is None else environment
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = environment.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Application Support")
    else:
        base = environment.get("XDG_DATA_HOME") or ""
        if not os.path.isabs(base):
            base = os.path.join(home, ".local", "share")
    return os.path.join(base, "realmconf")


def default_author(environment: Mapping[str, str] | None = None) -> str:
    """``REALMCONF_AUTHOR``, else ``user@host``."""
    environment = os.environ if environment is None else environment
    return stated_author(environment) or f"{_user(environment)}@{_host()}"


def stated_author(environment: Mapping[str, str] | None = None) -> str | None:
    """``REALMCONF_AUTHOR``, if somebody has set it."""
    environment = os.environ if environment is None else environment
    return environment.get("REALMCONF_AUTHOR") or None


TOKEN_VARIABLE = "REALMCONF_TOKEN"  # noqa: S105 - the name of a variable
CREDENTIALS_BYTES_MAX = 1_048_576


def token_for(origin: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """
    The token for the server at *origin*: ``REALMCONF_TOKEN``, else what the user's ``credentials.toml`` has for it.

    The file has a table for each server, by its origin: ``["https://host"]`` with ``token = "rc_…"``.

    Raises:
        InvalidArgument: The file is not its owner's alone (mode 0600), or cannot be understood.
    """
    environment = os.environ if environment is None else environment
    stated = environment.get(TOKEN_VARIABLE)
    if stated:
        return stated.strip()
    path = credentials_path(environment)
    text = _private_text(path)
    if text is None:
        return None
    from tomllib import TOMLDecodeError, loads

    from realmconf.stores.registry import server_origin

    try:
        servers = loads(text)
    except (TOMLDecodeError, RecursionError):
        # The error would quote a line of it.
        raise InvalidArgument(f"{path} is not TOML") from None
    for name, entry in servers.items():
        if server_origin(name) == origin and isinstance(entry, dict):
            token = entry.get("token")
            if not isinstance(token, str):
                raise InvalidArgument(f"{path}: the table of {origin} has no token")
            return token
    return None


def credentials_path(environment: Mapping[str, str] | None = None) -> str:
    """Where a user keeps tokens for servers."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_CONFIG_HOME") or ""
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "realmconf", "credentials.toml")


def _private_text(path: str) -> str | None:
    """What stands in a file that is its owner's alone; None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if os.name == "posix" and (found.st_mode & 0o077 or found.st_uid != os.getuid()):
                raise InvalidArgument(
                    f"{path} holds tokens, and others may read it or own it: chmod 600 {path}"
                )
            text = file.read(CREDENTIALS_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as unreadable:
        raise InvalidArgument(f"{path} cannot be read: {type(unreadable).__name__}") from None
    if len(text) > CREDENTIALS_BYTES_MAX:
        raise InvalidArgument(f"{path} is too large for what it is")
    return text


def _user(environment: Mapping[str, str]) -> str:
    try:
        from pwd import getpwuid

        return getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        # No such table here, or a user without an entry, as in a container.
        return environment.get("USER") or environment.get("USERNAME") or "unknown"


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename or "localhost"
    from socket import gethostname

    return gethostname() or "localhost"
