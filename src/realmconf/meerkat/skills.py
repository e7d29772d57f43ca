"""
What repositories and skills are known by, and what they were before: Meerkat's check, and what a name leads to.

Decides whether lineage, remaps and aliases of a configuration agree with its repositories, as the original's servers
do before they write one.  The original tells places by a hash of their address; here no text has one, since it would
confirm a guessed secret of a repository's environment.

    lineage: rotate A -> B, of the skill s      remaps: A/s -> B/s      aliases: short -> A/s
    resolve("short") == resolve("A/s") == B/s
"""

from __future__ import annotations

import re

from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument, SchemaViolation
from realmconf.meerkat.words import SKILL_NAME, UUID, canonical_uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from realmconf.meerkat.models import Config

    Edges: TypeAlias = set[tuple[str, str]]

_REPOSITORIES = "/skills/repositories"
_IDENTITY = "/skills/identity"


class SkillName(Record):
    """A skill of one repository."""

    source_uuid: str
    skill_name: str

    def __str__(self) -> str:
        return f"{self.source_uuid}/{self.skill_name}"


class Skills:
    """The skills' names of one configuration, which agree with its repositories."""

    def __init__(
        self, remaps: Mapping[SkillName, SkillName], aliases: Mapping[str, SkillName]
    ) -> None:
        self._remaps = remaps
        self._aliases = aliases

    @classmethod
    def of(cls, config: Config | Mapping[str, Any]) -> Skills:
        """
        Those of *config*, which is of the right types.

        Raises:
            SchemaViolation: Two repositories of one UUID lead to different places; a repository has another UUID than
                before, or a remap leads to one, and no lineage says so; or an event lacks its remaps.
        """
        document = config if not hasattr(config, "document") else config.document()
        skills = document.get("skills", {})
        identity = skills.get("identity", {})
        lineage, remaps = identity.get("lineage", ()), identity.get("remaps", ())
        edges = {edge for event in lineage for edge in _edges(event["event"])}
        pairs = [(_name(one["from"]), _name(one["to"])) for one in remaps]
        broken = (
            *_broken_repositories(skills.get("repositories", ()), edges),
            *_broken_events(lineage, pairs),
            *_broken_remaps(pairs, edges),
        )
        for pointer, message in broken:
            raise SchemaViolation([{"pointer": pointer, "keyword": "rule", "message": message}])
        aliases = {one["alias"]: _name(one["to"]) for one in identity.get("aliases", ())}
        return cls(dict(pairs), aliases)

    def resolve(self, reference: str) -> SkillName:
        """
        The skill that *reference* means today: ``<source_uuid>/<skill_name>``, else an alias.

        Raises:
            InvalidArgument: It is neither, or remaps lead around in a circle.
        """
        found = _parsed(reference) or self._aliases.get(reference)
        if found is None:
            raise InvalidArgument(f"unknown skill alias '{reference[:100]}'")
        seen: set[SkillName] = set()
        while found in self._remaps:
            if found in seen:
                raise InvalidArgument(f"skill remap cycle detected for {found}")
            seen.add(found)
            found = self._remaps[found]
        return found


# --- what must agree -----------------------------------------------------------------------


def _broken_repositories(
    repositories: Iterable[Mapping[str, Any]], edges: Edges
) -> Iterator[tuple[str, str]]:
    by_uuid: dict[str, object] = {}
    by_place: dict[object, str] = {}
    mutated: list[tuple[str, str]] = []
    for index, repository in enumerate(repositories):
        uuid, place = canonical_uuid(repository["source_uuid"]), _place(repository)
        if by_uuid.setdefault(uuid, place) != place:
            yield (
                f"{_REPOSITORIES}/{index}/source_uuid",
                f"source UUID collision for {uuid}: two repositories of it are different ones",
            )
        first = by_place.setdefault(place, uuid)
        if not _related(first, uuid, edges):
            mutated.append(
                (
                    f"{_REPOSITORIES}/{index}/source_uuid",
                    f"source UUID mutation rejected: {first} -> {uuid} without lineage",
                )
            )
    yield from mutated


def _broken_events(
    lineage: Iterable[Mapping[str, Any]], remaps: list[tuple[SkillName, SkillName]]
) -> Iterator[tuple[str, str]]:
    for index, noted in enumerate(lineage):
        event = noted["event"]
        kind = event["event"]
        if kind == "rename_or_relocate":
            continue
        origins = {canonical_uuid(one) for one in _listed(event["from"])}
        targets = {canonical_uuid(one) for one in _listed(event.get("to", event.get("into", ())))}
        moved = [
            (old, new)
            for old, new in remaps
            if old.source_uuid in origins and new.source_uuid in targets
        ]
        wanted = {
            SkillName(source_uuid=origin, skill_name=name)
            for origin in origins
            for name in noted.get("required_from_skills", ())
        }
        is_covered = (
            bool(noted.get("required_from_skills"))
            and {old.source_uuid for old, _ in moved} == origins
            and {new.source_uuid for _, new in moved} == targets
            and wanted <= {old for old, _ in moved}
        )
        if not is_covered:
            yield (
                f"{_IDENTITY}/lineage/{index}",
                f"lineage event '{noted['event_id']}' ({kind}) requires explicit per-skill remap entries",
            )


def _broken_remaps(
    remaps: Iterable[tuple[SkillName, SkillName]], edges: Edges
) -> Iterator[tuple[str, str]]:
    for index, (old, new) in enumerate(remaps):
        if old.source_uuid != new.source_uuid and (old.source_uuid, new.source_uuid) not in edges:
            yield (
                f"{_IDENTITY}/remaps/{index}",
                f"skill remap from {old} to {new} is not allowed by lineage",
            )


def _edges(event: Mapping[str, Any]) -> Edges:
    """Which UUID became which by *event*."""
    return {
        (canonical_uuid(origin), canonical_uuid(target))
        for origin in _listed(event["from"])
        for target in _listed(event.get("to", event.get("into", ())))
    }


def _related(one: str, other: str, edges: Edges) -> bool:
    """Whether events lead from *one* to *other*, in whichever direction."""
    reached, waiting = {one}, [one]
    while waiting and other not in reached:
        current = waiting.pop()
        for pair in edges:
            if current in pair:
                new = set(pair) - reached
                reached |= new
                waiting += new
    return other in reached


def _place(repository: Mapping[str, Any]) -> object:
    """What tells where a repository is: what the original makes its fingerprint of."""
    kind = repository["type"]
    if kind == "filesystem":
        return kind, repository["path"]
    if kind == "http":
        return kind, repository["url"]
    if kind == "stdio":
        environment = tuple(sorted(repository.get("env", {}).items()))
        return kind, repository["command"], repository.get("cwd"), environment
    reference, form = repository.get("git_ref", "main"), repository.get("ref_type", "branch")
    return kind, repository["url"], reference, form, repository.get("skills_root")


# --- names -----------------------------------------------------------------------------------


def _name(key: Mapping[str, Any]) -> SkillName:
    return SkillName(source_uuid=canonical_uuid(key["source_uuid"]), skill_name=key["skill_name"])


def _parsed(reference: str) -> SkillName | None:
    uuid, slash, name = reference.partition("/")
    if not slash or not re.fullmatch(UUID, uuid) or not re.fullmatch(SKILL_NAME, name):
        return None
    return SkillName(source_uuid=canonical_uuid(uuid), skill_name=name)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
