"""
What is said of a working copy: notices for callers, a state for people.

Decides words only, from what an examination found.  No text quotes a value of the
configuration; a state carries whole texts, for a person to merge by hand, and
surfaces decide who sees them.
"""

from __future__ import annotations

import os

from realmconf.domain import workfile
from realmconf.errors import WorkingCopyBroken, WorkingCopyContested, WorkingCopyRefused
from realmconf.stores.embedded.worklook import Finished, Refused, Saving
from realmconf.stores.protocol import Notice, WorkingCopyState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from realmconf.errors import WorkingCopyError
    from realmconf.stores.embedded.workexamine import ContestedEdit, Finding


def notices(found: Finding, path: str) -> tuple[Notice, ...]:
    """What every read and write should say of what was found."""
    said = [_notice(error) for error in _troubles(found, path)]
    if isinstance(found.verdict, (workfile.Adopt, workfile.Restyled, workfile.Lost)):
        said.append(
            Notice(
                code="working_copy_edited",
                message=f"{path} was edited and is not taken in yet; the recorded configuration is in force",
                path=path,
            )
        )
    if found.unread is not None:
        said.append(
            stale(path, f"an edit of it may wait that cannot be looked at ({found.unread})")
        )
    return tuple(said)


def stale(path: str, reason: str) -> Notice:
    """The file could not be read, taken in or rendered now."""
    return Notice(
        code="working_copy_stale",
        message=f"{path} is not in step with the record now: {reason}",
        path=path,
    )


def reason_of(error: Exception) -> str:
    """Why something failed, for a person."""
    return getattr(error, "strerror", None) or str(error)


def state(
    found: Finding,
    path: str,
    *,
    failure: str | None,
    contested: ContestedEdit | None,
) -> WorkingCopyState:
    """Everything about the file that a person may need; *contested* is the edit to be settled."""
    look, verdict = found.look, found.verdict
    realm = found.head.realm
    fields: dict[str, object] = {"state": state_word(found), "reason": failure or ""}
    if found.waiting and failure is None:
        fields["reason"] = (
            "an older file is still open somewhere: what is saved there is taken in later"
        )
    if isinstance(look, Refused):
        fields["reason"] = look.reason
    elif isinstance(look, Finished):
        text = look.content.decode(errors="replace")
        header = workfile.read_header(text)
        if header is not None and header.realm == realm:
            fields["file_generation"] = header.generation
        if not isinstance(verdict, (workfile.Clean, workfile.Unfinished)):
            fields["mine_text"] = text
    if isinstance(verdict, workfile.Broken):
        fields |= {"reason": verdict.reason, "line": verdict.line, "column": verdict.column}
    elif isinstance(verdict, workfile.Lost):
        fields["reason"] = (
            f"it is of generation {verdict.generation}, and there is no history of this realm"
        )
    if found.head.moved_to is not None:
        fields["reason"] = (
            f"the realm lives in {found.head.moved_to}: what is edited here is not taken in"
        )
    if contested is not None:
        fields |= _contested_fields(found, path, contested)
    return WorkingCopyState(
        realm=realm,
        path=path,
        generation=found.head.generation,
        **fields,  # type: ignore[arg-type]
    )


def state_word(found: Finding) -> str:
    """The word of the protocol's table."""
    look, verdict = found.look, found.verdict
    if found.head.moved_to is not None:
        return "moved"
    if isinstance(look, Refused):
        return "refused"
    if isinstance(look, Saving):
        return "saving"
    if isinstance(verdict, workfile.Broken):
        return "broken"
    if found.kept or isinstance(verdict, (workfile.Contested, workfile.Lost)):
        return "contested"
    if found.missing:
        return "clean" if found.no_file_wanted else "absent"
    if isinstance(verdict, workfile.Adopt):
        return "edited" if verdict.restores is None else "restored"
    if isinstance(verdict, workfile.Restyled):
        return "edited"
    return "clean" if isinstance(verdict, workfile.Clean) else "stale"


def _troubles(found: Finding, path: str) -> Iterator[WorkingCopyError]:
    """What a person has to settle."""
    realm = found.head.realm
    verdict = found.verdict
    if isinstance(found.look, Refused):
        yield WorkingCopyRefused(realm=realm, path=path, reason=found.look.reason)
    if isinstance(verdict, workfile.Broken):
        yield WorkingCopyBroken(
            realm=realm,
            path=path,
            reason=verdict.reason,
            line=verdict.line,
            column=verdict.column,
        )
    elif isinstance(verdict, workfile.Contested):
        pointers = [str(pointer) for pointer in verdict.pointers]
        yield WorkingCopyContested(realm=realm, path=path, pointers=pointers)
    for name in found.kept:
        kept = os.path.join(os.path.dirname(path), name)
        yield WorkingCopyContested(realm=realm, path=path, kept=kept)


def _notice(error: WorkingCopyError) -> Notice:
    return Notice(
        code=error.code, message=str(error), path=getattr(error, "kept", None) or error.path
    )


def _contested_fields(found: Finding, path: str, contested: ContestedEdit) -> dict[str, object]:
    fields: dict[str, object] = {
        "contested": tuple(str(pointer) for pointer in contested.pointers),
        "kept": tuple(os.path.join(os.path.dirname(path), name) for name in found.kept),
        "mine_text": contested.text,
        "reason": contested.reason,
    }
    if contested.base is not None:
        from realmconf.domain.toml import render

        fields["base_text"] = render(contested.base)
    return fields
