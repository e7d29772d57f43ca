"""``init``: a project's own folder of realms, new or in a fresh clone."""

from __future__ import annotations

import os

from realmconf.domain.document import check_document
from realmconf.domain.names import workspace_realm
from realmconf.errors import InvalidArgument
from realmconf.runtime.client import connect
from realmconf.runtime.locate import current_folder, locate
from realmconf.runtime.project import clone_copies, make_project, take_in
from realmconf.surfaces.cli.schemas import given_schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.runtime.project import Project
    from realmconf.surfaces.cli.call import Call


def init(call: Call) -> None:
    """Make ``.realmconf/`` here; in a fresh clone, start the record with what its working copies state."""
    from realmconf.surfaces.cli.documents import read_document

    request = call.request
    if request.store is not None:
        raise InvalidArgument(
            "init makes .realmconf/ here, which is the store; in any other one a realm begins with what is first "
            "written to it, as by set or by schema set"
        )
    folder = current_folder()
    source = getattr(request, "from")
    # Both are read before anything is made.
    given = None if source is None else check_document(read_document(call, file=source).document)
    schema = None if request.schema is None else given_schema(call, request.schema)
    project = make_project(
        folder, realm=request.realm, default=workspace_realm(os.path.realpath(folder))
    )
    copies = clone_copies(project.root)
    if copies:
        call.say(
            f"{project.root} has working copies and no record of their history, as a fresh clone has: "
            "what they state becomes the start of a new one"
        )
    message = request.message or "taken in from a fresh clone"
    taken = take_in(project.root, copies, author=request.author, message=message) if copies else []
    with connect(project.root, author=request.author, surface="cli", sees_secrets=False) as client:
        realm = client.realm(project.realm)
        why = request.message or ("" if source is None else f"from {os.path.basename(source)}")
        if schema is not None:
            # With the document in one revision, which then fits from the start.
            realm.set_schema(schema, patch=given, message=why, create=given is not None)
        elif given is not None:
            realm.set(given, create=True, message=why)
        generation = realm.get().generation
    found = locate(folder=folder)
    for rule, what in ((found.store_by, "store"), (found.realm_by, "realm")):
        if rule != "project":
            call.say(
                f"warning: {rule} is set and goes before the project: other commands here use the {what} that it "
                "names until it is unset"
            )
    if call.json:
        call.print_json(
            {
                "root": project.root,
                "realm": str(project.realm),
                "generation": generation,
                "made": project.made,
                "imported": [
                    {"realm": str(one.realm), "generation": one.generation} for one in taken
                ],
            }
        )
        return
    call.print(_headline(project))
    call.print(*(f"{one.realm}: generation={one.generation}" for one in taken))
    if given is not None or schema is not None:
        call.print(f"generation={generation}")


def _headline(project: Project) -> str:
    done = "made" if project.made else "is there already"
    return f"{project.root} {done}; its realm is {project.realm}"
