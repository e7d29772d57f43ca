"""``get``: a configuration, or one value of it."""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import ROOT
from realmconf.errors import LineageError, ValueNotFound
from realmconf.runtime.results import document_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.surfaces.cli.call import Call

OWN, EFFECTIVE = "own", "effective"


def get(call: Call) -> None:
    """Print the configuration of the realm, or the value at one pointer of it."""
    request = call.request
    form = _form(call)
    realm = call.realm()
    view = OWN if request.own or request.at is not None else EFFECTIVE
    snapshot = realm.get() if request.at is None else realm.at(request.at)
    try:
        config = document_of(snapshot.record) if view == OWN else snapshot.composed
    except LineageError:
        if not call.json:
            call.say("what the realm states itself is not affected: realmconf get --own")
        raise
    call.warn(snapshot.warnings)
    if not snapshot.exists:
        was = "has no document" if snapshot.generation else "was never written"
        call.say(f"realm {snapshot.realm_id} {was}")
    if call.shows_secrets:
        call.say("warning: secrets are printed in clear text")
    if request.path is None or request.path == ROOT:
        _print_whole(call, snapshot, config, view=view, form=form)
        return
    value = request.path.resolve(config)
    if value is ABSENT:
        raise ValueNotFound(
            realm=snapshot.realm_id, pointer=str(request.path), generation=snapshot.generation
        )
    value = call.veil.over(value, request.path)
    if request.with_generation and form != "toml":
        value = {"value": value, "generation": snapshot.generation, "etag": snapshot.etag}
    elif request.with_generation:
        call.print(f"# generation = {snapshot.generation}")
    _print_value(call, value, form=form)


def _form(call: Call) -> str:
    """The format that ``-o`` and ``--format`` agree on."""
    output, form = call.request.output, call.request.format
    agreed = {
        (None, None): "toml",
        ("text", None): "toml",
        ("json", None): "json",
        ("text", "toml"): "toml",
        ("json", "json"): "json",
    }
    if output is None and form is not None:
        return str(form)
    if (output, form) not in agreed:
        from realmconf.surfaces.cli.parsing import contradiction

        raise contradiction(call.request.command, f"-o {output}", f"--format {form}")
    return agreed[output, form]


def _print_whole(call: Call, snapshot: Any, config: Any, *, view: str, form: str) -> None:
    if form == "toml":
        from realmconf.surfaces.cli.documents import EFFECTIVE_VIEW
        from realmconf.surfaces.cli.formats import toml_text

        header = f"# realmconf: {snapshot.realm_id}, generation {snapshot.generation}"
        if view == EFFECTIVE:
            header += f", {EFFECTIVE_VIEW}{_inherited(snapshot)}"
        text = toml_text(call.veil.over(dict(config or {})), header=header)
        if call.request.with_generation:
            call.print(f"# generation = {snapshot.generation}")
        call.print_text(text)
        return
    from realmconf.surfaces.envelope import envelope

    _print_value(call, envelope(snapshot, view=view, veil=call.veil), form=form)


def _inherited(snapshot: Any) -> str:
    """A further line of comment that names the realms whose values are in it."""
    _, *ancestors = snapshot.lineage
    named = ", ".join(f"{one.realm} (generation {one.generation})" for one in ancestors)
    return f"\n# inherits from {named}" if named else ""


def _print_value(call: Call, value: Any, *, form: str) -> None:
    from realmconf.surfaces.cli import formats

    if form == "json":
        call.print_json(value)
    elif form == "yaml":
        call.print_text(formats.yaml_text(value))
    elif isinstance(value, dict):
        call.print_text(formats.toml_text(value))
    elif isinstance(value, str) and call.interactive:
        from realmconf.surfaces.cli.terminal import printable

        # Line ends are the value's own; anything else could steer the terminal.
        call.print_text("\n".join(map(printable, value.split("\n"))))
    else:
        call.print(formats.bare(value))
