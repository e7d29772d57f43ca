"""
Meerkat's own wire, for one realm: its three requests, its bodies and its envelope, over whatever transport.

Decides what a body is, wrapped or direct, and that a configuration comes with its defaults filled in, as Meerkat's
does, and goes back without them.  Rights, writes and errors are those of every other request.
"""

from __future__ import annotations

from functools import partial

from realmconf.domain.document import ABSENT, check_document
from realmconf.domain.frozen import thaw
from realmconf.domain.names import LIMITS
from realmconf.domain.patch import check_patch
from realmconf.domain.record import Record
from realmconf.domain.schemas.filling import filled, unfilled
from realmconf.domain.schemas.shape import NOTHING
from realmconf.domain.schemas.wording import quoted, suggestion
from realmconf.domain.secrets import unmarked
from realmconf.domain.write import Edit, Expected, MergePatch
from realmconf.errors import GenerationConflict, InvalidArgument, InvalidDocument, InvalidPatch
from realmconf.meerkat.answers import check, shape_of, without_old_key
from realmconf.meerkat.schema import SCHEMA
from realmconf.runtime import arguments
from realmconf.runtime.adapter import PLAIN
from realmconf.runtime.difference import edit_from
from realmconf.runtime.judged import judged
from realmconf.runtime.operations.numbers import with_stored_number_types
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.runtime.outcome import identity_of
from realmconf.surfaces.veil import veil_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.schemas.shape import Shape
    from realmconf.domain.write import Command, Write
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.runtime.client import Client
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.snapshot import ConfigSnapshot

READ, SET, PATCH = BY_NAME["config/get"], BY_NAME["config/set"], BY_NAME["config/patch"]
GENERATION = "expected_generation"
SECTIONS = frozenset(SCHEMA["properties"])
"""What Meerkat's configuration has, of any release."""


class Wire(Record):
    """For which realm it is spoken, and what an answer tells besides."""

    realm: RealmName
    sessions: str | None = None
    """What ``storage.directory`` is where nothing says it."""
    shows_paths: bool = False

    def get(self, session: Session) -> dict[str, Any]:
        """The envelope."""
        session.require(READ, self.realm)
        return self._envelope(session, session.realm(self.realm).get())

    def put(self, session: Session, body: Any, *, write_id: str | None = None) -> dict[str, Any]:
        """
        Write a whole configuration, as ``get`` gives it or less, wrapped or direct; the envelope after it.

        Raises:
            RealmconfError: It was refused; nothing was changed.
        """
        session.require(SET, self.realm)
        received = taken_apart(body, "config")
        if not isinstance(received.given, dict):
            raise InvalidDocument("a configuration is an object", pointer="")
        # What can be no configuration of any generation is refused as that, before anything is compared with it.
        # Which of its nulls stand for something is told by the head.
        limits = session.client.limits
        check_document(_with_members_for_nulls(received.given, limits.depth), limits=limits)
        # The edit stands in for one that is not known before the head is.
        return self._write(session, received, Edit(), self._whole, write_id=write_id)

    def patch(self, session: Session, body: Any, *, write_id: str | None = None) -> dict[str, Any]:
        """
        Apply a merge patch, wrapped or direct; the envelope after it.

        A provider that takes another's place takes neither its key nor its address.

        Raises:
            RealmconfError: It was refused; nothing was changed.
        """
        session.require(PATCH, self.realm)
        received = taken_apart(body, "patch")
        if not isinstance(received.given, dict):
            raise InvalidPatch("a merge patch of a configuration is an object")
        received = received.replace(given=check_patch(received.given, limits=session.client.limits))
        command = MergePatch(patch=received.given)
        return self._write(session, received, command, self._change, write_id=write_id)

    # --- writing -----------------------------------------------------------------------------

    def _write(
        self,
        session: Session,
        received: Received,
        command: Command,
        write_at: Callable[[Client, Received, Write, Any], Write],
        *,
        write_id: str | None,
    ) -> dict[str, Any]:
        """
        Write what *write_at* makes of *received*, and of a write of *command*, at the head that it is decided on.

        All that depends on the head is made in the store's turn, where no other provider can take the place of the
        one that was looked at.  And since an id is looked up before, a retry is the write it was when it came first:
        it is known by what was received, whatever that would be made into now.
        """
        client = session.client
        writing = judged(client, self.realm, _judge).writing
        options = _options(received.expected, write_id)
        request = writing.request(command, options)
        write = request.write
        assert write is not None
        given = received.given
        states_secrets = write.may_guess and any(client.lineages.secrecy(self.realm).stated(given))
        request = request.replace(
            prepare=partial(write_at, client, received, write),
            identity=lambda: ["meerkat", given, identity_of(write)],
            blind_author=write.author if states_secrets else None,
            write=None,
        )
        return self._envelope(session, writing.run(request, options, groupable=False))

    def _whole(self, client: Client, received: Received, write: Write, view: Any) -> Write:
        """The write of a whole configuration at the head of *view*, with which it is compared."""
        point = client.lineages.point_at(view, self.realm, None)
        shape = self._shape(point)
        _refuse_strangers(received, point, shape)
        # The folder of sessions is null in the original where it has none, and stated by nobody where it has one.
        named = _without_nulls(received.given, self.replace(sessions=None)._shape(point))
        config = check_document(named, limits=client.limits)
        head = point.head
        if received.expected not in (None, head.generation):
            # Marks of another generation stand for nothing here, which is not what is wrong.
            raise GenerationConflict(received.expected, head.generation, realm=self.realm)
        stated = thaw(point.composed.config)
        # What was read came with marks and defaults, and some writers make integers of floats.
        config = unmarked(config, stated, client.lineages.secrecy(self.realm, view))
        config = with_stored_number_types(config, filled(stated, shape))
        edit = edit_from(PLAIN, point.composed, unfilled(config, stated, shape))
        return write.replace(command=edit, expected=Expected(generation=head.generation))

    def _change(self, client: Client, received: Received, write: Write, view: Any) -> Write:
        """The write of a merge patch at the head of *view*."""
        point = client.lineages.point_at(view, self.realm, None)
        shape = self._shape(point)
        _refuse_strangers(received, point, shape)
        shown = filled(thaw(point.composed.config), shape)
        change = with_stored_number_types(received.given, shown)
        return write.replace(command=MergePatch(patch=without_old_key(change, shown)))

    # --- parts -------------------------------------------------------------------------------

    def _shape(self, point: Point) -> Shape:
        if point.problem is not None:
            return NOTHING
        own = shape_of(point.composed.schemas, sessions=self.sessions)
        return point.composed.shape if own is None else own

    def _envelope(self, session: Session, snapshot: ConfigSnapshot[Any]) -> dict[str, Any]:
        veil = veil_of(session.client, self.realm, shows_secrets=session.shows_secrets)
        metadata = snapshot.metadata
        envelope: dict[str, Any] = {
            "config": veil.over(filled(thaw(snapshot.composed), self._shape(snapshot.point))),
            "generation": snapshot.generation,
            "realm_id": str(self.realm),
            "instance_id": metadata.instance_id,
            "backend": metadata.backend,
        }
        if self.shows_paths and metadata.resolved_paths is not None:
            envelope["resolved_paths"] = metadata.resolved_paths.to_dict()
        return envelope


