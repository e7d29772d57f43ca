"""
The rules that Meerkat checks a configuration by before it writes it.

Decides their order and their words, which are the original's; the first one that is broken is told.  Needs no models:
it reads documents, and takes the default where nothing is stated.
"""

from __future__ import annotations

from collections.abc import Mapping

from realmconf.domain.schemas.filling import filled
from realmconf.domain.schemas.shape import Shape
from realmconf.errors import SchemaViolation
from realmconf.meerkat.schema import SCHEMA
from realmconf.meerkat.words import PROVIDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.meerkat.models import Config

INHERIT = "inherit"

_SHAPE = Shape.of((SCHEMA,))
_POSITIVE = (
    ("max_tokens", ""),
    ("agent.max_tokens_per_turn", ""),
    ("budget.max_tokens", " when set"),
    ("limits.budget", " when set"),
    ("compaction.auto_compact_threshold", ""),
    ("compaction.recent_turn_budget", ""),
    ("compaction.max_summary_tokens", ""),
    ("compaction.min_turns_between_compactions", ""),
)
_CONFLICTS = (("base_url", "base_urls"), ("api_key", "api_keys"))


def validate(config: Config | Mapping[str, Any]) -> None:
    """
    Refuse a *config*, of the right types, that breaks one of Meerkat's rules.

    Raises:
        SchemaViolation: Of the first rule that is broken; ``violations[0]["message"]`` is the original's text.
    """
    document = dict(config) if isinstance(config, Mapping) else config.document()
    for pointer, message in _broken(filled(document, _SHAPE)):
        raise SchemaViolation([{"pointer": pointer, "keyword": "rule", "message": message}])


def _broken(config: Document) -> Iterator[tuple[str, str]]:
    """Every broken rule in the original's order, as place and text."""
    for name, suffix in _POSITIVE:
        value: Any = config
        for part in name.split("."):
            value = value.get(part, {}) if isinstance(value, dict) else {}
        if value == 0 and value is not False:
            yield f"/{name.replace('.', '/')}", f"{name} must be greater than 0{suffix}"
    provider, by_provider = config["provider"], config.get("providers", {})
    for one, several in _CONFLICTS:
        stated = provider.get(one)
        mapped = by_provider.get(several, {}).get(provider.get("type"))
        if stated is not None and mapped is not None and stated != mapped:
            yield f"/provider/{one}", f"provider {one} conflicts with providers.{several} entry"
    yield from _broken_by_sub_agents(config["sub_agents"])


def _broken_by_sub_agents(section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    allowed = section["allowed_models"]
    place, name = "/sub_agents/allowed_models", "sub_agents.allowed_models"
    for provider in PROVIDERS:
        where = f"{place}/{provider}"
        if provider not in allowed:
            yield where, f"{name} missing provider key '{provider}'"
        elif not allowed[provider]:
            yield where, f"{name}['{provider}'] must not be empty"
        elif "*" in allowed[provider]:
            yield where, f"{name}['{provider}']: wildcards ('*') are not allowed"
    provider, model = section["default_provider"], section["default_model"]
    if provider == INHERIT:
        return
    if provider not in PROVIDERS:
        yield (
            "/sub_agents/default_provider",
            f"sub_agents.default_provider '{provider}' is not a valid provider name",
        )
    elif model != INHERIT and model not in allowed.get(provider, ()):
        yield (
            "/sub_agents/default_model",
            f"sub_agents.default_model '{model}' is not in allowed_models for provider '{provider}'",
        )
