"""
Frozen records without ``dataclasses``.

A command-line read must finish in a few milliseconds of Python, and importing
``dataclasses`` (with ``inspect``) costs more than everything else on that path.
This gives what the domain needs of it: typed keyword construction, defaults,
equality, hashing, ``repr``, pickling, ``replace``.  Field types are for the type
checker; values are trusted, since parsing happens at the edge.

A kind of record that is made often gets a constructor of its own, compiled for
its fields as ``dataclasses`` does it: a write makes some twenty records, which
took a sixth of its time.  A short command makes few of each and compiles none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


_set = object.__setattr__

OFTEN = 64
"""So many of one kind, and a constructor of its own is soon paid back."""


_made: dict[type, int] = {}
_missing: Any = object()


def _any_fields(self: Any, /, **given: Any) -> None:
    """The constructor of every kind at first."""
    kind = type(self)
    if given.keys() != kind.__names__:
        given = {**kind.__defaults__, **given}
        if given.keys() != kind.__names__:
            raise _fault(kind, given)
    for field, value in given.items():
        _set(self, field, value)
    _made[kind] = _made.get(kind, 0) + 1
    if _made[kind] == OFTEN and kind.__names__ and kind.__takes_fields__:
        kind.__init__ = _constructor(kind)


def _fault(kind: Any, given: dict[str, Any]) -> TypeError:
    unknown = ", ".join(sorted(given.keys() - kind.__names__))
    needed = ", ".join(
        sorted(field for field in kind.__names__ if given.get(field, _missing) is _missing)
    )
    return TypeError(
        f"{kind.__name__} {f'has no field {unknown}' if unknown else f'needs {needed}'}"
    )


def _constructor(kind: Any) -> Any:
    """``_any_fields`` for the fields of *kind* alone."""
    fields, defaults = kind.__fields__, kind.__defaults__
    # No field's name begins like these.
    known: dict[str, Any] = {"__missing": _missing, "__fault": _fault, "__kind": kind}
    known |= {f"__put_{field}": getattr(kind, field).__set__ for field in fields}
    known |= {f"__default_{field}": value for field, value in defaults.items()}
    needed = [field for field in fields if field not in defaults]
    taken = [f"{field}=__missing" for field in needed]
    taken += [f"{field}=__default_{field}" for field in fields if field in defaults]
    wrong = " or ".join(["__others", *(f"{field} is __missing" for field in needed)])
    given = ", ".join(f"{field!r}: {field}" for field in fields)
    source = "\n ".join(
        [
            f"def __init__(__self, /, *, {', '.join(taken)}, **__others):",
            f"if {wrong}: raise __fault(__kind, {{{given}, **__others}})",
            *(f"__put_{field}(__self, {field})" for field in fields),
        ]
    )
    exec(source, known)  # noqa: S102 - names of our own classes' fields
    made = known["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    return made


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class RecordMeta(type):
    """Turns the annotations of a class body into slots, and its assignments into defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        own = [
            field for field in namespace.get("__annotations__", {}) if not field.startswith("__")
        ]
        inherited: list[str] = []
        defaults: dict[str, Any] = {}
        for base in bases:
            inherited += getattr(base, "__fields__", ())
            defaults |= getattr(base, "__defaults__", {})
        for field in own:
            if field in namespace:
                defaults[field] = namespace.pop(field)
        # What a class asks for besides holds what is worked out of the fields, and is no part of the record.
        namespace["__slots__"] = (
            *(field for field in own if field not in inherited),
            *namespace.get("__slots__", ()),
        )
        namespace["__fields__"] = tuple(dict.fromkeys([*inherited, *own]))
        namespace["__names__"] = frozenset(namespace["__fields__"])
        namespace["__defaults__"] = defaults
        namespace["__match_args__"] = namespace["__fields__"]
        if "__init__" in namespace:
            for base in bases:
                if getattr(base, "__takes_fields__", False):
                    # What is written out may hand it fields that the base does not have.
                    base.__init__ = _any_fields  # type: ignore[misc]
                    _made[base] = OFTEN
        elif all(
            getattr(base, "__takes_fields__", base.__init__ is object.__init__)  # type: ignore[misc]
            for base in bases
        ):
            # Also where a base has a compiled one, which is for the fields of that base.
            namespace["__init__"] = _any_fields
        namespace["__takes_fields__"] = namespace.get("__init__") is _any_fields
        return super().__new__(mcs, name, bases, namespace)


class Record(metaclass=RecordMeta):
    """Base of all records: keyword-only construction, immutable afterwards."""

    if TYPE_CHECKING:
        __fields__: ClassVar[tuple[str, ...]]
        __names__: ClassVar[frozenset[str]]
        __defaults__: ClassVar[dict[str, Any]]
        __hidden__: ClassVar[frozenset[str]]

        def __init__(self, **given: Any) -> None: ...
    else:
        __hidden__ = frozenset()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use replace({name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in self.__fields__])

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self._values() == other._values())

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        # Hidden fields may hold secrets, and a repr ends up in logs and tracebacks.
        fields = ", ".join(
            f"{field}={'…' if field in self.__hidden__ else repr(getattr(self, field))}"
            for field in self.__fields__
        )
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), dict(zip(self.__fields__, self._values(), strict=True))))

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        # What some kinds do not let be read is copied as well.
        for field, value in zip(self.__fields__, self._values(), strict=True):
            changes.setdefault(field, value)
        return type(self)(**changes)


def _restore(cls: type[Record], fields: dict[str, Any]) -> Record:
    return cls(**fields)