class Received(Record):
    """What a body asks for."""

    member: str
    """What it is, a ``config`` or a ``patch``."""
    given: Any
    expected: int | None = None
    is_direct: bool = False
    """Whether the body is it, and does not wrap it."""


def taken_apart(body: Any, member: str) -> Received:
    """
    The configuration or patch of a body, and the generation it expects.

    Raises:
        InvalidArgument: It is half wrapped: nothing of it is taken for a configuration.
    """
    if not isinstance(body, dict):
        raise InvalidArgument("the body is not an object")
    if member not in body:
        if GENERATION in body:
            raise InvalidArgument(f"{GENERATION} goes with {member}: wrap what is to be written")
        if not body:
            raise InvalidArgument(
                f'nothing is given; what is empty is sent as {{"{member}": {{}}}}'
            )
        return Received(member=member, given=body, is_direct=True)
    unknown = sorted(body.keys() - {member, GENERATION})
    if unknown:
        raise InvalidArgument(f"a wrapped body has no member {unknown[0][:100]!a}")
    generation = body.get(GENERATION)
    if generation is not None:
        generation = arguments.generation(generation, limits=LIMITS)
    return Received(member=member, given=body[member], expected=generation)


def _refuse_strangers(received: Received, point: Point, shape: Shape) -> None:
    """
    Refuse a direct body with a key that neither Meerkat nor the realm knows.

    Such a key may be a slip of the pen in the name of what wraps, and then the rest of the configuration is not
    missing because somebody wants it gone.

    Raises:
        InvalidArgument: It has one; what was most likely meant is named.
    """
    if not received.is_direct:
        return
    revision = point.head.revision
    own = {} if revision is None else revision.document or {}
    known = {*SECTIONS, *shape.keys, *point.composed.config, *own}
    strangers = sorted(received.given.keys() - known)
    if strangers:
        name, member = strangers[0], received.member
        meant = suggestion(name, (member, GENERATION, *sorted(known)))
        raise InvalidArgument(
            f"a configuration has no section {quoted(name)}{meant}; "
            f'one that has it is sent as {{"{member}": {{…}}}}'
        )


def _judge(composed: Composed) -> None:
    check(composed.config, composed.schemas)


def _options(expected: int | None, write_id: str | None) -> WriteOptions:
    options: WriteOptions = {}
    if expected is not None:
        options["expected_generation"] = expected
    if write_id is not None:
        options["write_id"] = write_id
    return options


def _without_nulls(config: Any, shape: Shape) -> Any:
    """
    *config* without the members that the original shows as null: those that may be left out, and have no default.

    A section with nothing else in it states nothing.
    """
    if isinstance(config, list):
        return [_without_nulls(one, shape.element(index)) for index, one in enumerate(config)]
    if not isinstance(config, dict) or not shape.keys:
        return config
    named = frozenset(shape.keys)
    kept: Document = {}
    for key, value in config.items():
        place = shape.member(key)
        if value is not None:
            found = _without_nulls(value, place)
            if found or not value:
                kept[key] = found
        elif key not in named or place.default is not ABSENT:
            kept[key] = None
    return kept


def _with_members_for_nulls(value: Any, levels: int) -> Any:
    """*value* with something else in the place of each member that is null, no deeper than a document may be."""
    if not levels:
        return value
    if isinstance(value, list):
        return [_with_members_for_nulls(item, levels - 1) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: False if item is None else _with_members_for_nulls(item, levels - 1)
        for key, item in value.items()
    }
