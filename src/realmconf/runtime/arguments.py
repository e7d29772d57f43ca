"""
Arguments parsed at the edge: whatever a caller may pass, valid or refused.

Decides the form of preconditions, texts, paths and times; what they mean for a
write is for ``domain.decide``.  A malformed precondition is always an error,
never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from realmconf.domain.document import check_value
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidArgument, InvalidDocument, LimitExceeded
from realmconf.runtime.snapshot import ConfigSnapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypedDict

    from realmconf.domain.document import Value
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.write import Expected

    class WriteOptions(TypedDict, total=False):
        """What every write takes besides what it writes."""

        expected_generation: int | None
        """The generation this write was made against; 0 for a realm never written."""
        expected: ConfigSnapshot[Any] | str | tuple[str, ...] | None
        """The same as a snapshot or an etag, which also tell a replaced store apart; of several etags any will do."""
        create: bool
        """The realm must have no live document."""
        must_exist: bool
        """The realm must have a live document."""
        on_conflict: str
        """fail | rebase: apply to the head if nothing this write touches has changed since."""
        depends_on: Iterable[str | Pointer]
        """With rebase: places this write was decided on; a change there is a conflict too."""
        base: ConfigSnapshot[Any] | None
        """The snapshot that a model, or a changed copy of its ``config``, was made from (``set`` only)."""
        message: str
        author: str | None
        write_id: str | None
        """Makes a retry idempotent; minted if not given."""
        timeout: float | None
        """Seconds to wait for the turn to write."""
        dry_run: bool
        """Decide everything, write nothing, and return a ``Plan``."""


# Compiled when the first etag is read, since a program that only reads configuration never does.
_ETAG = r"(0|[1-9][0-9]{0,15})-([0-9a-f]{12,64})"
_TIMEOUT_SECONDS_MAX = 86_400.0


def generation(value: object, *, name: str = "expected_generation", limits: Limits) -> int:
    """A generation: an integer from 0 to the limit, and no boolean, float or text."""
    if type(value) is not int:
        raise InvalidArgument(f"{name} must be an integer, not {type(value).__name__}")
    if not 0 <= value <= limits.generation:
        raise InvalidArgument(f"{name} must be between 0 and {limits.generation}")
    return value


def existing_generation(value: object, *, name: str, limits: Limits) -> int:
    """A generation that can have a revision: 1 or more."""
    number = generation(value, name=name, limits=limits)
    if number == 0:
        raise InvalidArgument(
            f"{name} must be at least 1: generation 0 is the realm before its first write"
        )
    return number


def etag(text: str) -> Expected:
    """
    An own view's etag, as ``snapshot.etag`` gives it.

    Raises:
        InvalidArgument: It is none, or that of another view.
    """
    from realmconf.domain.write import Expected

    found = re.fullmatch(_ETAG, text)
    if found is None:
        raise InvalidArgument(
            "not an etag or cursor of a realm's own view, which looks like 5-0123456789ab"
        )
    number = int(found[1])
    return Expected(generation=number, digest=found[2] if number else None)


def expected(realm: RealmName, options: WriteOptions, *, limits: Limits) -> Expected | None:
    """The precondition that *options* state; ``expected`` and ``expected_generation`` must agree."""
    stated = options.get("expected")
    numbered = options.get("expected_generation")
    if numbered is not None:
        generation(numbered, limits=limits)
    if stated is None:
        from realmconf.domain.write import Expected

        return None if numbered is None else Expected(generation=numbered)
    if isinstance(stated, ConfigSnapshot):
        found = _of_snapshot(realm, stated, name="expected")
    elif isinstance(stated, str):
        try:
            found = etag(stated)
        except InvalidArgument as unreadable:
            raise InvalidArgument(f"expected: {unreadable}") from None
        generation(found.generation, name="expected", limits=limits)
    else:
        raise InvalidArgument(
            f"expected must be a snapshot or an etag, not {type(stated).__name__}; a number is expected_generation"
        )
    if numbered is not None and numbered != found.generation:
        raise InvalidArgument(
            f"expected names generation {found.generation} and expected_generation {numbered}: they must agree"
        )
    return found


def _alternatives(
    realm: RealmName, several: tuple[object, ...], options: WriteOptions, *, limits: Limits
) -> tuple[Expected, ...]:
    """Each of *several* etags, the newest first, in whatever order they are stated."""
    if not several:
        raise InvalidArgument("expected names no etag")
    found = set()
    for one in several:
        alone: Any = {**options, "expected": one}
        found.add(expected(realm, alone, limits=limits))
    return tuple(
        sorted(
            (one for one in found if one is not None),
            key=lambda one: (-one.generation, one.digest or ""),
        )
    )


def base(realm: RealmName, options: WriteOptions) -> ConfigSnapshot[Any] | None:
    """The snapshot a model was made from: ``base``, else ``expected`` if that is a snapshot."""
    given = options.get("base")
    if given is not None:
        if not isinstance(given, ConfigSnapshot):
            raise InvalidArgument(f"base must be a snapshot, not {type(given).__name__}")
        _of_snapshot(realm, given, name="base")
        return given
    stated = options.get("expected")
    return stated if isinstance(stated, ConfigSnapshot) else None


def _of_snapshot(realm: RealmName, snapshot: ConfigSnapshot[Any], *, name: str) -> Expected:
    if snapshot.realm_id != realm:
        raise InvalidArgument(f"{name} is a snapshot of realm {snapshot.realm_id}, not of {realm}")
    from realmconf.domain.write import Expected

    return Expected(
        generation=snapshot.generation, digest=snapshot.digest if snapshot.generation else None
    )


def flag(value: object, *, name: str) -> bool:
    """A boolean and nothing that merely looks like one."""
    if not isinstance(value, bool):
        raise InvalidArgument(f"{name} must be True or False, not {type(value).__name__}")
    return value


def count(value: object, *, name: str, maximum: int | None = None) -> int:
    """A whole number from 1 on."""
    if type(value) is not int or value < 1:
        raise InvalidArgument(f"{name} must be a whole number from 1 on")
    if maximum is not None and value > maximum:
        raise LimitExceeded(name, value, maximum=maximum)
    return value


def choice(value: object, *, name: str, among: tuple[str, ...]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in among:
        raise InvalidArgument(f"{name} must be one of {', '.join(among)}")
    return value


def text(value: object, *, name: str, characters_max: int) -> str:
    """Text for people: any characters but control ones other than line breaks and tabs."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{name} must be text, not {type(value).__name__}")
    if len(value) > characters_max:
        raise LimitExceeded(f"{name}_chars", len(value), maximum=characters_max)
    if not value.isprintable():
        for character in value:
            if not character.isprintable() and character not in "\n\t":
                _check_character(character, name=name)
    return value


