"""
A configuration from Meerkat's files, the environment and what a caller overrides.

Decides which files are read and what outweighs what: the nearest project's file or else the user's, then a key from
the environment, then overrides.  How two configurations come together is for ``domain.composition``, as everywhere.

    ~/.rkat/config.toml               hooks.entries = [{id = "audit"}]        agent.model = "m1"
    /srv/app/.rkat/config.toml        hooks.entries = [{id = "guard"}]
    load("/srv/app/src", {})          hooks audit, guard; the model is the default, not m1
"""

from __future__ import annotations

from pathlib import Path

from realmconf.domain.composition import combine
from realmconf.domain.document import check_document
from realmconf.domain.patch import check_patch
from realmconf.domain.patch import merge as patched
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.toml import parse_toml
from realmconf.errors import InvalidArgument, InvalidDocument, StoreUnavailable
from realmconf.meerkat.durations import format_duration
from realmconf.meerkat.fitting import fitted
from realmconf.meerkat.models import Config
from realmconf.meerkat.rules import validate
from realmconf.meerkat.schema import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Any

    from realmconf.domain.document import Document

KEYS = {
    "anthropic": ("RKAT_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
    "openai": ("RKAT_OPENAI_API_KEY", "OPENAI_API_KEY"),
    "gemini": ("RKAT_GEMINI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
"""Where the environment has each provider's key, the first one that is set."""

_SHAPE = Shape.of((SCHEMA,))
_FILE = Path(".rkat", "config.toml")


def merge(*layers: Config | Mapping[str, Any]) -> Config:
    """
    The configuration that *layers* give, the last one first in weight.

    What a layer states wins, also where it states the default; what it does not state is taken from those before.

    Raises:
        SchemaViolation: The result, or a layer that is a document, does not fit.
    """
    merged: Document = {}
    for layer in layers:
        config = layer if isinstance(layer, Config) else fitted(layer)
        merged = combine(merged, config.document(stated=True), _SHAPE)
    return fitted(merged)


def load(
    folder: str | os.PathLike[str],
    environment: Mapping[str, str],
    *,
    home: str | os.PathLike[str] | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    max_duration: timedelta | None = None,
    max_tool_calls: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """
    The configuration for a program that runs in *folder* with *environment*.

    The file is ``.rkat/config.toml`` of *folder* or of the nearest folder above it, else of *home* (by default the
    environment's ``HOME``); it replaces the user's, except that the user's hooks come before its own.  The
    environment gives nothing but the key of the provider that is selected, where the file has none.  *model* is the
    agent's; *max_tokens*, *max_duration* and *max_tool_calls* are the budget's; *overrides* is a merge patch (RFC 7396)
    and has the last word.

    Raises:
        StoreUnavailable: A file that is there cannot be read.
        InvalidDocument, LimitExceeded: It is no TOML, or no document.
        SchemaViolation: The file, or what the overrides make of it, does not fit, or breaks a rule.
        InvalidPatch: *overrides* is no merge patch.
        InvalidArgument: *max_duration* is negative.
    """
    if home is None:
        home = environment.get("HOME") or None
    stated = _stated(Path(folder).absolute(), None if home is None else Path(home).absolute())
    flags: dict[str, Any] = {
        "max_tokens": max_tokens,
        "max_duration": None if max_duration is None else _text(max_duration),
        "max_tool_calls": max_tool_calls,
    }
    budget = {key: value for key, value in flags.items() if value is not None}
    changes = {"agent": {} if model is None else {"model": model}, "budget": budget}
    stated = patched(stated, {key: value for key, value in changes.items() if value})
    if overrides is not None:
        changed = check_patch(overrides)
        stated = patched(_without_old_provider(stated, changed), changed)
    fitted(stated)
    # Last, so that no provider is given what is another's.
    _fill_key(stated, environment)
    config = fitted(stated)
    validate(config)
    return config


def _text(max_duration: timedelta) -> str:
    try:
        return format_duration(max_duration)
    except ValueError as error:
        raise InvalidArgument(f"max_duration: {error}") from None


def _stated(folder: Path, home: Path | None) -> Document:
    """What the files state."""
    ours = next(
        (found for one in (folder, *folder.parents) if _is_there(found := one / _FILE)), None
    )
    users = None if home is None or not _is_there(home / _FILE) else home / _FILE
    own = None if ours is None else _read(ours)
    general = None if users is None else _read(users)
    if own is None or general is None or (ours and users and ours.samefile(users)):
        return (general if own is None else own) or {}
    hooks = general.get("hooks", {}).get("entries")
    inherited = {"hooks": {"entries": hooks}} if hooks else {}
    return combine(inherited, own, _SHAPE)


def _without_old_provider(stated: Document, changes: Mapping[str, Any]) -> Document:
    """*stated* without what belongs to its provider, where *changes* name another one."""
    provider, wanted = stated.get("provider", {}), changes.get("provider")
    named = wanted.get("type") if isinstance(wanted, dict) else None
    if named is None or named == provider.get("type", "anthropic"):
        return stated
    return {key: value for key, value in stated.items() if key != "provider"}


def _fill_key(stated: Document, environment: Mapping[str, str]) -> None:
    provider = stated.get("provider", {"type": "anthropic"})
    key = next(
        (environment[name] for name in KEYS[provider["type"]] if environment.get(name)), None
    )
    known = stated.get("providers", {}).get("api_keys", {})
    if key is not None and "api_key" not in provider and provider["type"] not in known:
        stated["provider"] = {**provider, "api_key": key}


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be looked at: {error.strerror}") from None


def _read(path: Path) -> Document:
    """
    What the file at *path* states.

    Raises:
        StoreUnavailable, InvalidDocument, LimitExceeded, SchemaViolation: See ``load``.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be read: {error.strerror}") from None
    try:
        document = check_document(parse_toml(text).document)
    except InvalidDocument as error:
        raise InvalidDocument(
            f"{path}: {error}", pointer=getattr(error, "pointer", "") or ""
        ) from None
    fitted(document)
    return document
