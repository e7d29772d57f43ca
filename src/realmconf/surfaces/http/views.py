"""
Views of a realm as representations: bytes, media type, entity-tag.

Decides what each form of a view looks like, and that a realm without a live document is answered with 404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.errors import RealmNotFound
from realmconf.surfaces import answers
from realmconf.surfaces.http import etags
from realmconf.surfaces.http.bodies import EFFECTIVE_VIEW
from realmconf.surfaces.http.preconditions import refuses_read
from realmconf.surfaces.http.problems import Problem, problem_of
from realmconf.surfaces.http.replies import JSON, TOML, Reply, json_bytes

if TYPE_CHECKING:
    from realmconf.runtime.operations.results import View
    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.preconditions import Conditions

FORMS = (JSON, TOML)
"""The media types of a whole view; one value of it is JSON."""


def representation(
    session: Session, found: View, *, at: int | None, media: str
) -> tuple[Reply, str]:
    """*found* as its reader sees it, and the entity-tag that is in the answer too."""
    snapshot = found.snapshot
    shown = answers.view(session, found)
    if found.path is None and found.view == "own" and not snapshot.exists:
        opaque = etags.of_view(found, at=at, shown=None, media=JSON)
        return _missing(found, shown).with_headers((b"etag", etags.quoted(opaque))), opaque
    values = shown if found.path is not None else shown["config"]
    opaque = etags.of_view(found, at=at, shown=values, media=media)
    if media == TOML:
        body = _toml(found, values)
    else:
        body = json_bytes(shown)
    reply = Reply(status=200, headers=((b"etag", etags.quoted(opaque)),), body=body, media=media)
    return reply, opaque


def _toml(found: View, config: Any) -> bytes:
    from realmconf.domain.frozen import thaw
    from realmconf.domain.toml import render

    if found.path is not None:
        raise Problem("not_acceptable", f"one value is had as {JSON}")
    header = None
    if found.view != "own":
        snapshot = found.snapshot
        header = f"# realm {snapshot.realm_id}, generation {snapshot.generation}, {EFFECTIVE_VIEW}"
    return render(thaw(config), header=header).encode()


def _missing(found: View, shown: dict[str, Any]) -> Reply:
    """404 with what the envelope would have said, so that whoever wants to write knows the generation."""
    snapshot = found.snapshot
    is_deleted = snapshot.generation > 0
    reason = "has no document: it was deleted" if is_deleted else "was never written"
    return problem_of(
        RealmNotFound(realm=str(snapshot.realm_id), reason=reason),
        more={**shown, "deleted": is_deleted},
    )


def conditional(reply: Reply, opaque: str, conditions: Conditions) -> Reply:
    """
    *reply*, or 304 if whoever asks has it already.

    Raises:
        Problem: ``If-Match`` names another representation, or there is none (412).
    """
    is_there = reply.status == 200
    if conditions.match is not None and (not is_there or refuses_read(conditions, opaque)):
        raise Problem(
            "precondition",
            "If-Match does not name what is there now",
            headers=((b"etag", etags.quoted(opaque)),),
            reason="another representation",
            expected=None,
            current=None,
        )
    if (
        is_there
        and conditions.none_match is not None
        and etags.matches_weakly(conditions.none_match, opaque)
    ):
        return unchanged(opaque)
    return reply


def unchanged(opaque: str) -> Reply:
    """304: whoever asks has it already."""
    return Reply(status=304, headers=((b"etag", etags.quoted(opaque)),))