def line(value: object, *, name: str, characters_max: int) -> str:
    """Text of one line that is not empty: an author, a write id."""
    found = text(value, name=name, characters_max=characters_max)
    if not found.strip():
        raise InvalidArgument(f"{name} must not be empty")
    if "\n" in found or "\t" in found:
        raise InvalidArgument(f"{name} must be one line")
    return found


def _check_character(character: str, *, name: str) -> None:
    # Unprintable includes odd spaces, which do no harm, and these, which do.
    if character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character <= "\udfff":
        raise InvalidArgument(f"{name} contains a control character (U+{ord(character):04X})")


def pointer(path: object) -> Pointer:
    """A place given as ``Pointer``, JSON Pointer or dotted path."""
    if isinstance(path, Pointer):
        return path
    if not isinstance(path, str):
        raise InvalidArgument(f"a path must be text or a Pointer, not {type(path).__name__}")
    return Pointer.parse(path)


def inner_pointer(path: object) -> Pointer:
    """A place inside the document, not the document itself."""
    found = pointer(path)
    if not found:
        raise InvalidArgument(
            "the path is empty, which names the whole document: name one value of it, "
            "or replace or delete the document"
        )
    return found


def pointers(paths: object, *, name: str) -> tuple[Pointer, ...]:
    """Several places; one alone is not taken for a list of characters."""
    if isinstance(paths, (str, bytes, Mapping)) or not hasattr(paths, "__iter__"):
        raise InvalidArgument(f"{name} must be a list of paths")
    return tuple(pointer(path) for path in paths)


def value(given: object, *, at: Pointer, limits: Limits) -> Value:
    """One value of a document, checked as it will stand at *at*."""
    try:
        return check_value(given, limits=limits)
    except InvalidDocument as refused:
        reason = str(refused).partition(": ")[2]
        raise InvalidDocument(reason, pointer=str(at) + (refused.pointer or "")) from None


def timeout_seconds(given: object, *, default: float) -> float:
    """How long to wait: a finite number of seconds from 0 on; None is the client's own."""
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise InvalidArgument(f"timeout must be a number of seconds, not {type(given).__name__}")
    if not 0 <= given <= _TIMEOUT_SECONDS_MAX:
        raise InvalidArgument(f"timeout must be between 0 and {_TIMEOUT_SECONDS_MAX:.0f} seconds")
    return float(given)


_OPTIONS = frozenset(
    (
        "base",
        "create",
        "depends_on",
        "dry_run",
        "expected",
        "expected_generation",
        "message",
        "must_exist",
        "on_conflict",
        "author",
        "timeout",
        "write_id",
    )
)
_COMPARED = frozenset(("base", "expected", "expected_generation"))
_CONDITIONS = frozenset(("create", "depends_on", "must_exist", "on_conflict"))
CONFLICT_WAYS = ("fail", "rebase")


def check_names(options: Mapping[str, object]) -> None:
    """Refuse an option that no write has, as Python does for a parameter that a function does not have."""
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise TypeError(f"a write has no option {min(unknown)!r}")


def preconditions(realm: RealmName, options: WriteOptions, *, limits: Limits) -> dict[str, Any]:
    """The fields of a ``Write`` that say when it may happen; what is not stated is left to their defaults."""
    stated: dict[str, Any] = {}
    if options.keys() & _COMPARED:
        several = options.get("expected")
        if isinstance(several, tuple):
            found = _alternatives(realm, several, options, limits=limits)
            stated["expected"], stated["or_expected"] = found[0], found[1:]
        else:
            base(realm, options)
            stated["expected"] = expected(realm, options, limits=limits)
    if options.keys() & _CONDITIONS:
        stated |= _conditions(options, expectation=stated.get("expected"))
    return stated


def _conditions(options: WriteOptions, *, expectation: Expected | None) -> dict[str, Any]:
    on_conflict = choice(
        options.get("on_conflict", "fail"), name="on_conflict", among=CONFLICT_WAYS
    )
    depends_on = pointers(options.get("depends_on", ()), name="depends_on")
    if on_conflict == "rebase" and expectation is None:
        raise InvalidArgument("on_conflict='rebase' needs an expected generation to rebase from")
    if depends_on and on_conflict != "rebase":
        raise InvalidArgument(
            "depends_on is for on_conflict='rebase': any change since is a conflict otherwise"
        )
    create = flag(options.get("create", False), name="create")
    must_exist = flag(options.get("must_exist", False), name="must_exist")
    if create and must_exist:
        raise InvalidArgument("create and must_exist contradict each other")
    return {
        "create": create,
        "must_exist": must_exist,
        "on_conflict": on_conflict,
        "depends_on": depends_on,
    }
